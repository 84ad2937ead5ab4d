"""The things that the market tells of: orders, and what their buyers have to say."""

from datetime import UTC, datetime, timedelta
from typing import Final

from stream.tools.simulate.sellers import Storefront
from stream.tools.simulate.stories import COMPLAINTS, Fields, Story
from stream.topics import CHARGEBACKS, CLAIM_STATUSES, FEEDBACK, ORDERS

NEVER: Final = datetime.min.replace(tzinfo=UTC)

_SHIP_WITHIN: Final = {"MFN": timedelta(days=3), "AFN": timedelta(days=1)}
_DELIVER_WITHIN: Final = {"MFN": timedelta(days=9), "AFN": timedelta(days=4)}
_OWN_ID: Final = {
    FEEDBACK: ("feedback_id", "F"),
    CLAIM_STATUSES: ("claim_id", "C"),
    CHARGEBACKS: ("chargeback_id", "B"),
}


class Thing:
    """What was last told of one order, feedback, claim or chargeback, and the chapters still to come.

    `told_at` is `NEVER` before the first.
    """

    __slots__ = ("fields", "front", "purchased_at", "rest", "told_at", "topic")

    def __init__(self, topic: str, front: Storefront, purchased_at: datetime, fields: Fields, story: Story) -> None:
        self.topic = topic
        self.front = front
        self.purchased_at = purchased_at
        self.fields = fields
        self.rest = story
        self.told_at = NEVER


def new_order(order_id: str, front: Storefront, purchased_at: datetime, items: list[Fields], story: Story) -> Thing:
    """Return an order that nothing has been told of yet."""
    channel = front.channel
    fields: Fields = {
        "event_id": None,
        "event_time": None,
        "seller_id": front.seller_id,
        "marketplace_id": front.marketplace_id,
        "order_id": order_id,
        "purchase_date": purchased_at,
        "channel": channel,
        "status": None,
        "latest_ship_date": purchased_at + _SHIP_WITHIN[channel],
        "latest_delivery_date": purchased_at + _DELIVER_WITHIN[channel],
        "items": items,
    }
    return Thing(ORDERS, front, purchased_at, fields, story)


def new_voice(topic: str, order: Thing, story: Story, reason: str | None) -> Thing:
    """Return a feedback, claim or chargeback on `order`, by `topic`, that nothing has been told of yet.

    There is at most one of each to an order: its id is made from the order's.
    """
    front, order_id = order.front, order.fields["order_id"]
    own_id, letter = _OWN_ID[topic]
    fields: Fields = {
        "event_id": None,
        "event_time": None,
        "seller_id": front.seller_id,
        "marketplace_id": front.marketplace_id,
        "order_id": order_id,
        own_id: f"{letter}-{order_id}",
    }
    if reason is not None:
        fields["reason"] = reason
        if topic == FEEDBACK:
            fields["comment"] = COMPLAINTS[reason]
    return Thing(topic, front, order.purchased_at, fields, story)
