"""The JSON Schema of every topic's records, made from the types that decode an event or describe an output."""

from collections.abc import Iterable
from inspect import cleandoc
from typing import Any, Final

import msgspec

from stream.outputs import DeadLetterHeaders, HealthChange
from stream.topics import (
    CHARGEBACKS,
    CLAIM_STATUSES,
    FEEDBACK,
    HEALTH_CHANGES,
    INPUT_TOPICS,
    MESSAGES,
    ORDERS,
    SHIPMENTS,
    VIOLATIONS,
    dead_letters,
)
from stream.wire import (
    ChargebackEvent,
    ClaimEvent,
    FeedbackEvent,
    MessageEvent,
    OrderEvent,
    ShipmentEvent,
    ViolationEvent,
)

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"

EVENTS: Final[dict[str, type[msgspec.Struct]]] = {
    ORDERS: OrderEvent,
    FEEDBACK: FeedbackEvent,
    CLAIM_STATUSES: ClaimEvent,
    CHARGEBACKS: ChargebackEvent,
    SHIPMENTS: ShipmentEvent,
    MESSAGES: MessageEvent,
    VIOLATIONS: ViolationEvent,
}
"""What the value of each input topic is decoded to."""

RECORDS: Final[dict[str, type[msgspec.Struct]]] = {
    **EVENTS,
    HEALTH_CHANGES: HealthChange,
    **{dead_letters(topic): DeadLetterHeaders for topic in INPUT_TOPICS},
}
"""What there is a schema of, by topic: a record's value; of a dead letter, whose value may be anything, its headers."""

BEYOND: Final = {
    "encoding": "the value is UTF-8 without byte order mark, and has no half surrogate, not even escaped: else refused",
    "size": "the value has at most 256 KiB, and is not null: else refused",
    "depth": "arrays and objects in unknown fields are nested 100 deep at most: deeper ones may be refused",
    "whole numbers": "`rating` and `quantity` are written without point and exponent: 3.0 and 3e0 are refused, though "
    "a schema takes them for whole",
    "long numbers": "`quantity` has at most 4,300 digits: else refused",
    "names": "a name is in an object once: of one that is there twice all values are checked, and the last one counts",
    "key": "the record's key is the event's `seller_id` in UTF-8: else refused",
    "future": "`event_time` is at most 24 hours after the record's timestamp: else refused",
    "blank": "a time has a `T` between day and hour: a blank is taken, though the schema refuses it",
}
"""What no schema can say of an event, and where decoding and the schema differ."""

_ENVELOPE: Final = {
    "event_id": "01JD0W8Q4V",
    "event_time": "2026-11-03T16:20:05.120Z",
    "seller_id": "A2SELLER",
    "marketplace_id": "ATVPDKIKX0DER",
}
_OF_ORDER: Final = {**_ENVELOPE, "order_id": "903-8868176-2219830"}

EXAMPLES: Final[dict[str, dict[str, Any]]] = {
    ORDERS: {
        **_OF_ORDER,
        "purchase_date": "2026-11-02T09:14:00-08:00",
        "channel": "MFN",
        "status": "Unshipped",
        "latest_ship_date": "2026-11-04T23:59:59-08:00",
        "items": [{"sku": "MUG-BLUE", "quantity": 2}],
    },
    FEEDBACK: {
        **_OF_ORDER,
        "feedback_id": "F-19",
        "rating": 2,
        "status": "posted",
        "reason": "late",
        "comment": "Came a week late.",
    },
    CLAIM_STATUSES: {**_OF_ORDER, "claim_id": "C-77", "status": "withdrawn", "reason": "not_received"},
    CHARGEBACKS: {**_OF_ORDER, "chargeback_id": "B-5", "kind": "service", "status": "open", "reason": "wrong_item"},
    SHIPMENTS: {
        **_OF_ORDER,
        "shipment_id": "S-1",
        "confirmed_at": "2026-11-03T08:20:05-08:00",
        "promised_by": "2026-11-07T23:59:59-08:00",
        "carrier": "UPS",
        "tracking_id": "1Z999AA10123456784",
        "tracking_confirmed_at": "2026-11-03T08:20:05-08:00",
    },
    MESSAGES: {
        **_OF_ORDER,
        "message_id": "M-3",
        "received_at": "2026-11-03T10:00:00Z",
        "answered_at": "2026-11-03T16:20:05Z",
    },
    VIOLATIONS: {
        **_ENVELOPE,
        "violation_id": "V-8",
        "category": "listing_policy",
        "severity": "medium",
        "status": "open",
        "detected_at": "2026-11-03T16:00:00Z",
    },
    HEALTH_CHANGES: {
        "change_id": "claim-statuses-3-1207-0",
        "event_id": "01JD0W8Q4V",
        "topic": "claim-statuses",
        "event_time": "2026-11-03T16:20:05.120000Z",
        "seller_id": "A2SELLER",
        "marketplace_id": "ATVPDKIKX0DER",
        "channel": "MFN",
        "order_id": "903-8868176-2219830",
        "order_date": "2026-10-12",
        "entered": [],
        "left": ["defective_orders", "claim_orders"],
        "now": ["orders"],
    },
}
"""A record of each topic whose values are JSON."""


def schema(topic: str) -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of one topic's records, complete in itself; `topic` has no prefix."""
    record = RECORDS[topic]
    parts = components([record], "#/$defs/{name}")
    whole = {"$schema": DIALECT, **parts.pop(record.__name__)}
    if topic in EXAMPLES:
        whole["examples"] = [EXAMPLES[topic]]
    return {**whole, "$defs": parts} if parts else whole


def components(records: Iterable[type[msgspec.Struct]], reference: str) -> dict[str, Any]:
    """Return the schemas of these types and those that they hold, by name; `reference` says where a `name` stands."""
    _, parts = msgspec.json.schema_components(records, ref_template=reference)
    return {name: _completed(part) for name, part in parts.items()}


def _completed(part: Any) -> Any:
    """Return a part of a schema with what msgspec leaves out: the type of listed texts; docstrings without indent."""
    if isinstance(part, list):
        return [_completed(one) for one in part]
    if not isinstance(part, dict):
        return part
    done = {name: _completed(value) for name, value in part.items()}
    if "enum" in done:
        done = {"type": "string", **done}
    if isinstance(done.get("description"), str):
        done["description"] = cleandoc(done["description"])
    return done
