"""What is now true of one order: the fold of its things' versions, and what that adds to the counts.

The fold keeps, of each thing, the version with the greatest `(event_time, event_id)`. It is commutative and idempotent:
late, doubled, shuffled or replayed events give the same state.
"""

from typing import Final, NamedTuple

import msgspec

from stream.events import Chargeback, Claim, Defect, Feedback, Order, Thing
from stream.figures import (
    CHARGEBACK_ORDERS,
    CLAIM_ORDERS,
    DEFECTIVE_ORDERS,
    NEGATIVE_FEEDBACK_ORDERS,
    ONE,
    ORDERS,
    UNCOUNTED_ORDERS,
)
from stream.rules import Rules

FORMAT: Final = 1
"""The version of the packed form; a change of any field of `events` raises it."""

REDELIVERED: Final = "redelivered"
STALE: Final = "stale"
TOO_MANY: Final = "too_many"

MOST_DEFECTS: Final = 500
"""How many things an order keeps beside itself: the first by kind and id, so that their order of arrival means nothing.

A broker takes no record above 1 MiB, and each thing's ids may take 1.5 KiB: without a limit, a source that gives one
order id to everything would end every worker that reads it.
"""


class OrderState(msgspec.Struct, array_like=True, frozen=True, gc=False, tag=FORMAT):
    """The current version of an order and of everything that belongs to it.

    `order` is None while only defects have arrived: they wait. `defects` is sorted by kind and id, so that equal
    histories give equal bytes.
    """

    order: Order | None = None
    defects: tuple[Defect, ...] = ()


EMPTY: Final = OrderState()

pack = msgspec.msgpack.Encoder().encode
"""Return a state, or a thing, as bytes."""

unpack = msgspec.msgpack.Decoder(OrderState).decode
"""Return the state in what `pack` gave; raises msgspec.DecodeError for anything else, other formats included."""


def fold(state: OrderState, thing: Thing) -> OrderState | str:
    """Return the state with `thing` in it, or why it changes nothing: `REDELIVERED`, `STALE` or `TOO_MANY`."""
    if isinstance(thing, Order):
        ignored = state.order and _ignored(state.order, thing)
        return ignored or OrderState(thing, state.defects)
    current = next((known for known in state.defects if known.id == thing.id and type(known) is type(thing)), None)
    if current is None:
        return _with_new(state, thing)
    ignored = _ignored(current, thing)
    return ignored or OrderState(state.order, tuple(thing if known is current else known for known in state.defects))


def _with_new(state: OrderState, thing: Defect) -> OrderState | str:
    defects = tuple(sorted((*state.defects, thing), key=_kind_and_id))[:MOST_DEFECTS]
    cut = len(state.defects) == MOST_DEFECTS and defects[-1] is state.defects[-1]
    return TOO_MANY if cut else OrderState(state.order, defects)


def merge(state: OrderState, other: OrderState) -> OrderState:
    """Return what is true when all things of both states have been seen, in whatever order."""
    things: list[Thing] = [*other.defects] if other.order is None else [other.order, *other.defects]
    for thing in things:
        folded = fold(state, thing)
        if isinstance(folded, OrderState):
            state = folded
    return state


def _ignored(current: Thing, thing: Thing) -> str | None:
    ahead = current.event_time - thing.event_time
    if ahead:
        return STALE if ahead > 0 else None
    if current.event_id != thing.event_id:
        return STALE if current.event_id > thing.event_id else None
    if current == thing:
        return REDELIVERED
    # Sources must not give two versions the same time and id. If one does, the greater bytes win: any order of arrival
    # must still give the same figures.
    return STALE if pack(current) > pack(thing) else None


def _kind_and_id(defect: Defect) -> tuple[str, str]:
    return type(defect).__name__, defect.id


class Contribution(NamedTuple):
    """What one order adds to the counts: `amount` (see `figures`) on `day` (proleptic ordinal, the order date)."""

    marketplace_id: str
    channel: str
    day: int
    amount: int


