"""The schemas say what decoding does: what one accepts the other accepts, but for what no schema can say.

A value is judged as a producer's validator would do it: parsed, then held against the schema with its formats.
"""

import json
import re
from collections.abc import Callable, Mapping
from datetime import date
from itertools import product
from typing import Any, Final, get_args

import jsonschema_rs
import pytest
from aiokafka.structs import ConsumerRecord
from click.testing import CliRunner
from hypothesis import example, given
from hypothesis import strategies as st

from stream import decode as decoding
from stream.accounts import Accounts, Applied
from stream.cli import main
from stream.decode import CONVERTERS, MAX_VALUE_BYTES, REASONS, check_instant, decode
from stream.evaluation import EvaluationDays
from stream.events import Event, Malformed
from stream.figures import FIGURES
from stream.outputs import Figure
from stream.schema import BEYOND, DIALECT, EVENTS, EXAMPLES, RECORDS, schema
from stream.topics import HEALTH_CHANGES, INPUT_TOPICS, REQUEUED_FROM, dead_letters
from stream.wire import RFC_3339
from stream.worker.changes import SETTINGS, Cause, health_changes
from stream.worker.transactions import DeadLetter
from tests import strategies
from tests.builders import RECORDED, decoded, rules_of

Value = dict[str, Any]
LATE_ENOUGH: Final = 2**53
"""A Kafka timestamp that no event's time is ahead of."""

VALIDATORS: Final = {topic: jsonschema_rs.validator_for(schema(topic), validate_formats=True) for topic in RECORDS}
PROPERTIES: Final[Mapping[str, Mapping[str, Any]]] = {topic: schema(topic)["properties"] for topic in EVENTS}
REQUIRED: Final[Mapping[str, frozenset[str]]] = {topic: frozenset(schema(topic)["required"]) for topic in EVENTS}


def is_decoded(topic: str, value: Any) -> bool:
    """Whether a worker takes `value`, sent with the key that fits."""
    seller = value.get("seller_id") if isinstance(value, dict) else None
    key = seller.encode() if isinstance(seller, str) else b"A2SELLER"
    return reason(topic, json.dumps(value).encode(), key) is None


def reason(topic: str, value: bytes | None, key: bytes | None = b"A2SELLER", at: int = LATE_ENOUGH) -> str | None:
    found = decode(CONVERTERS[topic], key, value, at)
    return found.reason if isinstance(found, Malformed) else None


def agree(topic: str, value: Any) -> bool:
    """Whether schema and decoding take `value`; fail where they don't say the same."""
    taken = VALIDATORS[topic].is_valid(value)
    assert taken == is_decoded(topic, value), (topic, value, taken)
    return taken


# --- Values -----------------------------------------------------------------------------------------------------------

LISTED: Final = sorted(
    {text for part in re.findall(r'"enum": (\[.*?\])', json.dumps(PROPERTIES)) for text in json.loads(part)}
)
TIMES: Final = (
    *(
        "2026-11-03T16:20:05.120Z",
        "0001-01-01T00:00:00-23:59",
        "9999-12-31t23:59:59.9999999+23:59",
        "2024-02-29T00:00:00z",
    ),
    *("0000-01-01T00:00:00Z", "2026-02-29T00:00:00Z", "2026-11-31T00:00:00Z", "2026-11-03T24:00:00Z"),
    *("2026-11-03T00:00:60Z", "2026-11-03T00:00:00", "2026-11-03T00:00Z", "2026-11-03", "2026-11-03T00:00:00+24:00"),
    *(
        "2026-11-03T00:00:00,5Z",
        "2026-11-03T00:00:00.Z",
        "20261103T000000Z",
        "2026-W45-2T00:00:00Z",
        "2026-11-03T00:00:00Z\n",
    ),
    *("２０２６-11-03T00:00:00Z", "2026-11-03T00:00:00−01:00", "+026-11-03T00:00:00Z", "2026-11-03T00:00:00+0100"),
)
TEXTS: Final = (
    *("", " ", "x" * 128, "x" * 129, "\U0001f600" * 128, "\U0001f600" * 129, "é" * 4000, "é" * 4001, "\x00", "\ufeff"),
    *("shipped", "mfn", "A2SELLER", "3", "null", "true"),
)
ITEM: Final = {"sku": "S", "quantity": 1}
LISTS: Final = (
    *([], [ITEM], [ITEM] * 100, [ITEM] * 101, [None], [[ITEM]], [ITEM, {}], [{"sku": "S"}], [{"quantity": 1}]),
    *([{**ITEM, "cancelled_by": by}] for by in ("seller", None, "nobody", False, "")),
    *([{**ITEM, "quantity": quantity}] for quantity in (0, -1, True, None, "1", 1.5, 2**63, 2**64, 10**40)),
    *([{**ITEM, "sku": sku}] for sku in ("", "x" * 128, "x" * 129, None, 1)),
    [{**ITEM, "colour": [None]}],
)
NUMBERS: Final = (*range(-1, 8), 2.5, -0.5, 1e300, 2**31, 2**63, -(2**63), 2**64, 10**40)
POOL: Final[tuple[Any, ...]] = (*LISTED, *TIMES, *TEXTS, *LISTS, *NUMBERS, None, True, False, {}, {"": None})

