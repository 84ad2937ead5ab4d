"""Which sellers become series where not all do (STREAM_EXPORT=at_risk): those that somebody should look at."""

from collections.abc import Mapping
from typing import Final

from stream.figures import count
from stream.gauges import Group, Totals
from stream.metrics import ORDER_DEFECT, target_of
from stream.rules import Rules

SHOWN_SECONDS: Final = 3600.0
"""For how long a seller is shown after its defective orders have changed."""


class AtRisk:
    """Chooses the groups above half their target, and those whose defective orders have changed within the hour.

    It remembers when each group's did, so it must be asked at every scrape, with seconds of a clock that only goes on.
    """

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._last: dict[Group, tuple[tuple[int, ...], float]] = {}

    def choose(self, totals: Mapping[Group, Totals], at_seconds: float) -> dict[Group, Totals]:
        """Return the groups that become series."""
        known = self._last
        self._last = {}
        chosen = {}
        for group, amounts in totals.items():
            defective = tuple(count(total, ORDER_DEFECT.numerator) for total in amounts)
            before, changed_at = known.get(group, (defective, float("-inf")))  # a seller that is new here has not moved
            if defective != before:
                changed_at = at_seconds
            self._last[group] = defective, changed_at
            if at_seconds - changed_at < SHOWN_SECONDS or self._above_half(group, defective, amounts):
                chosen[group] = amounts
        return chosen

    def _above_half(self, group: Group, defective: tuple[int, ...], totals: Totals) -> bool:
        if not any(defective):
            return False
        asked = target_of(ORDER_DEFECT, group.marketplace_id, self._rules)
        return asked is not None and any(
            2 * number > asked.value * count(total, ORDER_DEFECT.denominator)
            for number, total in zip(defective, totals, strict=True)
        )
