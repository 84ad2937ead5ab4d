"""The figures that orders are counted in, and how many of them travel in one integer.

A day's counts of one seller are one whole number with a lane of 32 bits per figure, so adding all figures of a day is
one addition, retracting is one subtraction, and a day that holds nothing but a few good orders is a small integer that
Python keeps only once.
"""

from typing import Final

ORDERS: Final = "orders"
DEFECTIVE_ORDERS: Final = "defective_orders"
NEGATIVE_FEEDBACK_ORDERS: Final = "negative_feedback_orders"
CLAIM_ORDERS: Final = "claim_orders"
CHARGEBACK_ORDERS: Final = "chargeback_orders"

FIGURES: Final = (ORDERS, DEFECTIVE_ORDERS, NEGATIVE_FEEDBACK_ORDERS, CLAIM_ORDERS, CHARGEBACK_ORDERS)
"""Every figure, in the order of its lane. `orders` is first: most days hold nothing else."""

UNCOUNTED_ORDERS: Final = "uncounted_orders"
"""Orders kept that are in no figure (pending, or cancelled by the buyer): no figure itself, but a lane beside them."""

_LANE_BITS: Final = 32
_LANE: Final = (1 << _LANE_BITS) - 1

LANES: Final = (*FIGURES, UNCOUNTED_ORDERS)
"""Every lane, in order."""

ONE: Final = {figure: 1 << (_LANE_BITS * lane) for lane, figure in enumerate(LANES)}
"""What one order adds to each lane."""


def count(amount: int, figure: str) -> int:
    """Return how many of `figure` are in `amount`."""
    return amount // ONE[figure] & _LANE


def counts(amount: int) -> tuple[int, ...]:
    """Return every figure's count in `amount`, in the order of `FIGURES`."""
    return tuple(amount >> (_LANE_BITS * lane) & _LANE for lane in range(len(FIGURES)))


def lanes(amount: int) -> list[int]:
    """Return the count in every lane of `amount`, in the order of `LANES`."""
    return [amount >> (_LANE_BITS * lane) & _LANE for lane in range(len(LANES))]


def figures_in(amount: int) -> list[str]:
    """Return the names of the figures that `amount` has any of."""
    return [figure for figure in FIGURES if count(amount, figure)]