# Whole numbers are written whole here: "whole numbers" of `BEYOND` has the others.
numbers = st.integers() | st.floats(allow_nan=False, allow_infinity=False).filter(
    lambda number: not number.is_integer()
)
anything = st.recursive(
    st.none() | st.booleans() | numbers | st.text(max_size=140),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
topics = st.sampled_from(INPUT_TOPICS)
items = st.fixed_dictionaries(
    {"sku": st.text(min_size=1, max_size=128), "quantity": st.integers(1)},
    optional={"cancelled_by": st.sampled_from(("buyer", "seller", "amazon", None))},
)
written_times = st.from_regex(re.compile(RFC_3339, re.ASCII), fullmatch=True)


@st.composite
def events(draw: st.DrawFn, topic: str) -> Value:
    """A valid event of the topic, in all its fields or some."""
    value = {}
    for name, about in PROPERTIES[topic].items():
        if name in REQUIRED[topic] or draw(st.booleans()):
            value[name] = draw(fitting(about))
    return value


def fitting(about: Mapping[str, Any]) -> st.SearchStrategy[Any]:
    """What the schema of one field takes."""
    made: dict[str, Callable[[], st.SearchStrategy[Any]]] = {
        "anyOf": lambda: st.one_of([fitting(choice) for choice in about["anyOf"]]),
        "$ref": lambda: items,
        "enum": lambda: st.sampled_from(about["enum"]),
        "pattern": lambda: written_times,
        "maxLength": lambda: st.text(min_size=about.get("minLength", 0), max_size=about["maxLength"]),
        "minimum": lambda: st.integers(about["minimum"], about.get("maximum")),
        "maxItems": lambda: st.lists(fitting(about["items"]), max_size=3),
        "type": lambda: {"boolean": st.booleans(), "null": st.none()}[about["type"]],
    }
    return next(strategy() for keyword, strategy in made.items() if keyword in about)


@st.composite
def changed(draw: st.DrawFn) -> tuple[str, Any]:
    """A topic and an event of it, or of another one, in which up to three fields are changed, dropped or added."""
    topic = draw(topics)
    value = draw(events(draw(st.sampled_from((topic, topic, topic, *INPUT_TOPICS)))))
    for _ in range(draw(st.integers(0, 3))):
        name = draw(st.sampled_from((*PROPERTIES[topic], "Order_id", "x", "")))
        if draw(st.integers(0, 4)) == 0:
            value.pop(name, None)
        else:
            value[name] = draw(st.sampled_from(POOL) | anything)
    return topic, value


# --- Both say the same ------------------------------------------------------------------------------------------------


@given(st.data())
def test_what_the_schema_is_made_for_is_taken_by_both(data: st.DataObject) -> None:
    topic = data.draw(topics)
    assert agree(topic, data.draw(events(topic)))


@given(changed())
def test_of_a_changed_event_both_say_the_same(told: tuple[str, Any]) -> None:
    agree(*told)


@given(topics, anything)
def test_of_any_value_both_say_the_same(topic: str, value: Any) -> None:
    agree(topic, value)


@pytest.mark.parametrize("topic", INPUT_TOPICS)
def test_of_every_value_in_every_field_both_say_the_same(topic: str) -> None:
    fields = [*PROPERTIES[topic], "unknown"]
    taken = [agree(topic, {**EXAMPLES[topic], name: value}) for name, value in product(fields, POOL)]
    assert {True, False} == set(taken)


@pytest.mark.parametrize("topic", INPUT_TOPICS)
def test_a_required_field_is_neither_absent_nor_null_and_an_optional_one_may_be_both(topic: str) -> None:
    for name in PROPERTIES[topic]:
        without = {field: value for field, value in EXAMPLES[topic].items() if field != name}
        optional = name not in REQUIRED[topic]
        assert agree(topic, without) is agree(topic, {**without, name: None}) is optional


# --- Times ------------------------------------------------------------------------------------------------------------


def takes(text: str) -> bool:
    try:
        check_instant(text)
    except ValueError:
        return False
    return True


BY_PATTERN: Final = jsonschema_rs.validator_for({"$schema": DIALECT, "pattern": RFC_3339})


@given(written_times)
def test_every_time_of_the_pattern_is_taken(text: str) -> None:
    assert takes(text)


@given(
    st.sampled_from(TIMES), st.lists(st.tuples(st.integers(0, 40), st.sampled_from("0123456789-:.+TtZz")), max_size=3)
)
@example("2024-02-29T23:59:59.9Z", [])
def test_a_time_is_taken_where_the_pattern_fits_with_or_without_formats(
    text: str, edits: list[tuple[int, str]]
) -> None:
    for place, letter in edits:
        text = text[:place] + letter + text[place + 1 :]
    assert BY_PATTERN.is_valid(text) == takes(text)


def test_the_pattern_knows_the_calendar_of_every_year() -> None:
    fits = re.compile(RFC_3339, re.ASCII).fullmatch
    februaries = product(range(10_000), (2,), (28, 29, 30))
    months = product((0, 1, 2026, 9999), range(14), range(33))
    for year, month, day in (*februaries, *months):
        written = f"{year:04}-{month:02}-{day:02}"
        assert (fits(f"{written}T00:00:00Z") is not None) == is_day(written), written


def test_hour_24_is_refused_by_its_shape_whatever_pythons_parser_takes() -> None:
    # Python 3.14's makes the next midnight of it: the same event would be valid on one worker and not on another.
    assert decoding._is_rfc_3339("2026-11-03T23:00:00+23:24") is not None
    assert decoding._is_rfc_3339("2026-11-03T24:00:00Z") is None
    assert decoding._are_four_times("\n".join(["2026-11-03T24:00:00Z"] * 4)) is None


def is_day(written: str) -> bool:
    try:
        return date.fromisoformat(written).isoformat() == written
    except ValueError:
        return False


# --- What no schema can say -------------------------------------------------------------------------------------------

FEEDBACK: Final = json.dumps(EXAMPLES["feedback"])
ORDER: Final = json.dumps(EXAMPLES["orders"])
OF_EXAMPLE: Final = 1_793_722_805_120
"""The example's event_time in milliseconds."""


def accepted(topic: str, value: bytes | str) -> bool:
    """Whether the schema takes what a usual parser makes of a value."""
    return VALIDATORS[topic].is_valid(json.loads(value))


def test_encoding() -> None:
    for refused in (b"\xef\xbb\xbf" + FEEDBACK.encode(), FEEDBACK.encode("utf-16")):
        assert accepted("feedback", refused)
        assert reason("feedback", refused) in {"not_json", "not_utf8"}
    half = FEEDBACK.replace("Came", "\\ud83d")
    # Parsers make different things of it; many put the replacement character.
    assert accepted("feedback", half.replace("\\ud83d", "\\ufffd"))
    assert reason("feedback", half.encode()) == "not_json"


def test_size() -> None:
    padded = FEEDBACK.ljust(MAX_VALUE_BYTES)
    assert accepted("feedback", padded + " ")
    assert reason("feedback", padded.encode()) is None
    assert reason("feedback", padded.encode() + b" ") == "too_large"
    assert reason("feedback", None) == "no_value"


def test_depth() -> None:
    def nested(levels: int) -> str:
        return f'{FEEDBACK[:-1]}, "unknown": {"[" * levels}{"]" * levels}}}'

    assert accepted("feedback", nested(100))
    assert reason("feedback", nested(100).encode()) is None
    assert reason("feedback", nested(100_000).encode()) == "not_json"


def test_whole_numbers() -> None:
    for topic, value, whole in (("feedback", FEEDBACK, '"rating": 2'), ("orders", ORDER, '"quantity": 2')):
        for written in ("2.0", "2e0", "20e-1"):
            refused = value.replace(whole, whole[:-1] + written)
            assert refused != value
            assert accepted(topic, refused)
            assert reason(topic, refused.encode()) == "invalid_field"


def test_long_numbers() -> None:
    def of_digits(digits: int) -> str:
        return ORDER.replace('"quantity": 2', f'"quantity": {"9" * digits}')

    assert accepted("orders", of_digits(4_300))
    assert reason("orders", of_digits(4_300).encode()) is None
    assert reason("orders", of_digits(4_301).encode()) == "invalid_field"


def test_names() -> None:
    assert accepted("feedback", '{"rating": "none", ' + FEEDBACK[1:])
    assert reason("feedback", ('{"rating": "none", ' + FEEDBACK[1:]).encode()) == "invalid_field"
    last = decode(CONVERTERS["feedback"], b"A2SELLER", ('{"rating": 5, ' + FEEDBACK[1:]).encode(), LATE_ENOUGH)
    assert last == decode(CONVERTERS["feedback"], b"A2SELLER", FEEDBACK.encode(), LATE_ENOUGH)


def test_key() -> None:
    assert accepted("feedback", FEEDBACK)
    assert reason("feedback", FEEDBACK.encode(), b"A1SELLER") == "wrong_key"
    assert reason("feedback", FEEDBACK.encode(), None) == "no_key"


def test_future() -> None:
    day = 24 * 60 * 60 * 1000
    assert accepted("feedback", FEEDBACK)
    assert reason("feedback", FEEDBACK.encode(), at=OF_EXAMPLE - day) is None
    assert reason("feedback", FEEDBACK.encode(), at=OF_EXAMPLE - day - 1) == "from_the_future"


def test_blank() -> None:
    blank = FEEDBACK.replace("03T16", "03 16")
    assert blank != FEEDBACK
    assert not accepted("feedback", blank)
    assert reason("feedback", blank.encode()) is None


SHOWN: Final[dict[str, Callable[[], None]]] = {
    "encoding": test_encoding,
    "size": test_size,
    "depth": test_depth,
    "whole numbers": test_whole_numbers,
    "long numbers": test_long_numbers,
    "names": test_names,
    "key": test_key,
    "future": test_future,
    "blank": test_blank,
}


def test_each_thing_that_no_schema_can_say_is_shown_by_a_test() -> None:
    assert SHOWN.keys() == BEYOND.keys()


# --- What is written --------------------------------------------------------------------------------------------------


@given(strategies.histories(max_size=12))
def test_every_health_change_that_is_written_is_of_the_schema(history: list[tuple[str, Any]]) -> None:
    rules = rules_of()
    accounts = Accounts(rules, EvaluationDays(rules, 0, strategies.DAY.toordinal()))
    for offset, told in enumerate(history):
        event = decoded(told)
        applied = accounts.apply(event)
        if isinstance(applied, Applied):
            for change in health_changes(Cause(told[0], 0, offset, event), applied):
                VALIDATORS[HEALTH_CHANGES].validate(json.loads(change))


def test_health_changes_tell_of_the_figures_and_causes_that_there_are() -> None:
    assert get_args(Figure) == FIGURES
    causes = PROPERTIES_OF_CHANGE["topic"]["enum"]
    assert sorted(causes) == sorted(("orders", "feedback", "claim-statuses", "chargebacks", SETTINGS))
    assert set(EXAMPLES[HEALTH_CHANGES]) == set(PROPERTIES_OF_CHANGE)


PROPERTIES_OF_CHANGE: Final = schema(HEALTH_CHANGES)["properties"]


@pytest.mark.parametrize("why", REASONS)
@pytest.mark.parametrize("put_back", [True, False])
def test_the_headers_of_every_dead_letter_are_of_the_schema(why: str, put_back: bool) -> None:
    headers = ((REQUEUED_FROM, b"3/17"), ("trace", b"\xff")) if put_back else ()
    record = ConsumerRecord("feedback", 2, 1_207, 0, 0, None, None, None, 0, 0, headers)
    letter = DeadLetter("feedback", record, Malformed(why, "x" * 600))
    told = {name: text.decode() for name, text in letter.headers}
    VALIDATORS[dead_letters("feedback")].validate(told)
    assert told.keys() <= schema(dead_letters("feedback"))["properties"].keys()


# --- The schemas themselves -------------------------------------------------------------------------------------------


def parts(node: Any) -> list[dict[str, Any]]:
    """Every object in a schema."""
    if isinstance(node, list):
        return [part for one in node for part in parts(one)]
    return [node, *(part for one in node.values() for part in parts(one))] if isinstance(node, dict) else []


@pytest.mark.parametrize("topic", RECORDS)
def test_a_schema_is_valid_complete_and_tells_what_each_field_means(topic: str) -> None:
    made = schema(topic)
    assert made["$schema"] == DIALECT
    jsonschema_rs.meta.validate(made)
    described = [made, *made.get("$defs", {}).values()]
    for record in described:
        assert record["title"]
        for name, about in {"": record, **record["properties"]}.items():
            assert re.fullmatch(r"[^\s].*[.]", about["description"], re.DOTALL), (topic, name)
            assert "additionalProperties" not in about, "unknown fields are ignored"
    for part in parts(made):
        if "$ref" in part:
            assert part["$ref"].removeprefix("#/$defs/") in made["$defs"]


@pytest.mark.parametrize("topic", EXAMPLES)
def test_an_example_is_of_its_schema(topic: str) -> None:
    assert schema(topic)["examples"] == [EXAMPLES[topic]]
    VALIDATORS[topic].validate(EXAMPLES[topic])
    assert topic == HEALTH_CHANGES or isinstance(decoded((topic, EXAMPLES[topic]), RECORDED), Event)


@pytest.mark.parametrize(
    ("topic", "field", "limits"),
    [
        ("orders", "order_id", {"minLength": 1, "maxLength": 128}),
        ("feedback", "rating", {"minimum": 1, "maximum": 5}),
        ("feedback", "comment", {"maxLength": 4000}),
        ("orders", "items", {"maxItems": 100}),
        ("shipments", "promised_by", {"format": "date-time", "pattern": RFC_3339}),
        ("violations", "severity", {"enum": ["critical", "high", "low", "medium"]}),
    ],
)
def test_a_limit_of_the_contract_is_in_the_schema(topic: str, field: str, limits: dict[str, Any]) -> None:
    about = PROPERTIES[topic][field]
    kept = about["anyOf"][0] if "anyOf" in about else about
    assert limits.items() <= kept.items()
    assert "anyOf" not in about or about["anyOf"][1] == {"type": "null"}


# --- The command ------------------------------------------------------------------------------------------------------


def printed(*words: str) -> str:
    ran = CliRunner().invoke(main, ["schema", *words])
    assert ran.exit_code == 0, ran.output
    return ran.stdout


def test_the_command_prints_one_schema_or_all_of_them_by_topic() -> None:
    assert json.loads(printed()) == {topic: schema(topic) for topic in RECORDS}
    for topic in RECORDS:
        assert json.loads(printed(topic)) == schema(topic)


def test_the_help_tells_what_no_schema_can_say() -> None:
    told = " ".join(printed("--help").split())
    for beyond in BEYOND.values():
        assert beyond[1:] in told


@pytest.mark.parametrize("words", [["order"], ["orders", "--asyncapi"]])
def test_what_there_is_no_schema_of_is_told_in_one_line(words: list[str]) -> None:
    ran = CliRunner().invoke(main, ["schema", *words])
    assert ran.exit_code == 1
    assert re.fullmatch(r"odr: .*\n", ran.stderr)
