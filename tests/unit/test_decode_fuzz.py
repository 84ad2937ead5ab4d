"""Hostile records by the thousand: `decode` never raises, and says of each what an independent judge says.

FUZZ_ROUNDS and HYPOTHESIS_PROFILE=thorough try for longer. The seed is fixed: a failure is there again the next time.
"""

import json
import os
import random
import re
from collections.abc import Callable, Mapping
from itertools import product
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream import health
from stream.accounts import Accounts, Applied
from stream.decode import CONVERTERS, REASONS, decode
from stream.evaluation import EvaluationDays
from stream.events import Chargeback, Claim, Event, Feedback, Malformed, Message, Order, Package, Violation
from stream.states import pack, unpack
from stream.worker.changes import Cause, health_changes
from tests import judge, strategies
from tests.builders import RECORDED, chargeback, claim, feedback, message, order, rules_of, shipment, violation
from tests.judge import Judgement

ROUNDS: Final = int(os.environ.get("FUZZ_ROUNDS", "100000"))
DAY_MILLISECONDS: Final = 86_400_000

# Values as they may be written in JSON, right or not.
TIMES = (
    *("0000-01-01T00:00:00Z", "0001-01-01T00:00:00+23:59", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999-23:59"),
    *("9999-12-31T23:59:59Z", "2026-06-30T23:59:60Z", "2026-06-30T23:59:61Z", "2026-11-03T24:00:00Z"),
    *("2026-11-03T00:00:00.012345678901234567890123456789Z", "2026-11-03T00:00:00." + "9" * 400 + "+23:59"),
    *("2026-02-29T00:00:00Z", "2024-02-29T00:00:00z", "1900-02-29T00:00:00Z", "2000-02-29 00:00:00-00:00"),
    *(
        "2026-11-03T00:00:00+24:00",
        "2026-11-03T00:00:00+23:60",
        "2026-11-03T00:00:00",
        "2026-11-03T00:00Z",
        "2026-11-03",
    ),
    *("2026-11-03T00:00:00.Z", "2026-11-03T00:00:00,5Z", "2026-11-03T00:00:00Z\\n", "\\u0032026-11-03T00:00:00Z"),
    *("+026-11-03T00:00:00Z", "2026-W45-2T00:00:00Z", "２０２６-11-03T00:00:00Z", "2026-11-03T00:00:00−01:00"),
)
TEXTS = (
    *(
        "",
        " ",
        "x" * 128,
        "x" * 129,
        "\U0001f600" * 128,
        "\U0001f600" * 129,
        "é" * 4_000,
        "é" * 4_001,
        "\ufeff",
        "\x7f",
    ),
    *("\\u0000", "\\ud83d\\ude00", "\\ud800", "\\udc00\\ud800", "\\\\ud800", "\\uD83D\\u0041", "\\u00e9", "\\n\\t\\/"),
    *(
        "\\x",
        "\\u12",
        "\n",
        "\x00",
        "\x1b[31m",
        "Shipped",
        "posted",
        "granted",
        "MFN",
        "buyer",
        "A2SELLER",
        "shipped",
        "\u2028",
    ),
)
TOKENS = (
    *(f'"{written}"' for written in (*TIMES, *TEXTS)),
    *("null", "true", "false", "nul", "NaN", "Infinity", "-Infinity", "undefined"),
    *(
        "0",
        "1",
        "5",
        "6",
        "-0",
        "-1",
        "3.0",
        "3e0",
        "30e-1",
        "01",
        "+1",
        ".5",
        "1.",
        "0x1",
        "1e999",
        "-1e999",
        "1e-999",
    ),
    *("9" * 400, "-" + "9" * 400, "1" * 5_000, "9223372036854775808", "18446744073709551616", "0." + "1" * 400),
    *("[]", "{}", "[1,]", "[[[]]]", "[" * 150 + "]" * 150, "[" * 3_000, "[" * 3_000 + "]" * 3_000, "[null]"),
    *('[{"sku":"S","quantity":1}]', '[{"sku":"S","quantity":0}]', '[{"sku":"S","quantity":1,"quantity":2}]'),
    *('[{"sku":"S","quantity":' + "9" * 4_301 + "}]", '[{"sku":"S","quantity":' + "9" * 4_299 + "}]"),
    *("[" + ",".join(['{"sku":"S","quantity":1}'] * 101) + "]", '{"sku": "S", "quantity": 1}'),
    *("", "//", "/**/1", "'x'", '"x', '"x" "y"', "1 2", "}", "]"),
)
AROUND = ("", " ", "\n", "\t\r\n ", "\ufeff", "\x00", "\x0b", "\xa0", ",", "}", "{}", "null", "//", "\u2028")


def check(topic: str, key: bytes | None, value: bytes | None, timestamp: int) -> Event | None:
    """Fail unless `decode` says what the judge says; return the event if it is one."""
    asked = judge.judge(topic, key, value, timestamp)
    said = decode(CONVERTERS[topic], key, value, timestamp)
    shown = (topic, key, value, timestamp, asked, said)
    if isinstance(said, Malformed):
        assert said.reason in asked.reasons & REASONS.keys(), shown
        said.detail.encode(errors="replace")
        return None
    assert asked.told is not None, shown
    assert told_by(said) == expected(topic, asked), shown
    return said


def told_by(event: Event) -> tuple[Any, ...]:
    thing = event.thing
    common = (event.seller_id, event.subject_id, thing.event_id, thing.event_time, thing.marketplace_id)
    own: tuple[Any, ...]
    match thing:
        case Order():
            cancelled = (thing.cancelled_by, thing.cancel_reason, thing.buyer_requested_cancel, thing.item_cancelled)
            ship_by = (thing.ship_by, thing.excused)
            own = (thing.purchased_at, thing.channel, thing.status, *cancelled, *ship_by)
        case Feedback():
            own = (thing.id, thing.received_at, thing.rating, thing.status, thing.reason)
        case Claim():
            own = (thing.id, thing.status, thing.funded_by, thing.odr_impact, thing.reason)
        case Chargeback():
            own = (thing.id, thing.kind, thing.status, thing.reason)
        case Package():
            times = (thing.confirmed_at, thing.promised_by, thing.delivered_at)
            own = (thing.id, *times, thing.tracked, thing.excused)
        case Message():
            own = (thing.received_at, thing.answered_at, thing.needs_response)
        case Violation():
            own = (thing.category, thing.severity, thing.status, thing.detected_at)
    return (*common, *own)


def expected(topic: str, asked: Judgement) -> tuple[Any, ...]:
    told = asked.told or {}
    subject = told[{"messages": "message_id", "violations": "violation_id"}.get(topic, "order_id")]
    common = (told["seller_id"], subject, told["event_id"], moment(told, "event_time"), told["marketplace_id"])
    return (*common, *FURTHER[topic](told))


def moment(told: Mapping[str, Any], name: str) -> int | None:
    """The microseconds since the epoch that an optional field names."""
    return None if told.get(name) is None else judge.instant(told[name])[1]


def tracked(told: Mapping[str, Any]) -> bool:
    """Whether a carrier has scanned the package, and its tracking was not first given after its delivery."""
    given, delivered = moment(told, "tracking_confirmed_at"), moment(told, "delivered_at")
    too_late = given is not None and delivered is not None and given > delivered
    return told.get("first_scan_at") is not None and not too_late


FURTHER: dict[str, Callable[[Mapping[str, Any]], tuple[Any, ...]]] = {
    "orders": lambda told: (
        moment(told, "purchase_date"),
        *(told["channel"], told["status"], told.get("cancelled_by"), told.get("cancel_reason")),
        bool(told.get("buyer_requested_cancel")),
        any(dict(item).get("cancelled_by") == "seller" for item in told.get("items") or ()),
        moment(told, "latest_ship_date"),
        bool(told.get("excused")),
    ),
    "feedback": lambda told: (
        told.get("feedback_id") or told["order_id"],
        moment(told, "event_time"),
        int(told["rating"].text),
        *(told["status"], told.get("reason")),
    ),
    "claim-statuses": lambda told: (
        *(told["claim_id"], told["status"], told.get("funded_by"), told.get("odr_impact"), told.get("reason")),
    ),
    "chargebacks": lambda told: (told["chargeback_id"], told["kind"], told["status"], told.get("reason")),
    "shipments": lambda told: (
        told["shipment_id"],
        *(moment(told, name) for name in ("confirmed_at", "promised_by", "delivered_at")),
        *(tracked(told), bool(told.get("excused"))),
    ),
    "messages": lambda told: (
        *(moment(told, "received_at"), moment(told, "answered_at"), told.get("needs_response") is not False),
    ),
    "violations": lambda told: (*(told["category"], told["severity"], told["status"], moment(told, "detected_at")),),
}


# --- What a worker then does with it ----------------------------------------------------------------------------------


def digest(event: Event, day: int, zones: dict[str, str]) -> None:
    """Do with an event all that a worker does, as of a day: whatever is valid must go through."""
    rules = rules_of(zones=zones, retention_days=100_000)
    accounts = Accounts(rules, EvaluationDays(rules, 0, day))
    applied = accounts.apply(event)
    if not isinstance(applied, Applied):
        return
    for change in health_changes(Cause("orders", 0, 0, event), applied):
        json.loads(change)
    for packed in accounts.take_changed().values():
        assert packed is None or pack(unpack(packed)) == packed
    accounts.roll()
    for account in accounts.sellers.values():
        health.defects(account, None, accounts._evaluation, rules)
        health.figures(account, None, accounts._evaluation, rules)
        health.forecast(account, accounts._evaluation)
    accounts.expire(list(accounts.sellers))


EDGES = (1, 200, 719_163, 739_558, 3_652_059)  # days: the calendar's first and last, and some in between


DATES = (
    "purchase_date",
    "latest_ship_date",
    "confirmed_at",
    "promised_by",
    "delivered_at",
    "received_at",
    "detected_at",
)
ANY_EVENT = strategies.whole_events(topics=tuple(CONVERTERS))


@given(ANY_EVENT, st.sampled_from(TIMES), st.sampled_from(TIMES), st.sampled_from(EDGES), strategies.zones())
def test_events_at_the_ends_of_the_calendar_go_all_the_way_through(
    told: Any, bought: str, happened: str, day: int, zones: dict[str, str]
) -> None:
    topic, value = told
    spoilt = {**value, "event_time": happened} | {name: bought for name in DATES if value.get(name) is not None}
    raw = json.dumps(spoilt).encode()
    event = check(topic, value["seller_id"].encode(), raw, 2**53)
    if event is not None:
        digest(event, day, zones)


# --- Structured mutations ---------------------------------------------------------------------------------------------

Member = tuple[str, str]


@st.composite
def members(draw: st.DrawFn, value: dict[str, Any]) -> list[Member]:
    """An event's names and values as they are written, some of them changed, doubled, renamed or left out."""
    ascii_only = draw(st.booleans())
    written = [(json.dumps(name), json.dumps(of, ensure_ascii=ascii_only)) for name, of in value.items()]
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(written) - 1)) if written else 0
        name = written[at][0] if written else '"order_id"'
        kind = draw(st.sampled_from(("value", "value", "double", "drop", "name", "unknown", "field")))
        token = draw(st.sampled_from(TOKENS))
        if kind == "value":
            written[at : at + 1] = [(name, token)]
        elif kind == "double":
            written.insert(draw(st.integers(0, len(written))), (name, token))
        elif kind == "drop":
            del written[at : at + 1]
        elif kind == "name":
            other = draw(
                st.sampled_from((name.upper(), name.replace("_", "-"), f'"\\u00{ord(name[1]):02x}{name[2:]}', name[1:]))
            )
            written[at : at + 1] = [(other, written[at][1] if written else token)]
        else:
            names = (
                ('"x"', '""', '"\\ud800"')
                if kind == "unknown"
                else (
                    '"items"',
                    '"reason"',
                    '"comment"',
                    '"excused"',
                    '"promised_by"',
                    '"needs_response"',
                    '"severity"',
                )
            )
            written.append((draw(st.sampled_from(names)), token))
    return written


