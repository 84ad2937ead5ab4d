"""What share went wrong: ratios, targets, headroom, intervals and verdicts, judged on exact fractions."""

from fractions import Fraction
from math import sqrt
from typing import Final, Literal, NamedTuple

Condition = Literal["less_than", "greater_than", "at_least", "equals"]
Verdict = Literal["good", "at_risk", "missed", "no_data"]

_Z_95: Final = 1.959963984540054


class Target(NamedTuple):
    """What a ratio must be: `condition` than or to `value` (a fraction of 1)."""

    condition: Condition
    value: Fraction

    @property
    def counts_failures(self) -> bool:
        """Whether the numerator counts what went wrong, not what went right."""
        return self.condition in {"less_than", "equals"}


def ratio(numerator: int, denominator: int | None) -> float | None:
    """Return numerator / denominator, or None where there is nothing to divide by.

    None, not 0.0: "no orders yet" must not look like "no defects" (rules.md: "0 orders").
    """
    return numerator / denominator if denominator else None


def headroom(numerator: int, denominator: int, target: Target) -> int:
    """Return how many more failures fit, with the denominator as it is, before the target is missed.

    Negative where it is missed already: -2 means that two failures would have to stop counting. Exactly at a limit that
    must not be reached is -1 (rules.md: "Headroom").
    """
    value, per = target.value.as_integer_ratio()
    bar = value * denominator  # whole numbers of 1 / per: `per` divides it where the bar is met exactly
    if target.condition == "less_than":
        return -(-bar // per) - 1 - numerator
    if target.condition == "greater_than":
        return numerator - bar // per - 1
    if target.condition == "at_least":
        return numerator + -bar // per
    return bar // per - numerator


def failures(numerator: int, denominator: int | None, target: Target) -> int:
    """Return how many failed, of a share or of a number."""
    return numerator if denominator is None or target.counts_failures else denominator - numerator


def above_half(failed: int, denominator: int | None, target: Target) -> bool:
    """Return whether more failed than half of the failures at which the target begins to be missed."""
    value, per = target.value.as_integer_ratio()
    allowed = value if target.counts_failures else per - value
    return 2 * failed * per > allowed * (1 if denominator is None else denominator)


def low_volume(denominator: int, target: Target, minimum_denominator: int | None) -> bool:
    """Return whether the figure rests on too little to be judged by its ratio (rules.md: "Low volume").

    True where a single failure alone would miss the target; a configured minimum replaces that.
    """
    if minimum_denominator is not None:
        return denominator < minimum_denominator
    best = 0 if target.counts_failures else denominator
    return headroom(best, denominator, target) < 1


def verdict(
    numerator: int,
    denominator: int,
    target: Target,
    *,
    minimum_denominator: int | None = None,
    ahead: tuple[int, int] | None = None,
) -> Verdict:
    """Return what the counts say against the target (rules.md: "Verdict").

    `ahead` is the numerator and denominator of the window that warns early, where the figure has one.
    """
    if denominator == 0:
        return "no_data"
    room = headroom(numerator, denominator, target)
    if room < 0:
        return "missed"
    if failures(numerator, denominator, target) == 0 and low_volume(denominator, target, minimum_denominator):
        return "good"
    ahead_misses = ahead is not None and ahead[1] > 0 and headroom(*ahead, target) < 0
    return "at_risk" if room == 0 or ahead_misses else "good"


def interval(numerator: int, denominator: int | None) -> tuple[float, float] | None:
    """Return the Wilson 95 % bounds (low, high) of a share, or None without a denominator."""
    if not denominator:
        return None
    share, z_squared = numerator / denominator, _Z_95**2
    centre = share + z_squared / (2 * denominator)
    spread = _Z_95 * sqrt(share * (1 - share) / denominator + z_squared / (4 * denominator**2))
    scale = 1 + z_squared / denominator
    low = 0.0 if numerator == 0 else (centre - spread) / scale
    high = 1.0 if numerator == denominator else (centre + spread) / scale
    return low, high
