"""What a state adds to the counts: for each ledger a pure function from an order, message or violation to its shares.

Every decision of `rules.md` on what counts is here; whatever a share is worth, it is counted where, and on which day,
its ledger says.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Final, TypeAlias

import msgspec

from stream.events import Attached, Chargeback, Claim, Defect, Feedback, Message, Order, Package, Violation
from stream.figures import (
    ANSWERED_MESSAGES,
    BY_CONFIRMATION,
    BY_DETECTION,
    BY_MESSAGE,
    BY_ORDER_DATE,
    BY_PROMISE,
    BY_RECEIPT,
    CANCELLED_ORDERS,
    CHARGEBACK_ORDERS,
    CLAIM_ORDERS,
    CONFIRMED_ORDERS,
    DEFECTIVE_ORDERS,
    LATE_ORDERS,
    MESSAGES,
    NEGATIVE_FEEDBACK_ORDERS,
    NEGATIVE_RECEIVED_FEEDBACK,
    ON_TIME_PACKAGES,
    ONE,
    OPEN_VIOLATIONS,
    ORDERS,
    PACKAGES,
    RECEIVED_FEEDBACK,
    TRACKED_PACKAGES,
    UNCOUNTED_ORDERS,
    VIOLATIONS,
)
from stream.rules import Rules
from stream.states import OrderState, State

Place: TypeAlias = tuple[str, ...]
"""Where something is counted: ledger, marketplace, and the values of the ledger's further labels."""


class Share(msgspec.Struct, frozen=True, gc=False):
    """What is added in one place: `amount` (see `figures`) on `day` (proleptic ordinal)."""

    place: Place
    day: int
    amount: int


Shares: TypeAlias = tuple[Share, ...]
"""All that one state adds; an order's own share, by order date, is the first."""


def shares(state: State | None, rules: Rules) -> Shares:
    """Return everything that a state adds to the counts.

    Until an order itself is known, nothing of it counts but the feedback that has been received.
    """
    if isinstance(state, OrderState):
        order, attached = state.order, state.attached
        if order is None:
            return tuple(_of_attached(None, attached, rules))
        place = (BY_ORDER_DATE.name, order.marketplace_id, order.channel)
        own = Share(place, rules.day(order.marketplace_id, order.purchased_at), _amount(order, attached, rules))
        return (own, *_of_attached(order, attached, rules)) if attached else (own,)
    if isinstance(state, Message):
        return tuple(_of_message(state, rules))
    return () if state is None else (_of_violation(state, rules),)


def shares_before(before: State | None, after: State, told: Shares, rules: Rules) -> Shares:
    """Return `shares(before, rules)` of a state of which it is known that it adds `told` when it is `after`.

    Most newer versions of an order change nothing that counts: then it is `told` itself, which is quicker.
    """
    if not isinstance(before, OrderState) or not isinstance(after, OrderState) or before.attached or after.attached:
        return shares(before, rules)
    was, order = before.order, after.order
    if was is None or order is None:
        return ()
    there = was.purchased_at == order.purchased_at and was.marketplace_id == order.marketplace_id
    same = there and was.channel == order.channel and _amount(was, (), rules) == told[0].amount
    return told if same else shares(before, rules)


def order_share(found: Shares) -> Share | None:
    """Return an order's own share, by order date, or None while the order itself is not known."""
    return found[0] if found and found[0].place[0] == BY_ORDER_DATE.name else None


def changes(before: Shares, after: Shares) -> Sequence[Share]:
    """Return, as shares of signed amounts, what going from one state's shares to another's does to the counts."""
    # Never edit a counter: retract what was, add what is. Redelivery then nets to nothing.
    if not before:
        return after
    net: defaultdict[tuple[Place, int], int] = defaultdict(int)
    for share in before:
        net[share.place, share.day] -= share.amount
    for share in after:
        net[share.place, share.day] += share.amount
    return [Share(place, day, amount) for (place, day), amount in net.items() if amount]


# By order date: the Order Defect Rate and its components, and cancellations.


def _amount(order: Order, attached: tuple[Attached, ...], rules: Rules) -> int:
    if not counted(order):
        return _UNCOUNTED
    # Most orders are neither: looked at here, that costs no call.
    may_be = order.item_cancelled or order.status == "Canceled"
    amount = _GOOD + _CANCELLED if may_be and cancelled(order, attached, rules) else _GOOD
    if not attached:
        return amount
    lanes = {_LANES[type(thing)] for thing in attached if not isinstance(thing, Package) and defective(thing, rules)}
    return amount + _DEFECTIVE + sum(lanes) if lanes else amount


_LANES: Final[dict[type[Attached], int]] = {
    Feedback: ONE[NEGATIVE_FEEDBACK_ORDERS],
    Claim: ONE[CLAIM_ORDERS],
    Chargeback: ONE[CHARGEBACK_ORDERS],
}
_GOOD: Final = ONE[ORDERS]
_UNCOUNTED: Final = ONE[UNCOUNTED_ORDERS]
_DEFECTIVE: Final = ONE[DEFECTIVE_ORDERS]
_CANCELLED: Final = ONE[CANCELLED_ORDERS]


def counted(order: Order) -> bool:
    """Return whether the order is in the denominator (rules.md: "Counted orders")."""
    if order.status == "Canceled":
        return order.cancelled_by != "buyer"
    return order.status not in {"Pending", "PendingAvailability"}


