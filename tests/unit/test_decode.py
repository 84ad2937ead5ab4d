"""What is a valid event and what is a dead letter, byte by byte."""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.decode import CONVERTERS, MAX_VALUE_BYTES, REASONS, decode, instant
from stream.events import Chargeback, Claim, Event, Feedback, Malformed, Message, Order, Package, Thing, Violation
from tests import recount, strategies
from tests.builders import RECORDED, chargeback, claim, feedback, message, order, shipment, violation

KEY = b"A2SELLER"
TOPICS = tuple(CONVERTERS)
VALID = {
    "orders": order(
        latest_ship_date="2026-10-03T12:00:00Z",
        latest_delivery_date="2026-10-06T12:00:00Z",
        cancelled_by=None,
        cancel_reason="other",
        buyer_requested_cancel=False,
        excused=False,
        items=[{"sku": "S-1", "quantity": 1, "cancelled_by": None}],
    )[1],
    "feedback": feedback(3, feedback_id="F-1", reason="late", comment="never came")[1],
    "claim-statuses": claim("granted", funded_by="seller", odr_impact="counts", reason="other")[1],
    "chargebacks": chargeback("service", reason="not_received")[1],
    "shipments": shipment(carrier="UPS", tracking_id="1Z", excused=False)[1],
    "messages": message("2026-10-30T13:00:00Z", needs_response=True)[1],
    "violations": {name: of for name, of in violation()[1].items() if name != "order_id"},
}
REQUIRED = {
    "orders": ("order_id", "purchase_date", "channel", "status"),
    "feedback": ("order_id", "rating", "status"),
    "claim-statuses": ("claim_id", "order_id", "status"),
    "chargebacks": ("chargeback_id", "order_id", "kind", "status"),
    "shipments": ("shipment_id", "order_id", "confirmed_at"),
    "messages": ("message_id", "received_at"),
    "violations": ("violation_id", "category", "severity", "status", "detected_at"),
}
NO_TEXTS: list[Any] = ["", "x" * 129, "\U0001f600" * 129, 3, 1.5, True, [], {}, ["MFN"]]
COMMON = ("event_id", "event_time", "seller_id", "marketplace_id")
ENUMS = {
    "orders": ("channel", "status", "cancelled_by", "cancel_reason"),
    "feedback": ("status", "reason"),
    "claim-statuses": ("status", "funded_by", "odr_impact", "reason"),
    "chargebacks": ("kind", "status", "reason"),
    "violations": ("severity", "status"),
}
TEXTS = {
    "orders": ("order_id",),
    "feedback": ("order_id", "feedback_id"),
    "claim-statuses": ("claim_id", "order_id"),
    "chargebacks": ("chargeback_id", "order_id"),
    "shipments": ("shipment_id", "order_id", "carrier", "tracking_id"),
    "messages": ("message_id", "order_id"),
    "violations": ("violation_id", "category"),
}
OWN_ID = {"messages": "message_id", "violations": "violation_id"}


def read(topic: str, value: bytes | None, key: bytes | None = KEY, timestamp: int = RECORDED) -> Event | Malformed:
    return decode(CONVERTERS[topic], key, value, timestamp)


def with_fields(topic: str, **fields: Any) -> bytes:
    return json.dumps({**VALID[topic], **fields}, ensure_ascii=False).encode()


def with_raw(text: str | bytes, topic: str = "feedback") -> bytes:
    """The valid event with `text` written before its closing brace."""
    raw = text.encode() if isinstance(text, str) else text
    return json.dumps(VALID[topic]).encode()[:-1] + raw + b"}"


def reason_of(topic: str, value: bytes | None, key: bytes | None = KEY) -> str | None:
    found = read(topic, value, key)
    return found.reason if isinstance(found, Malformed) else None


def pairs(fields: Mapping[str, tuple[str, ...]]) -> list[tuple[str, str]]:
    return [(topic, field) for topic, names in fields.items() for field in names]


# --- What is valid ----------------------------------------------------------------------------------------------------