class Change(msgspec.Struct, frozen=True, gc=False):
    """A signed amount: what a day of a marketplace and channel gains or, negative, has retracted."""

    marketplace_id: str
    channel: str
    day: int
    diff: int


def contribution(state: OrderState, rules: Rules) -> Contribution | None:
    """Return what the order adds to the counts, or None while the order itself is not known.

    An order that is not counted (rules.md: "Counted orders") is in no figure, whatever defects it has.
    """
    order = state.order
    if order is None:
        return None
    amount = _amount(order, state.defects, rules)
    day = rules.day(order.marketplace_id, order.purchased_at)
    return Contribution(order.marketplace_id, order.channel, day, amount)


def order_day(order: Order, rules: Rules) -> int:
    """Return the order date (proleptic ordinal): the day of `purchased_at` in the marketplace's zone."""
    return rules.day(order.marketplace_id, order.purchased_at)


def contribution_before(
    before: OrderState, after: OrderState, share: Contribution | None, rules: Rules
) -> Contribution | None:
    """Return `contribution(before, rules)` of an order of which it is known that it adds `share` in the state `after`.

    Most newer versions change nothing that counts: then it is `share` itself, which is quicker than to make another.
    """
    was, order = before.order, after.order
    if was is None or order is None or share is None:
        return contribution(before, rules)
    there = was.purchased_at == order.purchased_at and was.marketplace_id == order.marketplace_id
    same = there and was.channel == order.channel and _amount(was, before.defects, rules) == share.amount
    return share if same else contribution(before, rules)


def _amount(order: Order, defects: tuple[Defect, ...], rules: Rules) -> int:
    if not counted(order):
        return _UNCOUNTED
    if not defects:
        return _GOOD
    lanes = {_LANES[type(defect)] for defect in defects if defective(defect, rules)}
    return _GOOD + _DEFECTIVE + sum(lanes) if lanes else _GOOD


def changes(before: Contribution | None, after: Contribution | None) -> list[Change]:
    """Return what moving an order from one contribution to another does to the counts."""
    # Never edit a counter: retract what was, add what is. Redelivery then nets to nothing.
    if before is not None and after is not None and before[:3] == after[:3]:
        diff = after.amount - before.amount
        return [Change(*after[:3], diff)] if diff else []
    retracted = [] if before is None else [Change(*before[:3], -before.amount)]
    return retracted if after is None else [*retracted, Change(*after)]


_LANES: Final[dict[type[Defect], int]] = {
    Feedback: ONE[NEGATIVE_FEEDBACK_ORDERS],
    Claim: ONE[CLAIM_ORDERS],
    Chargeback: ONE[CHARGEBACK_ORDERS],
}
_GOOD: Final = ONE[ORDERS]
_UNCOUNTED: Final = ONE[UNCOUNTED_ORDERS]
_DEFECTIVE: Final = ONE[DEFECTIVE_ORDERS]


def counted(order: Order) -> bool:
    """Return whether the order is in the denominator (rules.md: "Counted orders")."""
    if order.status == "Canceled":
        return order.cancelled_by != "buyer"
    return order.status not in {"Pending", "PendingAvailability"}


def defective(defect: Defect, rules: Rules) -> bool:
    """Return whether the thing makes its order defective (rules.md: feedback, claims and chargebacks)."""
    match defect:
        case Feedback():
            return defect.status == "posted" and defect.rating <= 2
        case Claim():
            return _claim_counts(defect, rules)
        case Chargeback():
            reversed_ = defect.status == "reversed" and rules.reversed_chargebacks == "excluded"
            return defect.kind != "fraud" and not reversed_


def _claim_counts(claim: Claim, rules: Rules) -> bool:
    if rules.claims_policy == "all_filed":
        return True
    if claim.odr_impact is not None:  # money and metric are separate decisions
        return claim.odr_impact == "counts"
    if claim.status == "granted":
        return claim.funded_by != "amazon"
    return claim.status not in {"denied", "withdrawn"}
