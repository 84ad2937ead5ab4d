"""The input topics' JSON: the contract's fields with all their limits, as types, and what each means to a producer.

Times stay text here: RFC 3339 is checked by `decode`, because the JSON library rounds where the contract cuts and takes
offsets that RFC 3339 forbids. Descriptions, formats and patterns are what `odr schema` prints; decoding ignores them.
"""

from typing import Annotated, Final

import msgspec
from msgspec import Meta

from stream.events import (
    Canceller,
    CancelReason,
    Channel,
    ChargebackKind,
    ChargebackStatus,
    ClaimStatus,
    FeedbackStatus,
    Funder,
    Impact,
    OrderStatus,
    Reason,
    Severity,
    ViolationStatus,
)

# The calendar is in the pattern too, leap years and all: most validators take a `format` for a remark.
_YEAR: Final = "(?:[0-9]{3}[1-9]|[0-9]{2}[1-9]0|[0-9][1-9]00|[1-9]000)"
_LEAP_YEAR: Final = "(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:0[48]|[2468][048]|[13579][26])00)"
_DATE: Final = (
    f"(?:{_YEAR}-(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])|(?:0[13-9]|1[0-2])-(?:29|30)|(?:0[13578]|1[02])-31)"
    f"|{_LEAP_YEAR}-02-29)"
)
_HOUR_MINUTE: Final = "(?:[01][0-9]|2[0-3]):[0-5][0-9]"
RFC_3339: Final = rf"^{_DATE}[Tt]{_HOUR_MINUTE}:[0-5][0-9](?:\.[0-9]+)?(?:[Zz]|[+-]{_HOUR_MINUTE})$"
"""A time as the contract asks for it, for every dialect of regular expressions."""

Text = Annotated[str, Meta(min_length=1, max_length=128)]
"""1 to 128 code points."""

Comment = Annotated[str, Meta(max_length=4000)]
Rating = Annotated[int, Meta(ge=1, le=5)]
Quantity = Annotated[int, Meta(ge=1)]
Rfc3339 = Annotated[str, Meta(extra_json_schema={"format": "date-time", "pattern": RFC_3339})]

OrderId = Annotated[Text, Meta(description="The order that it belongs to; the order itself may arrive later.")]
WhyNot = Annotated[Reason | None, Meta(description="What the buyer complains of.")]
CancelledBy = Annotated[
    Canceller | None, Meta(description="Who cancelled it; one that nobody names is not the seller.")
]


class Envelope(msgspec.Struct, gc=False):
    """The fields of every event."""

    event_id: Annotated[
        Text,
        Meta(
            description="Names this version of the thing. Of two versions with one event_time the one with the greater "
            "event_id wins, by code points; two different versions must not have both in common."
        ),
    ]
    event_time: Annotated[
        Rfc3339,
        Meta(
            description="When this became true at the source: RFC 3339 with offset, compared to the microsecond, "
            "further digits cut. Of two versions of a thing the later one wins, whatever order they arrive in. Not "
            "more than 24 hours after the Kafka record's timestamp."
        ),
    ]
    seller_id: Annotated[Text, Meta(description="The seller. In UTF-8 it is also the record's key.")]
    marketplace_id: Annotated[
        Text, Meta(description="The marketplace: Amazon's id, such as ATVPDKIKX0DER, or any other.")
    ]


class Item(msgspec.Struct, gc=False):
    """One line of an order."""

    sku: Annotated[Text, Meta(description="The seller's id of what was bought.")]
    quantity: Annotated[Quantity, Meta(description="How many of it: a whole number, written without a point.")]
    cancelled_by: Annotated[
        Canceller | None,
        Meta(description="Who cancelled this item; one by the seller counts as a cancellation of the order."),
    ] = None


class OrderEvent(Envelope):
    """A record of `orders`: the whole current version of one order, named by seller and order_id."""

    order_id: Annotated[Text, Meta(description="The order.")]
    purchase_date: Annotated[
        Rfc3339,
        Meta(
            description="When it was bought, RFC 3339 with offset. Its calendar day in the marketplace's reporting "
            "time zone is the order date, by which the order and its defects are counted."
        ),
    ]
    channel: Annotated[Channel, Meta(description="Who fulfils it: MFN the seller, AFN Amazon.")]
    status: Annotated[
        OrderStatus,
        Meta(
            description="Amazon's status. Pending, PendingAvailability, and Canceled by the buyer, are not counted; "
            "every other one is."
        ),
    ]
    latest_ship_date: Annotated[
        Rfc3339 | None,
        Meta(
            description="Until when it was to be confirmed shipped, RFC 3339 with offset; without it, it is not late."
        ),
    ] = None
    latest_delivery_date: Annotated[
        Rfc3339 | None, Meta(description="Until when it was to be delivered, RFC 3339 with offset.")
    ] = None
    cancelled_by: CancelledBy = None
    cancel_reason: Annotated[
        CancelReason | None,
        Meta(description="Why it was cancelled; of Amazon's own cancellations only not_shipped counts."),
    ] = None
    buyer_requested_cancel: Annotated[
        bool | None, Meta(description="Whether the buyer asked for the cancellation; absent: no.")
    ] = None
    excused: Annotated[bool | None, Meta(description="Whether Amazon took it off the seller's record; absent: no.")] = (
        None
    )
    items: Annotated[
        Annotated[list[Item], Meta(max_length=100)] | None, Meta(description="The order's lines, at most 100.")
    ] = None


