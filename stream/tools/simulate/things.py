"""The things that the market tells of: orders and their packages, what buyers have to say, and violations."""

from datetime import UTC, datetime, timedelta
from typing import Final

from stream.tools.simulate.sellers import DE, US, Storefront
from stream.tools.simulate.stories import CARRIERS, COMPLAINTS, Fields, Story
from stream.topics import CHARGEBACKS, CLAIM_STATUSES, FEEDBACK, MESSAGES, ORDERS, SHIPMENTS, VIOLATIONS

NEVER: Final = datetime.min.replace(tzinfo=UTC)

_SHIP_WITHIN: Final = {"MFN": timedelta(days=3), "AFN": timedelta(days=1)}
_DELIVER_WITHIN: Final = {"MFN": timedelta(days=9), "AFN": timedelta(days=4)}
_OWN_ID: Final = {
    FEEDBACK: ("feedback_id", "F"),
    CLAIM_STATUSES: ("claim_id", "C"),
    CHARGEBACKS: ("chargeback_id", "B"),
    MESSAGES: ("message_id", "M"),
}
_CARRIERS: Final = dict(zip((US, DE), CARRIERS, strict=True))


class Thing:
    """What was last told of one order, package, feedback, ... and the chapters still to come.

    `told_at` is `NEVER` before the first; `purchased_at` is when its order was placed, and for a violation the moment
    it was detected; `packages` are those of an order that haven't left yet.
    """

    __slots__ = ("fields", "front", "packages", "purchased_at", "rest", "told_at", "topic")

    def __init__(self, topic: str, front: Storefront, purchased_at: datetime, fields: Fields, story: Story) -> None:
        self.topic = topic
        self.front = front
        self.purchased_at = purchased_at
        self.fields = fields
        self.rest = story
        self.told_at = NEVER
        self.packages: tuple[Thing, ...] = ()


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
    """Return a feedback, claim, chargeback or message on `order`, by `topic`, that nothing has been told of yet.

    There is at most one of each to an order: its id is made from the order's.
    """
    own_id, letter = _OWN_ID[topic]
    fields = _about(order)
    fields[own_id] = f"{letter}-{order.fields['order_id']}"
    if reason is not None:
        fields["reason"] = reason
        if topic == FEEDBACK:
            fields["comment"] = COMPLAINTS[reason]
    return Thing(topic, order.front, order.purchased_at, fields, story)


def new_package(order: Thing, number: int, story: Story) -> Thing:
    """Return the package of that number (from 1) of `order`, not confirmed yet."""
    fields = _about(order)  # what its order promises is known when it leaves
    fields["shipment_id"] = shipment_id = f"P-{order.fields['order_id']}-{number}"
    carriers = _CARRIERS[order.front.marketplace_id]
    fields["carrier"] = carriers[ord(shipment_id[-3]) % len(carriers)]
    return Thing(SHIPMENTS, order.front, order.purchased_at, fields, story)


def new_violation(name: str, front: Storefront, detected_at: datetime, offence: tuple[str, str], story: Story) -> Thing:
    """Return a violation by `front`, its `offence` being a category and a severity; `name` makes its id."""
    category, severity = offence
    fields: Fields = {
        "event_id": None,
        "event_time": None,
        "seller_id": front.seller_id,
        "marketplace_id": front.marketplace_id,
        "violation_id": f"V-{name}",
        "category": category,
        "severity": severity,
    }
    return Thing(VIOLATIONS, front, detected_at, fields, story)


def _about(order: Thing) -> Fields:
    front = order.front
    return {
        "event_id": None,
        "event_time": None,
        "seller_id": front.seller_id,
        "marketplace_id": front.marketplace_id,
        "order_id": order.fields["order_id"],
    }
