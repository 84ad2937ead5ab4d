"""What the job reads, and what it does to its two tables, which may be Faust's or plain dicts.

Decoding, the fold and what an order adds to the counts are the program's own, so that the only difference is who keeps
the offsets and the state.
"""

from collections import defaultdict
from collections.abc import Mapping, MutableMapping
from typing import Any

import msgspec

from stream.events import Event
from stream.figures import FIGURES, counts
from stream.rules import Rules
from stream.shares import order_share, shares
from stream.states import State, fold, state_id
from stream.topics import CHARGEBACKS, CLAIM_STATUSES, FEEDBACK, ORDERS

TOPICS = (ORDERS, FEEDBACK, CLAIM_STATUSES, CHARGEBACKS)
"""What the Order Defect Rate needs: all that the job reads, and all that is sent to whoever is compared."""

Orders = MutableMapping[str, bytes]
Days = MutableMapping[str, list[int]]


class Kept(msgspec.Struct):
    """An order's state, and the place of every record that was applied to it: what is counted at the end."""

    state: State | None = None
    applied: list[str] = []


pack = msgspec.msgpack.Encoder().encode
unpack = msgspec.msgpack.Decoder(Kept).decode


def nothing() -> list[int]:
    """Return the counts of a day without orders."""
    return [0] * len(FIGURES)


def apply(orders: Orders, days: Days, event: Event, place: str, rules: Rules) -> None:
    """Fold the event, of the record at `place`, into its order, and let the days' counts follow."""
    order = f"{event.seller_id}/{state_id(event).decode()}"
    packed = orders.get(order)
    kept = Kept() if packed is None else unpack(packed)
    folded = fold(kept.state, event.thing)
    after = kept.state if isinstance(folded, str) else folded
    orders[order] = pack(Kept(after, [*kept.applied, place]))
    if after is not kept.state:
        add(days, event.seller_id, kept.state, -1, rules)
        add(days, event.seller_id, after, 1, rules)


def add(days: Days, seller: str, state: State | None, sign: int, rules: Rules) -> None:
    """Add what an order's state adds to its day, or take it back."""
    share = order_share(shares(state, rules))
    if share is not None:
        _, marketplace, channel = share.place
        day = f"{seller}/{marketplace}/{channel}/{share.day}"
        days[day] = [had + sign * more for had, more in zip(days[day], counts(share.amount), strict=True)]


def shown(orders: Mapping[str, bytes], days: Mapping[str, list[int]]) -> dict[str, Any]:
    """Return the counts of each day, and the place of each record that was applied, by seller."""
    applied: defaultdict[str, list[str]] = defaultdict(list)
    for order, packed in orders.items():
        applied[order.split("/")[0]] += unpack(packed).applied
    return {"days": dict(days.items()), "applied": applied}