def test_each_topic_gives_its_own_kind_of_thing() -> None:
    moment, us = instant("2026-11-01T00:00:00Z"), "ATVPDKIKX0DER"
    event_ids = {topic: VALID[topic]["event_id"] for topic in TOPICS}
    day_15, day_20, day_30 = (instant(f"2026-10-{day}T12:00:00Z") for day in (15, 20, 30))
    bought, ship_by = instant("2026-10-01T12:00:00Z"), instant("2026-10-03T12:00:00Z")
    order_ = (us, bought, "MFN", "Shipped", ship_by, None, "other", False, False, False)
    package = (us, day_15, day_20, instant("2026-10-19T12:00:00Z"), True, False)
    expected: dict[str, Thing] = {
        "orders": Order(moment, event_ids["orders"], *order_),  # type: ignore[arg-type]
        "feedback": Feedback("F-1", moment, event_ids["feedback"], us, moment, 3, "posted", "late"),
        "claim-statuses": Claim("C-1", moment, event_ids["claim-statuses"], us, "granted", "seller", "counts", "other"),
        "chargebacks": Chargeback("B-1", moment, event_ids["chargebacks"], us, "service", "open", "not_received"),
        "shipments": Package("P-1", moment, event_ids["shipments"], *package),
        "messages": Message(moment, event_ids["messages"], us, day_30, day_30 + 3_600_000_000, True),
        "violations": Violation(moment, event_ids["violations"], us, "listing", "high", "open", bought),
    }
    for topic in TOPICS:
        subject = {"messages": "M-1", "violations": "V-1"}.get(topic, "o1")
        assert read(topic, with_fields(topic)) == Event("A2SELLER", subject, expected[topic])


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, {}),
        ({"latest_ship_date": None}, {"ship_by": None}),
        ({"latest_ship_date": "2026-10-03T14:00:00.0000009+02:00"}, {}),
        ({"buyer_requested_cancel": True}, {"buyer_requested_cancel": True}),
        ({"buyer_requested_cancel": None}, {}),
        ({"excused": True}, {"excused": True}),
        ({"cancelled_by": "amazon", "cancel_reason": None}, {"cancelled_by": "amazon", "cancel_reason": None}),
        ({"items": None}, {}),
        ({"items": [{"sku": "S", "quantity": 1, "cancelled_by": "buyer"}]}, {}),
        (
            {"items": [{"sku": "S", "quantity": 1}, {"sku": "T", "quantity": 1, "cancelled_by": "seller"}]},
            {"item_cancelled": True},
        ),
    ],
)
def test_an_order_says_what_a_cancellation_and_a_late_shipment_are_judged_by(
    fields: dict[str, Any], expected: dict[str, Any]
) -> None:
    found = read("orders", with_fields("orders", **fields))
    assert isinstance(found, Event)
    assert isinstance(found.thing, Order)
    plain = {"ship_by": instant("2026-10-03T12:00:00Z"), "cancelled_by": None, "cancel_reason": "other"}
    flags = dict.fromkeys(("buyer_requested_cancel", "excused", "item_cancelled"), False)
    asked = plain | flags | expected
    assert {name: getattr(found.thing, name) for name in asked} == asked


@pytest.mark.parametrize(
    ("fields", "tracked"),
    [
        ({}, True),
        ({"first_scan_at": None}, False),
        ({"tracking_confirmed_at": None}, True),
        ({"tracking_confirmed_at": "2026-10-19T12:00:00Z"}, True),
        ({"tracking_confirmed_at": "2026-10-19T12:00:00.0000009Z"}, True),
        ({"tracking_confirmed_at": "2026-10-19T12:00:00.000001Z"}, False),
        ({"tracking_confirmed_at": "2026-10-29T12:00:00Z", "delivered_at": None}, True),
        ({"first_scan_at": "2026-10-29T12:00:00Z"}, True),  # a scan after its delivery is a scan
    ],
)
def test_a_package_is_tracked_if_scanned_and_its_tracking_was_not_given_after_delivery(
    fields: dict[str, Any], tracked: bool
) -> None:
    """Case 29."""
    found = read("shipments", with_fields("shipments", **fields))
    assert isinstance(found, Event)
    assert isinstance(found.thing, Package)
    assert found.thing.tracked is tracked


