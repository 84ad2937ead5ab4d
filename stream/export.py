"""Which sellers become series where not all do (STREAM_EXPORT=at_risk): those that somebody should look at."""

from collections.abc import Iterator, Mapping
from typing import Final

from stream.gauges import Group, Totals, Values
from stream.rates import above_half, failures
from stream.rules import Rules

SHOWN_SECONDS: Final = 3600.0
"""For how long a seller is shown after its failures have changed."""


class AtRisk:
    """Chooses the sellers above half a target in a marketplace, and those whose failures have changed within the hour.

    It remembers when they did, so it must be asked at every scrape, with seconds of a clock that only goes on.
    """

    def __init__(self, rules: Rules) -> None:
        self._values = Values(rules)
        self._last: dict[Group, tuple[tuple[int, ...], float]] = {}

    def choose(self, totals: Mapping[Group, Totals], at_seconds: float) -> dict[Group, Totals]:
        """Return the groups that become series: all of a seller in a marketplace, or none."""
        known = self._last
        self._last = {}
        chosen = set()
        for group, amounts in totals.items():
            judged = list(self._judged(group, amounts))
            failed = tuple(failed for failed, _ in judged)
            before, changed_at = known.get(group, (failed, float("-inf")))  # a seller that is new here has not moved
            if failed != before:
                changed_at = at_seconds
            self._last[group] = failed, changed_at
            if at_seconds - changed_at < SHOWN_SECONDS or any(at_risk for _, at_risk in judged):
                chosen.add((group.seller_id, group.marketplace_id))
        return {
            group: amounts for group, amounts in totals.items() if (group.seller_id, group.marketplace_id) in chosen
        }

    def _judged(self, group: Group, totals: Totals) -> Iterator[tuple[int, bool]]:
        """Yield, for each metric and window of a group that has a target, how many failed and whether half may."""
        for told in self._values.told_in(group.place):
            if told.asked is not None:
                for _, counted in told.counted(totals):
                    failed = failures(*counted, told.asked)
                    yield failed, above_half(failed, counted.denominator, told.asked)
