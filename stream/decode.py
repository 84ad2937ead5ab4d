"""Bytes to events: `Event | Malformed`, never an exception."""

import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Final

import msgspec

from stream.events import Chargeback, Claim, Event, Feedback, Malformed, Message, Order, Package, Violation
from stream.topics import CHARGEBACKS, CLAIM_STATUSES, FEEDBACK, MESSAGES, ORDERS, SHIPMENTS, VIOLATIONS
from stream.wire import (
    ChargebackEvent,
    ClaimEvent,
    FeedbackEvent,
    Item,
    MessageEvent,
    OrderEvent,
    ShipmentEvent,
    ViolationEvent,
)

REASONS: Final = {
    "no_value": "the record has no value (null)",
    "no_key": "the record has no key",
    "too_large": "the value is over 256 KiB",
    "not_utf8": "the value is not valid UTF-8",
    "not_json": "the value is not one JSON document",
    "invalid_field": "a field is missing, of the wrong type, or has a value that the topic doesn't list",
    "wrong_key": "the key is not the event's seller_id",
    "from_the_future": "event_time is more than 24 hours after the record's timestamp",
}
"""Every reason of a dead letter, with its meaning."""

MAX_VALUE_BYTES: Final = 256 * 1024
_DAY: Final = 86_400_000_000
_HOUR: Final = 3_600_000_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_BACKSLASH: Final = ord("\\")
# The shape only: `datetime.fromisoformat` judges the digits, but takes other shapes too (and no lower-case z). From
# Python 3.14 on it also takes 24:00 for the next midnight, which RFC 3339 doesn't know.
_TIME: Final = r"....-..-..[Tt ](?!24)..:..:..(?:\.[0-9]++)?+(?:Z|[+-]..:[0-5].)"
_is_rfc_3339: Final = re.compile(_TIME.replace("Z", "[Zz]")).fullmatch
_are_four_times: Final = re.compile("\n".join([_TIME] * 4)).fullmatch

Convert = Callable[[bytes], Event]
"""Value to event; raises ValueError (msgspec's errors are ones) or RecursionError where it is no event."""


def instant(text: str) -> int:
    """Return an RFC 3339 time as whole microseconds since the epoch; further digits are cut.

    Raises ValueError where `text` is not RFC 3339 with an offset.
    """
    return _microseconds(check_instant(text))


def _microseconds(moment: datetime) -> int:
    since_epoch = moment - _EPOCH
    return (since_epoch.days * 86_400 + since_epoch.seconds) * 1_000_000 + since_epoch.microseconds


def check_instant(text: str) -> datetime:
    """Return an RFC 3339 time with its offset; raises ValueError where `text` is none."""
    if _is_rfc_3339(text) is None:
        raise ValueError(f"not an RFC 3339 time with offset: {text[:64]!r}")
    return datetime.fromisoformat(text if text[-1] != "z" else text.upper())


def _reader(*texts: str | None) -> Callable[[str], datetime]:
    """Return what reads these four times, and takes nothing that `check_instant` refuses.

    One look at all four takes half the time of four; what it doesn't know by sight is looked at one by one.
    """
    return datetime.fromisoformat if _are_four_times("%s\n%s\n%s\n%s" % texts) else check_instant  # noqa: UP031


def _order(value: bytes) -> Event:
    event = _decode_order(value)
    told, bought = event.event_time, event.purchase_date
    ship_by, deliver_by = event.latest_ship_date, event.latest_delivery_date
    read = _reader(told, bought, ship_by, deliver_by)
    if deliver_by is not None:
        read(deliver_by)
    event_time = _microseconds(read(told))
    thing = Order(
        event_time,
        event.event_id,
        event.marketplace_id,
        event_time if bought == told else _microseconds(read(bought)),
        event.channel,
        event.status,
        None if ship_by is None else _microseconds(read(ship_by)),
        event.cancelled_by,
        event.cancel_reason,
        event.buyer_requested_cancel is True,
        event.excused is True,
        event.items is not None and _cancelled_by_seller(event.items),
    )
    return Event(event.seller_id, event.order_id, thing)


def _cancelled_by_seller(items: Iterable[Item]) -> bool:
    for item in items:  # noqa: SIM110 - a third of the time that `any` takes
        if item.cancelled_by == "seller":
            return True
    return False


def _feedback(value: bytes) -> Event:
    event = _decode_feedback(value)
    event_time = instant(event.event_time)
    thing = Feedback(
        event.feedback_id or event.order_id,
        event_time,
        event.event_id,
        event.marketplace_id,
        event_time,
        event.rating,
        event.status,
        event.reason,
    )
    return Event(event.seller_id, event.order_id, thing)


def _claim(value: bytes) -> Event:
    event = _decode_claim(value)
    thing = Claim(
        event.claim_id,
        instant(event.event_time),
        event.event_id,
        event.marketplace_id,
        event.status,
        event.funded_by,
        event.odr_impact,
        event.reason,
    )
    return Event(event.seller_id, event.order_id, thing)