class FeedbackEvent(Envelope):
    """A record of `feedback`: the whole current version of a buyer's feedback on one order."""

    order_id: OrderId
    rating: Annotated[
        Rating, Meta(description="Stars, a whole number without a point: 1 and 2 are negative, 3 is neutral.")
    ]
    status: Annotated[
        FeedbackStatus,
        Meta(description="posted counts; removed (by the buyer or Amazon) and struck_through don't."),
    ]
    feedback_id: Annotated[Text | None, Meta(description="The feedback; absent: named like its order.")] = None
    reason: WhyNot = None
    comment: Annotated[Comment | None, Meta(description="The buyer's words, up to 4,000 characters, may be empty.")] = (
        None
    )


class ClaimEvent(Envelope):
    """A record of `claim-statuses`: the whole current version of an A-to-Z claim on one order."""

    claim_id: Annotated[Text, Meta(description="The claim.")]
    order_id: OrderId
    status: Annotated[
        ClaimStatus,
        Meta(
            description="pending: under review, appealed, or information was requested; counts. granted: counts if "
            "seller-funded. seller_refunded: after the claim was filed; counts. order_cancelled: by seller or Amazon; "
            "counts. denied: the seller won. withdrawn: by the buyer."
        ),
    ]
    funded_by: Annotated[
        Funder | None,
        Meta(description="Who paid a granted claim; absent: the seller. Matters for granted claims only."),
    ] = None
    odr_impact: Annotated[
        Impact | None, Meta(description="Amazon's own word on whether it counts; wins over status and funded_by.")
    ] = None
    reason: WhyNot = None


class ChargebackEvent(Envelope):
    """A record of `chargebacks`: the whole current version of a chargeback on one order."""

    chargeback_id: Annotated[Text, Meta(description="The chargeback.")]
    order_id: OrderId
    kind: Annotated[ChargebackKind, Meta(description="service and unknown count, fraud never does.")]
    status: Annotated[
        ChargebackStatus, Meta(description="reversed: the seller won at the card issuer; it no longer counts.")
    ]
    reason: WhyNot = None


class ShipmentEvent(Envelope):
    """A record of `shipments`: the whole current version of one package that is confirmed shipped."""

    shipment_id: Annotated[Text, Meta(description="The package.")]
    order_id: OrderId
    confirmed_at: Annotated[
        Rfc3339,
        Meta(
            description="When the seller confirmed it shipped, RFC 3339 with offset: this moment is compared with the "
            "order's latest_ship_date, not the carrier's scan."
        ),
    ]
    promised_by: Annotated[
        Rfc3339 | None,
        Meta(
            description="When delivery was promised, before any extension, RFC 3339 with offset; on time is by the end "
            "of that calendar day. Without it, the package is in no tracking figure."
        ),
    ] = None
    carrier: Annotated[Text | None, Meta(description="Who carries it.")] = None
    tracking_id: Annotated[Text | None, Meta(description="The carrier's number of it.")] = None
    tracking_confirmed_at: Annotated[
        Rfc3339 | None,
        Meta(
            description="When tracking was first given, RFC 3339 with offset; after the delivery it makes no valid "
            "tracking."
        ),
    ] = None
    first_scan_at: Annotated[
        Rfc3339 | None,
        Meta(description="When the carrier first scanned it, RFC 3339 with offset; valid tracking needs a scan."),
    ] = None
    delivered_at: Annotated[Rfc3339 | None, Meta(description="When it was delivered, RFC 3339 with offset.")] = None
    excused: Annotated[bool | None, Meta(description="Whether Amazon took it off the seller's record; absent: no.")] = (
        None
    )


class MessageEvent(Envelope):
    """A record of `messages`: the whole current version of one message of a buyer."""

    message_id: Annotated[Text, Meta(description="The message.")]
    received_at: Annotated[Rfc3339, Meta(description="When it was received, RFC 3339 with offset.")]
    order_id: Annotated[Text | None, Meta(description="The order that it is about, if any.")] = None
    answered_at: Annotated[
        Rfc3339 | None,
        Meta(description="When it was answered, RFC 3339 with offset; in time is within 24 hours, weekends included."),
    ] = None
    needs_response: Annotated[bool | None, Meta(description="Whether it needs an answer; absent: yes.")] = True


class ViolationEvent(Envelope):
    """A record of `violations`: the whole current version of one violation of a policy."""

    violation_id: Annotated[Text, Meta(description="The violation.")]
    category: Annotated[Text, Meta(description="What kind of policy it is of, in the source's words.")]
    severity: Annotated[Severity, Meta(description="How grave it is.")]
    status: Annotated[ViolationStatus, Meta(description="open ones are counted.")]
    detected_at: Annotated[Rfc3339, Meta(description="When it was detected, RFC 3339 with offset.")]
