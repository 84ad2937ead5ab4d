"""What the contract says of one record, read off its text: slow, meant to be read, shares nothing with the product.

    record -> Judgement: the reasons for which it may be a dead letter, and what it tells if it may be an event

Where RFC 3339 and JSON leave room (a second 60, a blank for `T`, hundreds of levels of nesting) both readings are fine.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final

RIGHT, WRONG, EITHER = "right", "wrong", "either"
Opinion = str
Check = Callable[[Any], Opinion]

MOST_BYTES: Final = 256 * 1024
DEEP: Final = 200
MOST_DIGITS: Final = 4_300  # what Python makes an integer of
REASONS: Final = ("not_received", "late", "wrong_item", "not_as_described", "damaged_or_defective", "other")


class NoJsonError(Exception):
    """The text is not one JSON document."""


@dataclass(frozen=True)
class Number:
    """A number as it is written."""

    text: str


class Object(list[tuple[str, Any]]):
    """An object's names and values as they are written: a name may be there twice."""


@dataclass(frozen=True)
class Judgement:
    """`reasons` are those of a dead letter, empty where there is none; `told` what an event says, None for no event."""

    reasons: frozenset[str] = frozenset()
    told: Mapping[str, Any] | None = None


# --- Fields -----------------------------------------------------------------------------------------------------------


def text(least: int = 1, most: int = 128) -> Check:
    return lambda value: RIGHT if isinstance(value, str) and least <= len(value) <= most else WRONG


def one_of(*listed: str) -> Check:
    return lambda value: RIGHT if isinstance(value, str) and value in listed else WRONG


def boolean(value: Any) -> Opinion:
    return RIGHT if isinstance(value, bool) else WRONG


def rating(value: Any) -> Opinion:
    return RIGHT if isinstance(value, Number) and value.text in {"1", "2", "3", "4", "5"} else WRONG


def quantity(value: Any) -> Opinion:
    if not isinstance(value, Number) or not re.fullmatch(r"[1-9][0-9]*", value.text):
        return WRONG
    return EITHER if len(value.text) > MOST_DIGITS else RIGHT


def time(value: Any) -> Opinion:
    return instant(value)[0] if isinstance(value, str) else WRONG


def items(value: Any) -> Opinion:
    if isinstance(value, Object) or not isinstance(value, list) or len(value) > 100:
        return WRONG
    return worst(fields(item, ITEM) if isinstance(item, Object) else WRONG for item in value)


def unless_null(null: Opinion, check: Check) -> Check:
    return lambda value: null if value is None else check(value)


@dataclass(frozen=True)
class Fields:
    """The fields that something must have, those that it may have, and those with a default, which may be left out.

    Whether a field with a default may be null is open.
    """

    must: Mapping[str, Check]
    may: Mapping[str, Check] = field(default_factory=dict)
    default: Mapping[str, Check] = field(default_factory=dict)


SELLERS_OWN: Final = {"event_id": text(), "event_time": time, "seller_id": text(), "marketplace_id": text()}
REASON: Final = {"reason": one_of(*REASONS)}
CANCELLER: Final = {"cancelled_by": one_of("buyer", "seller", "amazon")}
ITEM: Final = Fields({"sku": text(), "quantity": quantity}, CANCELLER)
STATUSES: Final = (
    *("Pending", "PendingAvailability", "Unshipped", "PartiallyShipped", "Shipped"),
    *("InvoiceUnconfirmed", "Unfulfillable", "Canceled"),
)
TOPICS: Final = {
    "orders": Fields(
        {
            "order_id": text(),
            "purchase_date": time,
            "channel": one_of("MFN", "AFN"),
            "status": one_of(*STATUSES),
        },
        {
            "latest_ship_date": time,
            "latest_delivery_date": time,
            "cancel_reason": one_of("not_shipped", "out_of_stock", "payment", "fraud", "other"),
            "buyer_requested_cancel": boolean,
            "excused": boolean,
            "items": items,
            **CANCELLER,
        },
    ),
    "feedback": Fields(
        {"order_id": text(), "rating": rating, "status": one_of("posted", "removed", "struck_through")},
        {"feedback_id": text(), "comment": text(0, 4_000), **REASON},
    ),
    "claim-statuses": Fields(
        {
            "claim_id": text(),
            "order_id": text(),
            "status": one_of("pending", "granted", "seller_refunded", "order_cancelled", "denied", "withdrawn"),
        },
        {"funded_by": one_of("seller", "amazon"), "odr_impact": one_of("counts", "does_not_count"), **REASON},
    ),
    "chargebacks": Fields(
        {
            "chargeback_id": text(),
            "order_id": text(),
            "kind": one_of("service", "fraud", "unknown"),
            "status": one_of("open", "upheld", "reversed"),
        },
        REASON,
    ),
    "shipments": Fields(
        {"shipment_id": text(), "order_id": text(), "confirmed_at": time},
        {
            "promised_by": time,
            "carrier": text(),
            "tracking_id": text(),
            "tracking_confirmed_at": time,
            "first_scan_at": time,
            "delivered_at": time,
            "excused": boolean,
        },
    ),
    "messages": Fields(
        {"message_id": text(), "received_at": time},
        {"order_id": text(), "answered_at": time},
        {"needs_response": boolean},
    ),
    "violations": Fields(
        {
            "violation_id": text(),
            "category": text(),
            "severity": one_of("low", "medium", "high", "critical"),
            "status": one_of("open", "resolved"),
            "detected_at": time,
        },
    ),
}


