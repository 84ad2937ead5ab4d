"""Which sellers become series where not all do (STREAM_EXPORT=at_risk): those that somebody should look at."""

from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Final

from stream.gauges import Group, Totals
from stream.metrics import METRICS_OF, WINDOWS, target_of
from stream.rates import failures
from stream.rules import Rules

SHOWN_SECONDS: Final = 3600.0
"""For how long a seller is shown after its failures have changed."""


class AtRisk:
    """Chooses the sellers above half a target in a marketplace, and those whose failures have changed within the hour.

    It remembers when they did, so it must be asked at every scrape, with seconds of a clock that only goes on.
    """

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._last: dict[Group, tuple[tuple[int, ...], float]] = {}

    def choose(self, totals: Mapping[Group, Totals], at_seconds: float) -> dict[Group, Totals]:
        """Return the groups that become series: all of a seller in a marketplace, or none."""
        known = self._last
        self._last = {}
        chosen = set()
        for group, amounts in totals.items():
            judged = list(self._judged(group, amounts))
            failures = tuple(failed for failed, _ in judged)
            before, changed_at = known.get(group, (failures, float("-inf")))  # a seller that is new here has not moved
            if failures != before:
                changed_at = at_seconds
            self._last[group] = failures, changed_at
            if at_seconds - changed_at < SHOWN_SECONDS or any(2 * failed > allowed for failed, allowed in judged):
                chosen.add((group.seller_id, group.marketplace_id))
        return {
            group: amounts for group, amounts in totals.items() if (group.seller_id, group.marketplace_id) in chosen
        }

    def _judged(self, group: Group, totals: Totals) -> Iterator[tuple[int, Fraction]]:
        """Yield, for each metric and window of a group that has a target, how many failed and how many may."""
        place = group.place
        for metric in METRICS_OF[place[0]]:
            target = target_of(metric, group.marketplace_id, self._rules)
            if target is not None and metric.is_told_in(place):
                windows = metric.windows_in(group.marketplace_id, self._rules)
                for window, total in zip(WINDOWS[place[0]], totals, strict=True):
                    if window in windows:
                        yield failures(*metric.counted(total), target)