@pytest.mark.parametrize(
    ("needs", "expected"), [({}, True), ({"needs_response": True}, True), ({"needs_response": False}, False)]
)
def test_a_message_needs_an_answer_unless_it_says_not(needs: dict[str, Any], expected: bool) -> None:
    _, value = message(**needs)
    found = read("messages", json.dumps(value).encode())
    assert isinstance(found, Event)
    assert isinstance(found.thing, Message)
    assert found.thing.needs_response is expected
    assert found.thing.answered_at is None


@pytest.mark.parametrize("topic", TOPICS)
@pytest.mark.parametrize("absent", [True, False])
def test_every_optional_field_may_be_absent_or_null(topic: str, absent: bool) -> None:
    required = {*COMMON, *REQUIRED[topic]}
    value = {name: given for name, given in VALID[topic].items() if name in required}
    if not absent:
        value |= dict.fromkeys(VALID[topic].keys() - required)
    assert reason_of(topic, json.dumps(value).encode()) is None


@pytest.mark.parametrize("feedback_id", [{}, {"feedback_id": None}])
def test_a_feedback_without_an_id_is_named_like_its_order(feedback_id: dict[str, None]) -> None:
    _, value = feedback(1, "903-1", **feedback_id)
    found = read("feedback", json.dumps(value).encode())
    assert isinstance(found, Event)
    assert isinstance(found.thing, Feedback)
    assert found.thing.id == "903-1"


@pytest.mark.parametrize(
    ("topic", "fields"),
    [
        *[("feedback", {"rating": rating}) for rating in range(1, 6)],
        ("feedback", {"comment": ""}),
        ("feedback", {"comment": "x" * 4000}),
        ("feedback", {"comment": "\U0001f4e6" * 4000}),
        ("feedback", {"feedback_id": "\U0001f600" * 128}),
        ("claim-statuses", {"claim_id": "é" * 128}),
        ("claim-statuses", {"claim_id": " "}),
        ("orders", {"marketplace_id": "any other"}),
        ("orders", {"items": []}),
        ("orders", {"items": [{"sku": "S", "quantity": 1}] * 100}),
        ("orders", {"items": [{"sku": "S" * 128, "quantity": 2**62, "cancelled_by": "seller"}]}),
        ("orders", {"items": [{"sku": "S", "quantity": 1, "colour": [None]}]}),
        ("orders", {"purchase_date": "2031-01-01T00:00:00Z"}),  # other dates may lie in the future
        ("orders", {"purchase_date": "0001-01-01T00:00:00+14:00"}),
        ("orders", {"purchase_date": "9999-12-31T23:59:59.999999-12:00"}),
        ("claim-statuses", {"status": "denied", "funded_by": "amazon"}),
        ("orders", {"colour": {"deep": [1, 2.5, None, True, "é"]}, "": 0}),
    ],
)
def test_all_that_the_contract_lists_is_valid(topic: str, fields: dict[str, Any]) -> None:
    assert reason_of(topic, with_fields(topic, **fields)) is None


@pytest.mark.parametrize(
    "unknown",
    [
        ', "x": 1e999999',
        ', "x": -1E-999999',
        ', "x": 123456789012345678901234567890',
        ', "x": 1e999999, "y": "é"',
        ', "x": 123456789012345678901234567890, "y": "é"',
        ', "x": 0.1234567890123456789012345678901234567890, "y": "\\u00e9"',
        ', "x": -0, "y": -0.0e-0',
        ', "x": "\\ud83d\\ude00"',
        ', "\\uD83D\\uDE00": {"\\ud83d\\ude00": "\\u0000"}',
        ', "x": "\\"\\\\\\/\\b\\f\\n\\r\\t\x7f"',
        ', "x": ' + "[" * 200 + "]" * 200,
        ', "x": {"event_id": null, "rating": 9}',
        ', "x": "\\\\ud800 \\\\\\\\uDC00"',  # backslashes and letters, no escape
        ', "x": "\\uDBFF\\uDFFF\\uD800\\udc00"',
        ', "x": "' + "\\ud83d\\ude00" * 20_000 + '"',
        ', "x": "' + "\\\\" * 100_000 + 'ud800"',
        '  ,\t"x"\r\n:\n{ } ',
    ],
)
def test_unknown_fields_may_hold_any_json(unknown: str) -> None:
    assert reason_of("feedback", with_raw(unknown)) is None


