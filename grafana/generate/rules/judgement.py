"""How a target reads in PromQL: the judgement of `stream.rates`, on the recorded gauges.

A ratio and its target are quotients of whole numbers, each rounded once to the nearest double, so comparing them is as
exact as comparing the fractions. That is why counts are divided here and no target is ever multiplied by a count.
A number, which is a share of nothing, is compared as it is: it has no volume, and no failure that would be the next.
"""

from collections.abc import Iterable
from typing import Final, NamedTuple

from grafana.generate.rules.names import MINIMUMS, OFFICIAL, Names
from stream.rates import Condition

CREEP_SHARE: Final = 0.2
"""By how much of what the target allows a ratio may get worse in a week: 0.2 points where 1 % is allowed."""

CREEP_FAILURES: Final = 2
"""How many failures more than a week ago make a trend; one is chance."""

_OF_ITS_MARKETPLACE: Final = "on (job, marketplace) group_left ()"
_BY_SELLER: Final = "by (job, marketplace, seller)"


class _Reading(NamedTuple):
    """One condition: when it is missed, the numerator after a failure more and after one alone, and what is allowed."""

    missed: str
    one_more: str
    alone: str
    allowed: str


_READINGS: Final[dict[Condition, _Reading]] = {
    "less_than": _Reading(">=", "({numerator} + 1)", "1", "{targets}"),
    "greater_than": _Reading("<=", "({numerator} - 1)", "({denominator} - 1)", "(1 - {targets})"),
    "at_least": _Reading("<", "({numerator} - 1)", "({denominator} - 1)", "(1 - {targets})"),
}
"""How shares are judged; a number must equal its target, or at least not exceed it."""


def low_volume(names: Names) -> str:
    """Return the denominators that are too small to judge by (rules.md: "Low volume")."""
    few = f"{names.denominator} < {_OF_ITS_MARKETPLACE} {MINIMUMS}"
    alone = f"{_reading(names).alone} / ({names.denominator} > 0)"
    return f"{few} or {names.denominator} and ({_misses(names, alone)}) unless on (job, marketplace) {MINIMUMS}"


def missed(names: Names) -> str:
    """Return the figures that miss their target, with volume enough."""
    misses = _misses(names, names.value)
    return f"{misses} unless {names.recorded('low_volume')}" if names.is_share else misses


def missed_low_volume(names: Names) -> str:
    """Return the ratios that miss their target, on too little."""
    return f"{_misses(names, names.value)} and {names.recorded('low_volume')}"


def next_failure_misses(names: Names) -> str:
    """Return the ratios that meet their target, with volume enough, and would not after one failure more."""
    one_more = _misses(names, f"{_reading(names).one_more} / ({names.denominator} > 0)")
    missed_now = _misses(names, names.value)
    return f"{names.value} and ({one_more}) unless ({missed_now}) unless {names.recorded('low_volume')}"


def missed_sellers(names: Names) -> str:
    """Return how many sellers of each marketplace miss the target; 0, not nothing, while the target is shown."""
    return f"{_sellers(_officially_missed(names))} or 0 * max by (job, marketplace) ({names.targets})"


def missed_metrics(metrics: Iterable[Names]) -> str:
    """Return how many metrics each seller misses in a marketplace; nothing where it misses none."""
    missed_ones = (
        f'label_replace({_of_each(_officially_missed(names))}, "metric", "{names.metric.name}", "", "")'
        for names in metrics
    )
    return f"count {_BY_SELLER} ({' or '.join(missed_ones)})"


def newly_missed_sellers(names: Names) -> str:
    """Return how many sellers of each marketplace miss the target, and did not in any window or channel a day ago."""
    missed_now = _officially_missed(names)
    return f"count by (job, marketplace) ({_of_each(missed_now)} unless {_of_each(f'{missed_now} offset 1d')})"


def creeping(names: Names) -> str:
    """Return the ratios that got worse within a week: by a part of what is allowed, and by more than one failure."""
    in_trends = _in_trends(names)
    now, before = f"{names.value}{in_trends}", f"{names.value}{in_trends} offset 1w"
    change = f"{now} - {before}" if names.target.counts_failures else f"{before} - {now}"
    worse = f"{change} > {_OF_ITS_MARKETPLACE} ({CREEP_SHARE} * {_reading(names).allowed})"
    failures = f"{_failures(names)} - {_failures(names, ' offset 1w')} >= {CREEP_FAILURES}"
    return f"{now} and ({worse}) and ({failures}) unless {names.recorded('low_volume')}"


def _in_trends(names: Names) -> str:
    if names.trends == names.windows:
        return ""
    return f'{{window=~"{"|".join(window.name for window in names.trends)}"}}'


def _reading(names: Names) -> _Reading:
    filled = (
        template.format(numerator=names.numerator, denominator=names.denominator, targets=names.targets)
        for template in _READINGS[names.target.condition]
    )
    return _Reading(*filled)


def _misses(names: Names, figure: str) -> str:
    missed_when = _READINGS[names.target.condition].missed if names.is_share else ">"
    return f"{figure} {missed_when} {_OF_ITS_MARKETPLACE} {names.targets}"


def _failures(names: Names, then: str = "") -> str:
    if names.target.counts_failures:
        return f"{names.numerator}{then}"
    return f"({names.denominator}{then} - {names.numerator}{then})"


def _officially_missed(names: Names) -> str:
    return f"{names.recorded('missed')}{{{OFFICIAL}}}" if names.warns_early else names.recorded("missed")


def _sellers(figures: str) -> str:
    return f"count by (job, marketplace) ({_of_each(figures)})"


def _of_each(figures: str) -> str:
    return f"group {_BY_SELLER} ({figures})"