@st.composite
def records(draw: st.DrawFn) -> tuple[str, bytes | None, bytes | None, int]:
    """A record made of an event: topic, key, value and timestamp."""
    sellers = ("A2SELLER", 'Ö/2 "x"\\\n', "\x00\u2028\U0001f600")
    topic, value = draw(strategies.whole_events(sellers=sellers, topics=tuple(CONVERTERS)))
    topic = draw(st.sampled_from((topic, topic, topic, *CONVERTERS)))
    comma, colon = draw(st.sampled_from(((",", ":"), (" ,\n", "\t: "), (",", ":"), (",,", ":"))))
    text = "{" + comma.join(f"{name}{colon}{token}" for name, token in draw(members(dict(value)))) + "}"
    text = draw(st.sampled_from(AROUND)) + text + draw(st.sampled_from(("", "", *AROUND)))
    own = value["seller_id"].encode()
    key = draw(st.sampled_from((own, own, own, own + b"\x00", b"", None)))
    happened = judge.instant(value["event_time"])[1] // 1_000
    after = draw(st.sampled_from((0, -DAY_MILLISECONDS, -DAY_MILLISECONDS - 1, RECORDED, -happened, -happened - 1)))
    return topic, key, text.encode(errors="surrogatepass"), happened + after


@given(records())
def test_of_every_changed_event_decode_says_what_the_judge_says(
    record: tuple[str, bytes | None, bytes | None, int],
) -> None:
    event = check(*record)
    if event is not None:
        digest(event, strategies.DAY.toordinal(), {})


