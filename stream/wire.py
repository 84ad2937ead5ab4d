"""The input topics' JSON: the contract's fields with all their limits, as types.

Times stay text here: RFC 3339 is checked by `decode`, because the JSON library rounds where the contract cuts and takes
offsets that RFC 3339 forbids.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from stream.events import (
    Canceller,
    Channel,
    ChargebackKind,
    ChargebackStatus,
    ClaimStatus,
    FeedbackStatus,
    Funder,
    Impact,
    OrderStatus,
    Reason,
)

Text = Annotated[str, Meta(min_length=1, max_length=128)]
"""1 to 128 code points."""

Comment = Annotated[str, Meta(max_length=4000)]
Rating = Annotated[int, Meta(ge=1, le=5)]
Quantity = Annotated[int, Meta(ge=1)]
Rfc3339 = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]


class Envelope(msgspec.Struct, gc=False):
    """The fields of every event."""

    event_id: Text
    event_time: Rfc3339
    seller_id: Text
    marketplace_id: Text


class Item(msgspec.Struct, gc=False):
    """One line of an order."""

    sku: Text
    quantity: Quantity
    cancelled_by: Canceller | None = None


class OrderEvent(Envelope):
    """A record of `orders`."""

    order_id: Text
    purchase_date: Rfc3339
    channel: Channel
    status: OrderStatus
    latest_ship_date: Rfc3339 | None = None
    latest_delivery_date: Rfc3339 | None = None
    cancelled_by: Canceller | None = None
    cancel_reason: Literal["not_shipped", "out_of_stock", "payment", "fraud", "other"] | None = None
    buyer_requested_cancel: bool | None = None
    excused: bool | None = None
    items: Annotated[list[Item], Meta(max_length=100)] | None = None


class FeedbackEvent(Envelope):
    """A record of `feedback`."""

    order_id: Text
    rating: Rating
    status: FeedbackStatus
    feedback_id: Text | None = None
    reason: Reason | None = None
    comment: Comment | None = None


class ClaimEvent(Envelope):
    """A record of `claim-statuses`."""

    claim_id: Text
    order_id: Text
    status: ClaimStatus
    funded_by: Funder | None = None
    odr_impact: Impact | None = None
    reason: Reason | None = None


class ChargebackEvent(Envelope):
    """A record of `chargebacks`."""

    chargeback_id: Text
    order_id: Text
    kind: ChargebackKind
    status: ChargebackStatus
    reason: Reason | None = None