def defective(defect: Defect, rules: Rules) -> bool:
    """Return whether the thing makes its order defective (rules.md: feedback, claims and chargebacks)."""
    match defect:
        case Feedback():
            return negative(defect)
        case Claim():
            return _claim_counts(defect, rules)
        case Chargeback():
            reversed_ = defect.status == "reversed" and rules.reversed_chargebacks == "excluded"
            return defect.kind != "fraud" and not reversed_


def negative(feedback: Feedback) -> bool:
    """Return whether a feedback is negative, and there (rules.md: "Negative feedback")."""
    return feedback.status == "posted" and feedback.rating <= 2


def _claim_counts(claim: Claim, rules: Rules) -> bool:
    if rules.claims_policy == "all_filed":
        return True
    if claim.odr_impact is not None:  # money and metric are separate decisions
        return claim.odr_impact == "counts"
    if claim.status == "granted":
        return claim.funded_by != "amazon"
    return claim.status not in {"denied", "withdrawn"}


def cancelled(order: Order, attached: tuple[Attached, ...], rules: Rules) -> bool:
    """Return whether a counted order is a cancellation of its seller's (rules.md: "cancellation").

    Seller-fulfilled orders only; and none of which a package has been confirmed: after that it is a refund.
    """
    if order.channel != "MFN" or order.excused or not _given_up(order):
        return False
    if order.buyer_requested_cancel and rules.buyer_requested_cancellations == "excluded":
        return False
    return not any(isinstance(thing, Package) for thing in attached)


def _given_up(order: Order) -> bool:
    """Return whether the seller cancelled the order or an item of it, or let Amazon do so by not shipping it."""
    if order.item_cancelled:
        return True
    if order.status != "Canceled":
        return False
    return order.cancelled_by == "seller" or (order.cancelled_by == "amazon" and order.cancel_reason == "not_shipped")


# What else an order's things add.


def _of_attached(order: Order | None, attached: tuple[Attached, ...], rules: Rules) -> list[Share]:
    """Return what feedback adds by the day it was received, and the packages of a seller-fulfilled order that is known.

    Feedback goes by its own marketplace until its order is known.
    """
    found = []
    packages = []
    for thing in attached:
        if isinstance(thing, Package):
            packages.append(thing)
        elif isinstance(thing, Feedback) and thing.status == "posted":
            found.append(_of_feedback(thing, thing.marketplace_id if order is None else order.marketplace_id, rules))
    if packages and order is not None and order.channel == "MFN":
        found.append(_of_confirmation(order, packages, rules))
        found += [
            _of_package(order, package, package.promised_by, rules)
            for package in packages
            if package.promised_by is not None and not package.excused
        ]
    return found


def _of_feedback(feedback: Feedback, marketplace_id: str, rules: Rules) -> Share:
    """Return the share of a posted feedback in the buyers' view of its seller."""
    amount = ONE[RECEIVED_FEEDBACK] + (ONE[NEGATIVE_RECEIVED_FEEDBACK] if negative(feedback) else 0)
    return Share((BY_RECEIPT.name, marketplace_id), rules.day(marketplace_id, feedback.received_at), amount)


def _of_confirmation(order: Order, packages: list[Package], rules: Rules) -> Share:
    """Return the share of an order that is confirmed shipped, as it is when its first package is: late shipment."""
    confirmed_at = min(package.confirmed_at for package in packages)
    excused = any(package.excused for package in packages if package.confirmed_at == confirmed_at)
    late = order.ship_by is not None and confirmed_at > order.ship_by and not excused
    amount = ONE[CONFIRMED_ORDERS] + (ONE[LATE_ORDERS] if late else 0)
    day = rules.day(order.marketplace_id, confirmed_at)
    return Share((BY_CONFIRMATION.name, order.marketplace_id), day, amount)


def _of_package(order: Order, package: Package, promised_by: int, rules: Rules) -> Share:
    """Return the share of a package that was promised for a day: valid tracking and on-time delivery."""
    day = rules.day(order.marketplace_id, promised_by)
    amount = ONE[PACKAGES]
    if package.tracked:
        delivered_at = package.delivered_at
        in_time = delivered_at is not None and rules.day(order.marketplace_id, delivered_at) <= day
        amount += ONE[TRACKED_PACKAGES] + (ONE[ON_TIME_PACKAGES] if in_time else 0)
    return Share((BY_PROMISE.name, order.marketplace_id), day, amount)


# What stands for itself.

_ANSWER_MICROSECONDS: Final = 24 * 3_600_000_000


def _of_message(message: Message, rules: Rules) -> Iterator[Share]:
    """Yield the share of a message that needs an answer, and whether it had one within 24 hours: contact response."""
    if message.needs_response:
        answered_at = message.answered_at
        in_time = answered_at is not None and answered_at - message.received_at <= _ANSWER_MICROSECONDS
        amount = ONE[MESSAGES] + (ONE[ANSWERED_MESSAGES] if in_time else 0)
        day = rules.day(message.marketplace_id, message.received_at)
        yield Share((BY_MESSAGE.name, message.marketplace_id), day, amount)


def _of_violation(violation: Violation, rules: Rules) -> Share:
    place = (BY_DETECTION.name, violation.marketplace_id, violation.category, violation.severity)
    amount = ONE[VIOLATIONS] + (ONE[OPEN_VIOLATIONS] if violation.status == "open" else 0)
    return Share(place, rules.day(violation.marketplace_id, violation.detected_at), amount)
