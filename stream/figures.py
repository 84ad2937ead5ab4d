"""The figures that are counted, by ledger, and how all figures of a ledger's day travel in one integer.

A day's counts are one whole number with a lane of 32 bits per figure, so adding all figures of a day is one addition,
retracting is one subtraction, and a day that holds nothing but a few good orders is a small integer that Python keeps
only once.
"""

from typing import Final, NamedTuple

ORDERS: Final = "orders"
DEFECTIVE_ORDERS: Final = "defective_orders"
NEGATIVE_FEEDBACK_ORDERS: Final = "negative_feedback_orders"
CLAIM_ORDERS: Final = "claim_orders"
CHARGEBACK_ORDERS: Final = "chargeback_orders"
CANCELLED_ORDERS: Final = "cancelled_orders"
UNCOUNTED_ORDERS: Final = "uncounted_orders"
"""Orders kept that are in no figure (pending, or cancelled by the buyer): no figure itself, but a lane beside them."""

CONFIRMED_ORDERS: Final = "confirmed_orders"
LATE_ORDERS: Final = "late_orders"

PACKAGES: Final = "packages"
TRACKED_PACKAGES: Final = "tracked_packages"
ON_TIME_PACKAGES: Final = "on_time_packages"

RECEIVED_FEEDBACK: Final = "received_feedback"
NEGATIVE_RECEIVED_FEEDBACK: Final = "negative_received_feedback"

MESSAGES: Final = "messages"
ANSWERED_MESSAGES: Final = "answered_messages"

VIOLATIONS: Final = "violations"
OPEN_VIOLATIONS: Final = "open_violations"


class Ledger(NamedTuple):
    """Figures that are counted together: by seller, marketplace and further `labels`, on days of one kind.

    `figures` are in the order of their lanes; the first is what most days hold nothing else than.
    """

    name: str
    day: str
    labels: tuple[str, ...]
    figures: tuple[str, ...]


BY_ORDER_DATE: Final = Ledger(
    "orders",
    "order date",
    ("channel",),
    (
        ORDERS,
        DEFECTIVE_ORDERS,
        NEGATIVE_FEEDBACK_ORDERS,
        CLAIM_ORDERS,
        CHARGEBACK_ORDERS,
        CANCELLED_ORDERS,
        UNCOUNTED_ORDERS,
    ),
)
BY_CONFIRMATION: Final = Ledger("confirmations", "day of confirmation", (), (CONFIRMED_ORDERS, LATE_ORDERS))
BY_PROMISE: Final = Ledger("packages", "promised delivery day", (), (PACKAGES, TRACKED_PACKAGES, ON_TIME_PACKAGES))
BY_RECEIPT: Final = Ledger("feedback", "day received", (), (RECEIVED_FEEDBACK, NEGATIVE_RECEIVED_FEEDBACK))
BY_MESSAGE: Final = Ledger("messages", "day received", (), (MESSAGES, ANSWERED_MESSAGES))
BY_DETECTION: Final = Ledger("violations", "day detected", ("category", "severity"), (VIOLATIONS, OPEN_VIOLATIONS))

LEDGERS: Final = {
    ledger.name: ledger for ledger in (BY_ORDER_DATE, BY_CONFIRMATION, BY_PROMISE, BY_RECEIPT, BY_MESSAGE, BY_DETECTION)
}
"""Every ledger, by name."""

LEDGER_OF: Final = {figure: ledger for ledger in LEDGERS.values() for figure in ledger.figures}
"""The ledger of each figure."""

FIGURES: Final = (ORDERS, DEFECTIVE_ORDERS, NEGATIVE_FEEDBACK_ORDERS, CLAIM_ORDERS, CHARGEBACK_ORDERS)
"""The figures of the Order Defect Rate, in the order of their lanes: what `health-changes` tells of."""

_LANE_BITS: Final = 32
_LANE: Final = (1 << _LANE_BITS) - 1

_SHIFTS: Final = {
    figure: _LANE_BITS * lane for ledger in LEDGERS.values() for lane, figure in enumerate(ledger.figures)
}

ONE: Final = {figure: 1 << shift for figure, shift in _SHIFTS.items()}
"""What one order, package, feedback, message or violation adds to its figure's lane."""


def count(amount: int, figure: str) -> int:
    """Return how many of `figure` are in `amount`, of the figure's ledger."""
    return amount >> _SHIFTS[figure] & _LANE


def counts(amount: int) -> tuple[int, ...]:
    """Return the count of each of `FIGURES` in `amount`."""
    return tuple(amount >> (_LANE_BITS * lane) & _LANE for lane in range(len(FIGURES)))


def lanes(amount: int, ledger: Ledger) -> dict[str, int]:
    """Return the count of every figure of `ledger` that `amount` has any of."""
    told = {figure: amount >> (_LANE_BITS * lane) & _LANE for lane, figure in enumerate(ledger.figures)}
    return {figure: number for figure, number in told.items() if number}


def figures_in(amount: int) -> list[str]:
    """Return the names of those of `FIGURES` that `amount` has any of."""
    return [figure for figure in FIGURES if count(amount, figure)]
