"""Records as lines: every record there can be comes back as it was."""

import base64
import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stream.tools.lines import Record, read_line, write_line
from stream.topics import INPUT_TOPICS

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
).map(lambda value: json.dumps(value, ensure_ascii=False).encode(errors="surrogatepass"))


@given(
    st.sampled_from(INPUT_TOPICS),
    st.none() | st.binary() | st.text().map(str.encode),
    st.none() | st.binary() | JSON_VALUES,
    st.none() | st.integers(0, 100),
)
@example("orders", b"S", b"null", None)
@example("orders", b"S", b"", None)
@example("orders", b"", b' {"a": 1}', 3)
@example("orders", b"S", b'{"a":\n1}', None)
@example("orders", b"\xff", b'{"a":"\xff"}', None)
@example("orders", b"S", b"[" * 100_000, None)
@example("orders", b"S", b'{"a":"\xed\xa0\x80"}', None)
def test_any_record_comes_back_from_its_line(
    topic: str, key: bytes | None, value: bytes | None, partition: int | None
) -> None:
    record = Record(topic, key, value, partition)
    line = write_line(record)
    assert b"\n" not in line
    json.loads(line)  # for everybody else's tools too
    assert read_line(line) == record


def test_a_valid_event_stands_in_its_line_as_its_bytes_are() -> None:
    value = b'{"event_id": "e1",  "rating":1}'
    assert write_line(Record("feedback", b"S", value)) == b'{"topic":"feedback","key":"S","value":' + value + b"}"


def test_what_is_no_json_is_told_in_base64() -> None:
    line = json.loads(write_line(Record("orders", b"\xff", b"\xfe", 2)))
    encoded = {"key_base64": base64.b64encode(b"\xff").decode(), "value_base64": base64.b64encode(b"\xfe").decode()}
    assert line == {"topic": "orders", "partition": 2, **encoded}


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (b"not json", "malformed"),
        (b"\xff", "malformed"),
        (b"[]", "Expected `object`"),
        (b'{"topic":"orders","key":"S"}', "missing required field `value`"),
        (b'{"topic":"nowhere","key":"S","value":{}}', "no known topic: 'nowhere'; known are orders, "),
        (b'{"topic":"orders","key":1,"value":{}}', "Expected `str | null`"),
        (b'{"topic":"orders","value_base64":"?"}', "base64"),
        (b'{"topic":"orders","value":{},"partition":-1}', "partition accepts a whole number from 0"),
        (b'{"topic":"orders","value":{"a":' + b"[" * 100_000, "recursion"),
    ],
)
def test_a_line_that_cant_be_used_says_why(line: bytes, says: str) -> None:
    read = read_line(line)
    assert isinstance(read, str)
    assert says in read
