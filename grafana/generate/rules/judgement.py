"""How a target reads in PromQL: the judgement of `stream.rates`, on the recorded gauges.

A ratio and its target are quotients of whole numbers, each rounded once to the nearest double, so comparing them is as
exact as comparing the fractions. That is why counts are divided here and no target is ever multiplied by a count.
"""

from typing import Final, NamedTuple

from grafana.generate.rules.names import MINIMUMS, OFFICIAL, Names
from stream.rates import Condition

CREEP_SHARE: Final = 0.2
"""By how much of what the target allows a ratio may get worse in a week: 0.2 points where 1 % is allowed."""

CREEP_FAILURES: Final = 2
"""How many failures more than a week ago make a trend; one is chance."""

_OF_ITS_MARKETPLACE: Final = "on (job, marketplace) group_left ()"


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


def low_volume(names: Names) -> str:
    """Return the denominators that are too small to judge by (rules.md: "Low volume")."""
    few = f"{names.denominator} < {_OF_ITS_MARKETPLACE} {MINIMUMS}"
    if names.target.condition == "equals":  # any failure misses it, however many there could be
        return few
    alone = f"{_reading(names).alone} / ({names.denominator} > 0)"
    return f"{few} or {names.denominator} and ({_misses(names, alone)}) unless on (job, marketplace) {MINIMUMS}"


def missed(names: Names) -> str:
    """Return the ratios that miss their target, with orders enough."""
    return f"{_misses(names, names.ratio)} unless {names.recorded('low_volume')}"


def missed_low_volume(names: Names) -> str:
    """Return the ratios that miss their target, with too few orders."""
    return f"{_misses(names, names.ratio)} and {names.recorded('low_volume')}"


def next_failure_misses(names: Names) -> str:
    """Return the ratios that meet their target, with orders enough, and would not after one failure more."""
    one_more = _misses(names, f"{_reading(names).one_more} / ({names.denominator} > 0)")
    missed_now = _misses(names, names.ratio)
    return f"{names.ratio} and ({one_more}) unless ({missed_now}) unless {names.recorded('low_volume')}"


def missed_sellers(names: Names) -> str:
    """Return how many sellers of each marketplace miss the target; 0, not nothing, while the target is shown."""
    return f"{_sellers(_officially_missed(names))} or 0 * max by (job, marketplace) ({names.targets})"


def newly_missed_sellers(names: Names) -> str:
    """Return how many sellers of each marketplace miss the target and did not a day ago."""
    return _sellers(f"{_officially_missed(names)} unless {_officially_missed(names)} offset 1d")


def creeping(names: Names) -> str:
    """Return the ratios that got worse within a week: by a part of what is allowed, and by more than one failure."""
    now, before = names.ratio, f"{names.ratio} offset 1w"
    change = f"{now} - {before}" if names.target.counts_failures else f"{before} - {now}"
    worse = f"{change} > {_OF_ITS_MARKETPLACE} ({CREEP_SHARE} * {_reading(names).allowed})"
    failures = f"{_failures(names)} - {_failures(names, ' offset 1w')} >= {CREEP_FAILURES}"
    return f"{now} and ({worse}) and ({failures}) unless {names.recorded('low_volume')}"


def _reading(names: Names) -> _Reading:
    filled = (
        template.format(numerator=names.numerator, denominator=names.denominator, targets=names.targets)
        for template in _READINGS[names.target.condition]
    )
    return _Reading(*filled)


def _misses(names: Names, ratio: str) -> str:
    condition = names.target.condition
    missed_when = ">" if condition == "equals" else _READINGS[condition].missed
    return f"{ratio} {missed_when} {_OF_ITS_MARKETPLACE} {names.targets}"


def _failures(names: Names, then: str = "") -> str:
    if names.target.counts_failures:
        return f"{names.numerator}{then}"
    return f"({names.denominator}{then} - {names.numerator}{then})"


def _officially_missed(names: Names) -> str:
    return f"{names.recorded('missed')}{{{OFFICIAL}}}"


def _sellers(figures: str) -> str:
    return f"count by (job, marketplace) (group by (job, marketplace, seller) ({figures}))"