@pytest.mark.parametrize("topic", CONVERTERS)
def test_every_token_in_every_field_is_judged_alike(topic: str) -> None:
    event = json.dumps(VALID[topic])
    for name, token in product((*VALID[topic], "unknown"), TOKENS):
        without = json.dumps({field: of for field, of in VALID[topic].items() if field != name})
        written = f'"{name}": {token}'
        for value in (f"{without[:-1]}, {written}}}", f"{event[:-1]}, {written}}}", f"{{{written}, {event[1:]}"):
            check(topic, b"A2SELLER", value.encode(errors="surrogatepass"), RECORDED)


VALID: dict[str, Mapping[str, Any]] = {
    "orders": order(
        latest_ship_date="2026-10-03T12:00:00Z",
        latest_delivery_date=None,
        cancelled_by="seller",
        cancel_reason="other",
        buyer_requested_cancel=False,
        excused=True,
        items=[{"sku": "S-1", "quantity": 1, "cancelled_by": None}],
    )[1],
    "feedback": feedback(3, feedback_id="F-1", reason="late", comment="never came \U0001f4e6")[1],
    "claim-statuses": claim("granted", funded_by="seller", odr_impact="counts", reason="other")[1],
    "chargebacks": chargeback("service", reason="not_received")[1],
    "shipments": shipment(carrier="DHL", tracking_id="JJD 1", excused=False)[1],
    "messages": message("2026-10-30T13:00:00Z", needs_response=True)[1],
    "violations": violation(category="listing \U0001f4e6")[1],
}