@pytest.mark.parametrize("beside", ["", ', "y": "é"', ', "y": "\\u00e9"'])
def test_a_number_of_thousands_of_digits_in_an_unknown_field_is_ignored(beside: str) -> None:
    # The same event was valid in plain ASCII and a dead letter beside any other letter: only then is the whole text
    # looked at, by a decoder that makes integers of what it reads and refuses more than 4,300 digits.
    assert reason_of("feedback", with_raw(f', "x": {"9" * 5000}{beside}')) is None


def test_a_field_written_twice_is_read_somehow() -> None:
    assert reason_of("feedback", with_raw(', "rating": 4, "rating": 5')) is None
    assert reason_of("feedback", with_raw(', "x": 1, "x": "é"')) is None


def test_names_and_values_may_be_written_with_escapes() -> None:
    value = with_raw("").replace(b'"rating"', b'"\\u0072ating"').replace(b'"A2SELLER"', b'"\\u00412SELLER"')
    assert reason_of("feedback", value) is None


@pytest.mark.parametrize("around", [b" \t\r\n%b \t\r\n", b"%b\n"])
def test_white_space_around_the_object_means_nothing(around: bytes) -> None:
    assert reason_of("orders", around % with_fields("orders")) is None


# --- Records that are no events ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("topic", TOPICS)
def test_a_record_without_value_or_key_says_so(topic: str) -> None:
    assert reason_of(topic, None) == "no_value"
    assert reason_of(topic, None, key=None) == "no_value"
    assert reason_of(topic, with_fields(topic), key=None) == "no_key"


@pytest.mark.parametrize("key", [b"", b"A2SELLER ", b"a2seller", b'"A2SELLER"', b"\xff", b"A2SELLER\x00"])
def test_the_key_must_be_the_seller(key: bytes) -> None:
    assert reason_of("orders", with_fields("orders"), key) == "wrong_key"


def test_the_key_is_the_sellers_id_in_utf_8() -> None:
    seller = 'Ö/2 "x"\\\n\U0001f600'
    assert reason_of("orders", with_fields("orders", seller_id=seller), seller.encode()) is None
    assert reason_of("orders", with_fields("orders", seller_id=seller), seller.encode("utf-16")) == "wrong_key"
    composed, decomposed = "\u00d6", "O\u0308"
    assert reason_of("orders", with_fields("orders", seller_id=composed), decomposed.encode()) == "wrong_key"


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b" ",
        b"{",
        b"nonsense",
        b"\x00",
        b"\xef\xbb\xbf" + with_fields("feedback"),  # a byte order mark
        with_fields("feedback") + b"\x00",
        with_fields("feedback")[:-1],
        with_fields("feedback") + b"{}",
        with_fields("feedback") + b"]",
        with_fields("feedback") * 2,
        with_raw(","),
        with_raw(', "x": NaN'),
        with_raw(', "x": -Infinity'),
        with_raw(', "x": 01'),
        with_raw(', "x": .5'),
        with_raw(', "x": 1.'),
        with_raw(', "x": +1'),
        with_raw(', "x": tru'),
        with_raw(", 'x': 1"),
        with_raw(", x: 1"),
        with_raw(', "x": [1,]'),
        with_raw(', "x": "a\nb"'),
        with_raw(', "x": "a\tb", "y": "é"'),
        with_raw(', "x": "\\q"'),
        with_raw(', "x": "\\u12"'),
        with_raw(', "x": 1 // no comments'),
        with_raw(',\u00a0"x": 1'),
        with_raw(', "x": ' + "[" * 100_000),
        with_raw(', "x": ' + "[" * 100_000 + "]" * 100_000),
        with_raw(', "y": "é", "x": ' + '{"x":' * 30_000 + "1" + "}" * 30_000),
    ],
)
def test_what_is_not_one_json_document_is_not_json(value: bytes) -> None:
    assert reason_of("feedback", value) == "not_json"


@pytest.mark.parametrize(
    "text",
    [
        "\\ud800",
        "\\udc00",
        "\\udc00\\ud800",
        "\\ud83d x",
        "\\ud83d\\u0041",
        "\\ud83d\\n",
        "\\\\\\uD800",
        "\\uDBFF\\\\udc00",
    ],
)
@pytest.mark.parametrize("place", [', "comment": "%s"', ', "x": "%s"', ', "%s": 1', ', "x": [{"%s": null}]'])
def test_half_surrogates_are_no_text_in_any_field(place: str, text: str) -> None:
    assert reason_of("feedback", with_raw(place % text)) == "not_json"


