"""What happened: the current version of one thing, as the fold sees it.

All instants are whole microseconds since 1970-01-01T00:00:00Z. Every thing is one compact array when packed: the order
of the fields is a stored format, as are the tags.
"""

from typing import Final, Literal, NamedTuple, TypeAlias

import msgspec

FORMAT: Final = 2
"""The version of the packed form of everything that is stored; a change of any field below raises it."""

STATE_TAG: Final = FORMAT * 8
"""The first of the tags of what is stored under a key of its own: of another version none is known."""

Channel: TypeAlias = Literal["MFN", "AFN"]
"""Who fulfils the order: the seller (MFN) or Amazon (AFN)."""

Canceller: TypeAlias = Literal["buyer", "seller", "amazon"]
CancelReason: TypeAlias = Literal["not_shipped", "out_of_stock", "payment", "fraud", "other"]
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
Severity: TypeAlias = Literal["low", "medium", "high", "critical"]
ViolationStatus: TypeAlias = Literal["open", "resolved"]


class Order(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One version of an order itself; `item_cancelled` says that its seller cancelled an item of it, or several."""

    event_time: int
    event_id: str
    marketplace_id: str
    purchased_at: int
    channel: Channel
    status: OrderStatus
    ship_by: int | None
    cancelled_by: Canceller | None
    cancel_reason: CancelReason | None
    buyer_requested_cancel: bool
    excused: bool
    item_cancelled: bool


class Feedback(msgspec.Struct, array_like=True, frozen=True, gc=False, tag=1):
    """One version of a buyer's feedback; `rating` is 1 to 5, `received_at` the time of the earliest version seen."""

    id: str
    event_time: int
    event_id: str
    marketplace_id: str
    received_at: int
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


class Package(msgspec.Struct, array_like=True, frozen=True, gc=False, tag=4):
    """One version of a package that is confirmed shipped.

    `tracked` says that a carrier has scanned it, and that its tracking was not first given after its delivery.
    """

    id: str
    event_time: int
    event_id: str
    marketplace_id: str
    confirmed_at: int
    promised_by: int | None
    delivered_at: int | None
    tracked: bool
    excused: bool


class Message(msgspec.Struct, array_like=True, frozen=True, gc=False, tag=STATE_TAG + 1):
    """One version of a buyer's message."""

    event_time: int
    event_id: str
    marketplace_id: str
    received_at: int
    answered_at: int | None
    needs_response: bool


class Violation(msgspec.Struct, array_like=True, frozen=True, gc=False, tag=STATE_TAG + 2):
    """One version of a violation of a policy."""

    event_time: int
    event_id: str
    marketplace_id: str
    category: str
    severity: Severity
    status: ViolationStatus
    detected_at: int


Defect: TypeAlias = Feedback | Claim | Chargeback
"""A thing of an order that may make the order defective."""

Attached: TypeAlias = Defect | Package
"""A thing that belongs to an order: it waits for it."""

Single: TypeAlias = Message | Violation
"""A thing that stands for itself."""

Thing: TypeAlias = Order | Attached | Single


class Event(msgspec.Struct, frozen=True, gc=False):
    """A thing's new version; `subject_id` is the id of the order that it is or belongs to, or its own."""

    seller_id: str
    subject_id: str
    thing: Thing


class Malformed(NamedTuple):
    """Why a record is not a valid event; `reason` is one of `decode.REASONS`."""

    reason: str
    detail: str