@pytest.mark.parametrize("topic", VALID)
def test_the_judge_takes_the_events_that_others_are_made_of(topic: str) -> None:
    assert judge.judge(topic, b"A2SELLER", json.dumps(VALID[topic]).encode(), RECORDED).told is not None


@given(strategies.whole_events())
def test_the_judge_takes_every_event_of_every_history(told: Any) -> None:
    topic, value = told
    judged = judge.judge(topic, value["seller_id"].encode(), json.dumps(value).encode(), RECORDED)
    assert judged.told is not None
    assert not judged.reasons


@pytest.mark.parametrize(
    ("topic", "fields", "reasons"),
    [
        ("shipments", {"confirmed_at": None}, {"invalid_field"}),
        ("shipments", {"promised_by": None, "carrier": None, "excused": None}, set()),
        ("shipments", {"excused": "false"}, {"invalid_field"}),
        ("shipments", {"carrier": ""}, {"invalid_field"}),
        ("messages", {"received_at": "2026-10-30"}, {"invalid_field"}),
        ("messages", {"order_id": None, "answered_at": None}, set()),
        ("messages", {"needs_response": 1}, {"invalid_field"}),
        ("violations", {"severity": "fatal"}, {"invalid_field"}),
        ("violations", {"category": None}, {"invalid_field"}),
        ("violations", {"order_id": 7}, set()),  # no field of a violation
    ],
)
def test_the_judge_knows_what_packages_messages_and_violations_must_say(
    topic: str, fields: Mapping[str, Any], reasons: set[str]
) -> None:
    value = json.dumps({**VALID[topic], **fields}).encode()
    judged = judge.judge(topic, b"A2SELLER", value, RECORDED)
    assert judged.reasons == frozenset(reasons)
    assert (judged.told is None) == bool(reasons)