@pytest.mark.parametrize(
    "bad",
    [
        b"\xff",
        b"\x80",
        b"\xc3",  # half a letter
        b"\xc0\xaf",  # overlong
        b"\xe2\x82",
        b"\xed\xa0\x80",  # a half surrogate in UTF-8
        b"\xf4\x90\x80\x80",  # beyond the last code point
    ],
)
@pytest.mark.parametrize("place", [b', "comment": "%b"', b', "x": "%b"', b', "%b": 1', b', "x": [{"%b": null}]'])
def test_invalid_utf_8_is_malformed_wherever_it_stands(place: bytes, bad: bytes) -> None:
    assert reason_of("feedback", with_raw(place % bad)) == "not_utf8"


def test_utf_16_and_latin_1_are_not_utf_8() -> None:
    text = with_fields("feedback", comment="Größe").decode()
    assert reason_of("feedback", text.encode("latin-1")) == "not_utf8"
    assert reason_of("feedback", text.encode("utf-16")) == "not_utf8"


@pytest.mark.parametrize("value", [b"null", b"[]", b"3", b'"text"', b"true", b"[%b]" % with_fields("feedback"), b"{}"])
def test_json_that_is_no_event_is_an_invalid_field(value: bytes) -> None:
    assert reason_of("feedback", value) == "invalid_field"


# --- Fields -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("topic", "field"), [*pairs(REQUIRED), *pairs(dict.fromkeys(TOPICS, COMMON))])
def test_a_required_field_may_be_neither_missing_nor_null(topic: str, field: str) -> None:
    value = dict(VALID[topic])
    del value[field]
    assert reason_of(topic, json.dumps(value).encode()) == "invalid_field"
    assert reason_of(topic, with_fields(topic, **{field: None})) == "invalid_field"


@pytest.mark.parametrize(("topic", "field"), [*pairs(TEXTS), *pairs(dict.fromkeys(TOPICS, COMMON)), *pairs(ENUMS)])
@pytest.mark.parametrize("wrong", NO_TEXTS)
def test_a_text_field_holds_1_to_128_code_points_and_nothing_else(topic: str, field: str, wrong: Any) -> None:
    assert reason_of(topic, with_fields(topic, **{field: wrong})) == "invalid_field"


@pytest.mark.parametrize(("topic", "field"), pairs(ENUMS))
@pytest.mark.parametrize("change", [str.lower, str.upper, "{} ".format, "un{}".format])
def test_a_value_that_a_field_does_not_list_is_invalid_in_optional_fields_too(
    topic: str, field: str, change: Any
) -> None:
    listed = VALID[topic].get(field) or "seller"
    wrong = change(listed)
    expected = None if wrong == listed else "invalid_field"
    assert reason_of(topic, with_fields(topic, **{field: wrong})) == expected


@pytest.mark.parametrize(
    ("topic", "fields"),
    [
        *[("feedback", {"rating": wrong}) for wrong in (0, 6, -1, 3.0, 3.5, True, "3", None, [3], 10**30)],
        ("feedback", {"comment": "x" * 4001}),
        ("feedback", {"comment": "\U0001f4e6" * 4001}),
        ("feedback", {"comment": 5}),
        ("feedback", {"feedback_id": ""}),
        ("orders", {"items": [{"sku": "S", "quantity": 1}] * 101}),
        *[("orders", {"items": [{"sku": "S", "quantity": wrong}]}) for wrong in (0, -1, 1.0, True, "1", None)],
        ("orders", {"items": [{"sku": "S"}]}),
        ("orders", {"items": [{"quantity": 1}]}),
        ("orders", {"items": [{"sku": "", "quantity": 1}]}),
        ("orders", {"items": [{"sku": "S" * 129, "quantity": 1}]}),
        ("orders", {"items": [{"sku": "S", "quantity": 1, "cancelled_by": "Seller"}]}),
        ("orders", {"items": [None]}),
        ("orders", {"items": {}}),
        ("orders", {"items": "S"}),
        *[
            ("orders", {flag: wrong})
            for flag in ("buyer_requested_cancel", "excused")
            for wrong in (0, 1, "true", [True])
        ],
        *[("shipments", {"excused": wrong}) for wrong in (0, 1, "true", [True])],
        *[("messages", {"needs_response": wrong}) for wrong in (0, 1, "true", [True])],
    ],
)
def test_a_wrong_type_or_an_amount_out_of_bounds_is_invalid(topic: str, fields: dict[str, Any]) -> None:
    assert reason_of(topic, with_fields(topic, **fields)) == "invalid_field"


