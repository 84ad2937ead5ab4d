"""What happened: the current version of one thing, as the fold sees it.

All instants are whole microseconds since 1970-01-01T00:00:00Z. Every thing is one compact array when packed: the order
of the fields is a stored format (see `orders.FORMAT`).
"""

from typing import Literal, NamedTuple, TypeAlias

import msgspec

Channel: TypeAlias = Literal["MFN", "AFN"]
"""Who fulfils the order: the seller (MFN) or Amazon (AFN)."""

Canceller: TypeAlias = Literal["buyer", "seller", "amazon"]
OrderStatus: TypeAlias = Literal[
    "Pending",
    "PendingAvailability",
    "Unshipped",
    "PartiallyShipped",
    "Shipped",
    "InvoiceUnconfirmed",
    "Unfulfillable",
    "Canceled",
]
FeedbackStatus: TypeAlias = Literal["posted", "removed", "struck_through"]
ClaimStatus: TypeAlias = Literal["pending", "granted", "seller_refunded", "order_cancelled", "denied", "withdrawn"]
Funder: TypeAlias = Literal["seller", "amazon"]
Impact: TypeAlias = Literal["counts", "does_not_count"]
ChargebackKind: TypeAlias = Literal["service", "fraud", "unknown"]
ChargebackStatus: TypeAlias = Literal["open", "upheld", "reversed"]
Reason: TypeAlias = Literal["not_received", "late", "wrong_item", "not_as_described", "damaged_or_defective", "other"]


class Order(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One version of an order itself."""

    event_time: int
    event_id: str
    marketplace_id: str
    purchased_at: int
    channel: Channel
    status: OrderStatus
    cancelled_by: Canceller | None


class Feedback(msgspec.Struct, array_like=True, frozen=True, gc=False, tag=1):
    """One version of a buyer's feedback; `rating` is 1 to 5."""

    id: str
    event_time: int
    event_id: str
    marketplace_id: str
    rating: int
    status: FeedbackStatus
    reason: Reason | None


class Claim(msgspec.Struct, array_like=True, frozen=True, gc=False, tag=2):
    """One version of an A-to-Z claim."""

    id: str
    event_time: int
    event_id: str
    marketplace_id: str
    status: ClaimStatus
    funded_by: Funder | None
    odr_impact: Impact | None
    reason: Reason | None


class Chargeback(msgspec.Struct, array_like=True, frozen=True, gc=False, tag=3):
    """One version of a chargeback."""

    id: str
    event_time: int
    event_id: str
    marketplace_id: str
    kind: ChargebackKind
    status: ChargebackStatus
    reason: Reason | None


Defect: TypeAlias = Feedback | Claim | Chargeback
"""A thing of an order that may make the order defective."""

Thing: TypeAlias = Order | Defect


class Event(msgspec.Struct, frozen=True, gc=False):
    """A thing's new version, and the order that it belongs to."""

    seller_id: str
    order_id: str
    thing: Thing


class Malformed(NamedTuple):
    """Why a record is not a valid event; `reason` is one of `decode.REASONS`."""

    reason: str
    detail: str