# --- Bytes ------------------------------------------------------------------------------------------------------------

EVENTS = {
    topic: [
        json.dumps(value).encode(),
        json.dumps(value, ensure_ascii=False).encode(),
        json.dumps(value, indent=1).encode(),
    ]
    for topic, value in VALID.items()
}
CORPUS = [
    *(written for events in EVENTS.values() for written in events),
    b"",
    b"null",
    b"[]",
    b"\xef\xbb\xbf{}",
    b"\xff\xfe{\x00}\x00",
    b'{"a":' * 40 + b"1" + b"}" * 40,
    b'"\\ud83d\\ude00\\ud83d"',
]
PIECES = [
    *(token.encode(errors="surrogatepass") for token in TOKENS if len(token) < 200),
    *(
        b"\x80",
        b"\xc3",
        b"\xc0\xaf",
        b"\xed\xa0\x80",
        b"\xf4\x90\x80\x80",
        b"\xef\xbb\xbf",
        b"\xff",
        b"\x00",
        b"\x1f",
        b"\x7f",
    ),
    *(
        b'"',
        b"\\",
        b"{",
        b"}",
        b"[",
        b"]",
        b",",
        b":",
        b" ",
        b"\\u",
        b"\\ud8",
        b"\\udc00",
        b'\\"',
        b"\\\\",
        b"/",
        b"//",
    ),
    *(b"seller_id", b"event_time", b"A2SELLER", b"rating", b"items", b"0", b"-", b".", b"e", b"E+"),
]


def mutated(rng: random.Random, topic: str) -> bytes:
    """Return a value of the corpus, mostly one of the topic, changed a few times in one of a fuzzer's ways."""
    value = rng.choice(rng.choice((EVENTS[topic], EVENTS[topic], CORPUS)))
    for _ in range(rng.choice((1, 1, 1, 2, 2, 3, 5, 8))):
        value = rng.choice(WAYS)(rng, value, rng.randrange(len(value) + 1))
    return value


WAYS: list[Callable[[random.Random, bytes, int], bytes]] = [
    lambda rng, value, at: value[:at] + rng.choice(PIECES) + value[at:],
    lambda rng, value, at: value[:at] + rng.choice(PIECES) + value[at + rng.randrange(8) :],
    lambda rng, value, at: value[:at] + bytes([rng.randrange(256)]) + value[at + 1 :],
    lambda rng, value, at: (
        value[:at] + bytes([value[at] ^ 1 << rng.randrange(8)]) + value[at + 1 :] if at < len(value) else value
    ),
    lambda rng, value, at: value[:at] + value[at + rng.randrange(1, 20) :],
    lambda rng, value, at: value[:at] + value[max(0, at - rng.randrange(60)) :],
    lambda rng, value, at: value[:at] + rng.choice(CORPUS)[at:],
    lambda rng, value, at: re.sub(
        rb'"(?:[^"\\]|\\.)*"|-?[0-9][0-9.eE+-]*|null|true|false', swap(rng, at), value, count=1 + at // 9
    ),
]


def swap(rng: random.Random, at: int) -> Callable[[re.Match[bytes]], bytes]:
    """Return what leaves all values but the last one met as they are."""
    left = [at // 9]

    def chosen(found: re.Match[bytes]) -> bytes:
        left[0] -= 1
        return found[0] if left[0] >= 0 else rng.choice(PIECES)

    return chosen


@pytest.mark.parametrize("topic", CONVERTERS)
def test_of_any_bytes_decode_says_what_the_judge_says(topic: str) -> None:
    rng = random.Random(f"bytes for {topic}")
    rounds = ROUNDS // len(CONVERTERS)
    events = sum(check(topic, b"A2SELLER", mutated(rng, topic), RECORDED) is not None for _ in range(rounds))
    assert rounds // 50 < events < rounds // 2, "the fuzzer makes nothing but garbage, or hardly any"