@pytest.mark.parametrize("rating", ["3.0", "3e0", "30e-1", "-0"])
def test_a_rating_is_written_as_a_whole_number(rating: str) -> None:
    assert reason_of("feedback", with_raw("").replace(b'"rating": 3', b'"rating": %b' % rating.encode())) == (
        "invalid_field"
    )


@pytest.mark.parametrize("topic", TOPICS)
def test_a_value_may_have_256_kib_and_not_one_byte_more(topic: str) -> None:
    value = with_fields(topic, padding="")
    padding = MAX_VALUE_BYTES - len(value)
    assert MAX_VALUE_BYTES == 262_144
    assert reason_of(topic, with_fields(topic, padding="x" * padding)) is None
    assert reason_of(topic, with_fields(topic, padding="x" * (padding + 1))) == "too_large"
    assert reason_of(topic, b" " * (MAX_VALUE_BYTES + 1)) == "too_large"


def test_letters_beyond_ascii_are_measured_in_bytes() -> None:
    padding = "\U0001f4e6" * ((MAX_VALUE_BYTES - len(with_fields("orders", padding=""))) // 4)
    assert reason_of("orders", with_fields("orders", padding=padding)) is None
    assert reason_of("orders", with_fields("orders", padding=padding + "\U0001f4e6")) == "too_large"


# --- Times ------------------------------------------------------------------------------------------------------------

TIMES = [
    ("orders", "event_time"),
    ("orders", "purchase_date"),
    ("orders", "latest_ship_date"),
    ("orders", "latest_delivery_date"),
    ("feedback", "event_time"),
    ("claim-statuses", "event_time"),
    ("chargebacks", "event_time"),
    *(("shipments", field) for field in ("event_time", "confirmed_at", "promised_by", "delivered_at")),
    *(("shipments", field) for field in ("tracking_confirmed_at", "first_scan_at")),
    *(("messages", field) for field in ("event_time", "received_at", "answered_at")),
    *(("violations", field) for field in ("event_time", "detected_at")),
]
NO_TIMES = [
    "2026-11-03T16:20:05",
    "2026-11-03",
    "2026-11-03T16:20Z",
    "2026-11-03T16Z",
    "2026-11-03T16:20:05+0100",
    "2026-11-03T16:20:05+01",
    "2026-11-03T16:20:05+24:00",
    "2026-11-03T16:20:05+01:00:00",
    "2026-11-03T16:20:05 +01:00",
    "2026-11-03T24:00:00Z",
    "2026-11-03T16:60:00Z",
    "2026-11-03T16:20:61Z",
    "2026-11-03T16:20:05,5Z",
    "2026-11-03T16:20:05.Z",
    "2026-11-31T16:20:05Z",
    "2026-02-29T16:20:05Z",
    "2026-13-01T16:20:05Z",
    "0000-01-01T00:00:00Z",
    "12026-11-03T16:20:05Z",
    "20261103T162005Z",
    "2026-W45-2T16:20:05Z",
    "2026-307T16:20:05Z",
    " 2026-11-03T16:20:05Z",
    "2026-11-03T16:20:05Z\n",
    "2026-11-03T16:20:05Zulu",
    "2026-11-03T16:20:05UTC",
    "٢٠٢٦-11-03T16:20:05Z",
    "1793722805",
    "",
    "yesterday",
]

STRICT = re.compile(
    r"\d{4}-(0\d|1[0-2])-[0-3]\d[Tt ]([01]\d|2[0-3]):[0-5]\d:([0-5]\d|60)(\.\d+)?([Zz]|[+-]([01]\d|2[0-3]):[0-5]\d)",
    re.ASCII,
)


@pytest.mark.parametrize(("topic", "field"), TIMES)
@pytest.mark.parametrize("wrong", [*NO_TIMES, 1793722805, 1793722805.5, True, {}])
def test_every_time_is_rfc_3339_with_an_offset_in_optional_fields_too(topic: str, field: str, wrong: object) -> None:
    assert reason_of(topic, with_fields(topic, **{field: wrong})) == "invalid_field"


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2026-11-03T16:20:05Z", "2026-11-03T16:20:05+00:00"),
        ("2026-11-03t16:20:05z", "2026-11-03T16:20:05+00:00"),
        ("2026-11-03 16:20:05Z", "2026-11-03T16:20:05+00:00"),
        ("2026-11-03T16:20:05-00:00", "2026-11-03T16:20:05+00:00"),
        ("2026-11-03T16:20:05.1+01:00", "2026-11-03T15:20:05.100000+00:00"),
        ("2026-11-03T16:20:05.120-08:30", "2026-11-04T00:50:05.120000+00:00"),
        ("2026-11-03T16:20:05.1234569Z", "2026-11-03T16:20:05.123456+00:00"),
        ("2026-11-03T16:20:05.999999999Z", "2026-11-03T16:20:05.999999+00:00"),
        ("2026-12-31T23:59:59.99999999999999999999999z", "2026-12-31T23:59:59.999999+00:00"),
        ("2026-11-03t16:20:05.0000009+00:00", "2026-11-03T16:20:05+00:00"),
        ("1969-12-31T23:59:59.9999999Z", "1969-12-31T23:59:59.999999+00:00"),
        ("2024-02-29T12:00:00+23:59", "2024-02-28T12:01:00+00:00"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00+00:00"),
        ("9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999+00:00"),
    ],
)
def test_a_time_is_an_instant_to_the_microsecond_with_further_digits_cut(text: str, utc: str) -> None:
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    assert instant(text) == (datetime.fromisoformat(utc) - epoch) // timedelta(microseconds=1)