def _chargeback(value: bytes) -> Event:
    event = _decode_chargeback(value)
    thing = Chargeback(
        event.chargeback_id,
        instant(event.event_time),
        event.event_id,
        event.marketplace_id,
        event.kind,
        event.status,
        event.reason,
    )
    return Event(event.seller_id, event.order_id, thing)


def _shipment(value: bytes) -> Event:
    event = _decode_shipment(value)
    told, confirmed_at, promised_by, tracked_at = (
        event.event_time,
        event.confirmed_at,
        event.promised_by,
        event.tracking_confirmed_at,
    )
    read = _reader(told, confirmed_at, promised_by, tracked_at)
    delivered_at = _instant_if_any(event.delivered_at)
    tracking_at = None if tracked_at is None else _microseconds(read(tracked_at))
    scanned = _instant_if_any(event.first_scan_at) is not None
    thing = Package(
        event.shipment_id,
        _microseconds(read(told)),
        event.event_id,
        event.marketplace_id,
        _microseconds(read(confirmed_at)),
        None if promised_by is None else _microseconds(read(promised_by)),
        delivered_at,
        scanned and (tracking_at is None or delivered_at is None or tracking_at <= delivered_at),
        bool(event.excused),
    )
    return Event(event.seller_id, event.order_id, thing)


def _message(value: bytes) -> Event:
    event = _decode_message(value)
    thing = Message(
        instant(event.event_time),
        event.event_id,
        event.marketplace_id,
        instant(event.received_at),
        _instant_if_any(event.answered_at),
        event.needs_response is not False,
    )
    return Event(event.seller_id, event.message_id, thing)


def _violation(value: bytes) -> Event:
    event = _decode_violation(value)
    thing = Violation(
        instant(event.event_time),
        event.event_id,
        event.marketplace_id,
        event.category,
        event.severity,
        event.status,
        instant(event.detected_at),
    )
    return Event(event.seller_id, event.violation_id, thing)


def _instant_if_any(text: str | None) -> int | None:
    return None if text is None else instant(text)


# Escapes stand in texts only: any that is no surrogate, or a high one with its low one right behind.
_has_whole_surrogates: Final = re.compile(
    rb"(?:[^\\]++|\\[^u]|\\u(?![dD][89a-fA-F])|\\u[dD][89abAB]..\\u[dD][c-fC-F]..)*+", re.DOTALL
).fullmatch

_decode_order = msgspec.json.Decoder(OrderEvent).decode
_decode_feedback = msgspec.json.Decoder(FeedbackEvent).decode
_decode_claim = msgspec.json.Decoder(ClaimEvent).decode
_decode_chargeback = msgspec.json.Decoder(ChargebackEvent).decode
_decode_shipment = msgspec.json.Decoder(ShipmentEvent).decode
_decode_message = msgspec.json.Decoder(MessageEvent).decode
_decode_violation = msgspec.json.Decoder(ViolationEvent).decode

CONVERTERS: Final[dict[str, Convert]] = {
    ORDERS: _order,
    FEEDBACK: _feedback,
    CLAIM_STATUSES: _claim,
    CHARGEBACKS: _chargeback,
    SHIPMENTS: _shipment,
    MESSAGES: _message,
    VIOLATIONS: _violation,
}
"""How the value of each input topic becomes an event."""


def decode(convert: Convert, key: bytes | None, value: bytes | None, timestamp: int) -> Event | Malformed:
    """Return the event in one Kafka record, or why there is none.

    `convert` is one of `CONVERTERS`; `timestamp` is the record's own, in milliseconds since the epoch (contract: "Not
    a valid event").
    """
    if value is None or key is None:
        return Malformed("no_value" if value is None else "no_key", "")
    if len(value) > MAX_VALUE_BYTES:
        return Malformed("too_large", f"{len(value)} bytes")
    try:
        # One byte is found many times as fast as two, and most values have no escape at all.
        if (_BACKSLASH in value and b"\\u" in value) or not value.isascii():
            _check_text(value)
        event = convert(value)
    except (ValueError, RecursionError) as problem:
        return _malformed(problem)
    if key != event.seller_id.encode():
        return Malformed("wrong_key", f"the event's seller_id is {event.seller_id!r}")
    ahead = event.thing.event_time - timestamp * 1000
    return event if ahead <= _DAY else Malformed("from_the_future", f"{ahead / _HOUR:.1f} hours ahead of its record")


def _check_text(value: bytes) -> None:
    """Raise where text is no UTF-8 or has a half surrogate, also in fields that nobody reads: decoding skips those."""
    value.decode()
    if _has_whole_surrogates(value) is None:
        raise msgspec.DecodeError("a half surrogate")


def _malformed(problem: Exception) -> Malformed:
    if isinstance(problem, UnicodeDecodeError):
        return Malformed("not_utf8", str(problem))
    if isinstance(problem, RecursionError):
        return Malformed("not_json", "nested too deeply")
    if isinstance(problem, msgspec.ValidationError) or not isinstance(problem, msgspec.DecodeError):
        return Malformed("invalid_field", str(problem))
    return Malformed("not_json", str(problem))