def fields(written: Object, asked: Fields) -> Opinion:
    """Judge an object; of a field that is written twice the last one counts, what is wrong with the others is open."""
    last = dict(written)
    if asked.must.keys() - last.keys():
        return WRONG
    checks = {
        **asked.must,
        **{name: unless_null(RIGHT, check) for name, check in asked.may.items()},
        **{name: unless_null(EITHER, check) for name, check in asked.default.items()},
    }
    judged = [check(last[name]) for name, check in checks.items() if name in last]
    others = [EITHER for name, value in written if name in checks and checks[name](value) != RIGHT]
    return worst([*judged, *others])


def worst(opinions: Iterable[Opinion]) -> Opinion:
    found = set(opinions)
    return WRONG if WRONG in found else EITHER if EITHER in found else RIGHT


# --- Times ------------------------------------------------------------------------------------------------------------

RFC_3339: Final = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})([Tt ])([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]+))?"
    r"(?:([Zz])|([+-])([0-9]{2}):([0-9]{2}))"
)


def instant(written: str) -> tuple[Opinion, int]:
    """Return whether a text is a time with an offset, and its microseconds since the epoch, further digits cut."""
    found = RFC_3339.fullmatch(written)
    if found is None:
        return WRONG, 0
    year, month, day, hour, minute, second = (int(found[at]) for at in (1, 2, 3, 5, 6, 7))
    ahead_hours, ahead_minutes = int(found[11] or 0), int(found[12] or 0)
    if hour > 23 or minute > 59 or second > 60 or ahead_hours > 23 or ahead_minutes > 59 or not 1 <= month <= 12:
        return WRONG, 0
    if not 1 <= day <= days_of(year or 4, month):
        return WRONG, 0
    ahead = (60 * ahead_hours + ahead_minutes) * (-1 if found[10] == "-" else 1)
    days = date(year or 1, month, day if year else 1).toordinal() - date(1970, 1, 1).toordinal()
    minutes = 60 * 24 * days + 60 * hour + minute - ahead
    microseconds = int((found[8] or "").ljust(6, "0")[:6])
    usual = year > 0 and second < 60 and found[4] == "T" and found[9] != "z"
    return RIGHT if usual else EITHER, (60 * minutes + second) * 1_000_000 + microseconds


def days_of(year: int, month: int) -> int:
    if month == 2:
        return 29 if year % 4 == 0 and (year % 100 != 0 or year % 400 == 0) else 28
    return 30 if month in {4, 6, 9, 11} else 31


# --- Records ----------------------------------------------------------------------------------------------------------


def judge(topic: str, key: bytes | None, value: bytes | None, timestamp: int) -> Judgement:
    """Return what the contract says of a record ("Not a valid event")."""
    if value is None or key is None:
        return dead("no_value" if value is None else "no_key")
    if len(value) > MOST_BYTES:
        return dead("too_large")
    try:
        document = value.decode()
    except UnicodeDecodeError:
        return dead("not_utf8")
    try:
        written = read_json(document)
    except (NoJsonError, RecursionError):
        return dead("not_json", "invalid_field")  # who reads from the left may meet a wrong field first
    return judge_event(topic, key, written, timestamp, deep=depth(document) > DEEP)


def judge_event(topic: str, key: bytes, written: Any, timestamp: int, *, deep: bool) -> Judgement:
    asked = TOPICS[topic]
    opinion = WRONG
    if isinstance(written, Object):
        opinion = fields(written, Fields({**SELLERS_OWN, **asked.must}, asked.may, asked.default))
    too_deep = {"not_json"} if deep else set()
    if opinion == WRONG:
        return dead("invalid_field", *too_deep)
    either = {"invalid_field"} if opinion == EITHER else set()
    told = dict(written)
    if key != told["seller_id"].encode():
        return dead("wrong_key", *either, *too_deep)
    _, event_time = instant(told["event_time"])
    if event_time - timestamp * 1_000 > 24 * 3_600 * 1_000_000:
        return dead("from_the_future", *either, *too_deep)
    return Judgement(frozenset(either | too_deep), told)


def dead(*reasons: str) -> Judgement:
    return Judgement(frozenset(reasons))


def read_json(document: str) -> Any:
    """Return a document as it is written; raises NoJsonError, also where half a surrogate stands anywhere."""
    try:
        written = json.loads(
            document,
            object_pairs_hook=Object,
            parse_int=Number,
            parse_float=Number,
            parse_constant=lambda constant: refuse(f"{constant} is no JSON"),
        )
    except ValueError as problem:
        raise NoJsonError from problem
    if any(re.search("[\ud800-\udfff]", found) for found in texts(written)):
        raise NoJsonError
    return written


def refuse(why: str) -> None:
    raise ValueError(why)


def texts(written: Any) -> Iterator[str]:
    waiting = [written]
    while waiting:
        one = waiting.pop()
        if isinstance(one, str):
            yield one
        elif isinstance(one, list | tuple):
            waiting.extend(one)


def depth(document: str) -> int:
    """Return no less than how deep a document is nested: brackets inside texts are counted too."""
    deepest = level = 0
    for letter in document:
        level += (letter in "[{") - (letter in "]}")
        deepest = max(deepest, level)
    return deepest