def test_the_calendars_first_and_last_moments_have_instants_under_any_offset() -> None:
    hour = 3_600_000_000
    assert instant("0001-01-01T00:00:00+14:00") == instant("0001-01-01T00:00:00Z") - 14 * hour
    assert instant("9999-12-31T23:59:59-12:00") == instant("9999-12-31T23:59:59Z") + 12 * hour


@pytest.mark.parametrize("text", NO_TIMES)
def test_what_is_no_rfc_3339_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        instant(text)


@pytest.mark.parametrize("text", ["2026-11-03T16:20:05+01:60", "2026-11-03T16:20:05-08:99"])
def test_an_offset_has_no_more_than_59_minutes(text: str) -> None:
    # Python's own parser adds the minutes up: +01:60 was read as +02:00.
    with pytest.raises(ValueError, match=r".+"):
        instant(text)
    assert reason_of("orders", with_fields("orders", purchase_date=text)) == "invalid_field"


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-03T16:20:05Z",
        "2026-11-03T16:20:05.5z",
        "2026-11-03T16:20:05.123456Z",
        "2026-11-03T16:20:05.123456789Z",
        "2026-11-03t16:20:05+01:00",
        "2026-11-03T16:20:05.12-08:00",
    ],
)
def test_a_time_with_one_letter_wrong_missing_or_too_many_is_refused_unless_it_is_rfc_3339(text: str) -> None:
    # The parser reads more than RFC 3339 allows, and the shapes that are let through to it were once too many.
    letters = "0123456789 +-:.,TtZzW_\n\x00٣²"
    changed = {
        text[:at] + letter + text[at + gone :] for at in range(len(text)) for gone in (0, 1) for letter in letters
    }
    changed |= {text[:at] + text[at + 1 :] for at in range(len(text))}
    assert [wrong for wrong in sorted(changed) if is_instant(wrong) and not STRICT.fullmatch(wrong)] == []


def is_instant(text: str) -> bool:
    try:
        instant(text)
    except ValueError:
        return False
    return True


@given(st.sampled_from([*strategies.event_times(strategies.DAY), *strategies.purchase_dates(strategies.DAY)]))
def test_an_instant_is_what_the_oracle_reads(text: str) -> None:
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    assert instant(text) == (recount.instant(text) - epoch) // timedelta(microseconds=1)


