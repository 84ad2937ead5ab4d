"""The output topics' records, as types: what a reader may rely on.

Workers write these records by hand, for speed; tests hold every record they write to these types.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from stream.decode import REASONS
from stream.events import Channel
from stream.wire import Rfc3339, Text

Figure = Literal["orders", "defective_orders", "negative_feedback_orders", "claim_orders", "chargeback_orders"]
"""What `health-changes` tells of: `stream.figures.FIGURES`."""

Day = Annotated[str, Meta(extra_json_schema={"format": "date", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"})]
Figures = Annotated[list[Figure], Meta(extra_json_schema={"uniqueItems": True})]
_Number = Annotated[str, Meta(extra_json_schema={"pattern": "^[0-9]+$"})]


class HealthChange(msgspec.Struct):
    """A record of `health-changes`: an order has entered or left figures of the Order Defect Rate.

    One for each event that changes what an order adds; two where the order moves. Passing days give none.
    """

    change_id: Annotated[str, Meta(description="Names the change: the same when the record is written again.")]
    event_id: Annotated[Text, Meta(description="The event_id of the event that caused it.")]
    topic: Annotated[
        Literal["orders", "feedback", "claim-statuses", "chargebacks", "settings"],
        Meta(description="The input topic of that event, without prefix; settings: other settings than before."),
    ]
    event_time: Annotated[Rfc3339, Meta(description="The event_time of that event, in UTC.")]
    seller_id: Annotated[Text, Meta(description="The seller, also the record's key.")]
    marketplace_id: Annotated[Text, Meta(description="The order's marketplace.")]
    channel: Annotated[Channel, Meta(description="Who fulfils the order: MFN the seller, AFN Amazon.")]
    order_id: Annotated[Text, Meta(description="The order.")]
    order_date: Annotated[
        Day, Meta(description="The day, in the marketplace's time zone, by which the order is counted in every window.")
    ]
    entered: Annotated[Figures, Meta(description="The figures that the order is in now and was not before.")]
    left: Annotated[Figures, Meta(description="The figures that the order was in before and no longer is.")]
    now: Annotated[
        Figures,
        Meta(description="All the figures that the order is in after this, so that a reader may apply a record twice."),
    ]


class DeadLetterHeaders(msgspec.Struct, rename="kebab"):
    """The headers of a dead letter, all of them text; key and value are the malformed record's own, byte for byte."""

    reason: Annotated[
        str,
        Meta(
            description="; ".join(f"{reason}: {meaning}" for reason, meaning in REASONS.items()) + ".",
            extra_json_schema={"enum": list(REASONS)},
        ),
    ]
    detail: Annotated[str, Meta(max_length=500, description="What exactly was wrong; may be empty.")]
    source_partition: Annotated[_Number, Meta(description="The partition that the record was read from, decimal.")]
    source_offset: Annotated[_Number, Meta(description="The offset that it was read at, decimal.")]
    requeued_from: Annotated[
        Annotated[str, Meta(extra_json_schema={"pattern": "^[0-9]+/[0-9]+$"})] | msgspec.UnsetType,
        Meta(description="Of a record that was put back before: the partition/offset of its former dead letter."),
    ] = msgspec.UNSET