@pytest.mark.parametrize("topic", TOPICS)
def test_an_event_may_be_24_hours_ahead_of_its_record_and_not_one_microsecond_more(topic: str) -> None:
    recorded = datetime(2026, 11, 3, 16, 20, 5, 120_000, tzinfo=UTC)
    timestamp = round(recorded.timestamp() * 1000)
    exactly, beyond = "2026-11-04T16:20:05.120000Z", "2026-11-04T16:20:05.120001Z"
    assert isinstance(read(topic, with_fields(topic, event_time=exactly), timestamp=timestamp), Event)
    found = read(topic, with_fields(topic, event_time=beyond), timestamp=timestamp)
    assert isinstance(found, Malformed)
    assert found.reason == "from_the_future"


def test_an_event_may_be_as_old_as_it_likes() -> None:
    assert isinstance(read("orders", with_fields("orders", event_time="0001-01-01T00:00:00Z")), Event)


# --- Anything at all --------------------------------------------------------------------------------------------------


def check(topic: str, key: bytes | None, value: bytes | None, timestamp: int) -> None:
    """Whatever comes in, it is an event or a dead letter with a listed reason; and an event is real JSON."""
    found = read(topic, value, key, timestamp)
    if isinstance(found, Malformed):
        assert found.reason in REASONS
        found.detail.encode(errors="replace")
        return
    assert value is not None
    assert key == found.seller_id.encode()
    told = json.loads(value.decode(), parse_int=str, parse_float=str, parse_constant=refuse)
    json.dumps(told, ensure_ascii=False).encode()
    assert (told["seller_id"], told[OWN_ID.get(topic, "order_id")]) == (found.seller_id, found.subject_id)


def refuse(constant: str) -> None:
    raise AssertionError(f"{constant} is not JSON")


@given(
    st.sampled_from(TOPICS),
    st.none() | st.binary(max_size=20),
    st.none() | st.binary(max_size=300),
    st.integers(min_value=-1, max_value=2**62),
)
def test_any_bytes_are_an_event_or_a_dead_letter(
    topic: str, key: bytes | None, value: bytes | None, timestamp: int
) -> None:
    check(topic, key, value, timestamp)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just("\ud800"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)


@given(strategies.events(), st.data())
def test_a_valid_event_with_any_other_json_in_a_field_is_an_event_or_a_dead_letter(
    told: recount.InputEvent, data: st.DataObject
) -> None:
    topic, value = told
    field = data.draw(st.sampled_from([*value, "unknown"]))
    spoilt = {**value, field: data.draw(JSON)}
    check(topic, value["seller_id"].encode(), json.dumps(spoilt).encode(), RECORDED)


@given(strategies.events())
def test_every_event_of_the_strategies_is_valid(told: recount.InputEvent) -> None:
    topic, value = told
    assert reason_of(topic, json.dumps(value).encode(), value["seller_id"].encode()) is None
    plain = json.dumps(value, ensure_ascii=False).encode()
    assert reason_of(topic, plain, value["seller_id"].encode()) is None


@st.composite
def mutations(draw: st.DrawFn, value: bytes) -> bytes:
    """A few bytes flipped, put in, or taken out; mostly such as mean something in JSON."""
    byte = st.sampled_from(b'"\\{}[]:,0123456789.eE+-\x00\x1f\x7f\x80\xc3\xed\xff\xefnutr \n') | st.integers(0, 255)
    for _ in range(draw(st.integers(min_value=1, max_value=4))):
        at = draw(st.integers(min_value=0, max_value=len(value) - 1)) if value else 0
        gone = draw(st.integers(min_value=0, max_value=3))
        new = bytes(draw(st.lists(byte, max_size=3)))
        value = value[:at] + new + value[at + gone :]
    return value


@given(strategies.events(), st.data(), st.booleans())
def test_a_damaged_event_is_an_event_or_a_dead_letter(
    told: recount.InputEvent, data: st.DataObject, ascii_only: bool
) -> None:
    topic, value = told
    spoilt = data.draw(mutations(json.dumps(value, ensure_ascii=ascii_only).encode()))
    check(topic, value["seller_id"].encode(), spoilt, RECORDED)
