"""Foreign text on our own lines: no line is forged, no terminal steered, and a secret stays where it is."""

import io
import logging

import pytest
from aiohttp.http_exceptions import BadHttpMessage
from hypothesis import given
from hypothesis import strategies as st

from stream.lines import one_line, own_lines
from stream.worker.logs import OneLine, told_in_one_line
from tests.logs import worker_log

FORGED = "S\n2026-11-03 00:00:00,000 ERROR the disk is full\x1b[2J\x1b]0;title\x07\r\u2028\x85\u202eTXT"
ANY_TEXT = st.text(st.characters())  # half surrogates too, as file names have them


@given(ANY_TEXT)
def test_a_line_is_one_and_holds_nothing_that_cannot_be_seen(text: str) -> None:
    line = one_line(text)
    assert line.isprintable()
    assert len(line.splitlines()) <= 1
    line.encode()


@given(st.text(st.characters(exclude_categories=("C", "Z")) | st.just(" ")))
def test_what_can_be_seen_stays_as_it_is(text: str) -> None:
    assert one_line(text) == text


def test_hidden_characters_are_told_as_python_writes_them() -> None:
    assert one_line("a\nb\x1b[31m\u202e\udcff\u2028\xa0") == r"a\nb\x1b[31m\u202e\udcff\u2028\xa0"


@given(ANY_TEXT)
def test_own_lines_are_those_of_the_text_and_nothing_else(text: str) -> None:
    assert own_lines(text).split("\n") == [one_line(line) for line in text.split("\n")]


# --- A worker's log ---------------------------------------------------------------------------------------------------


def written(message: str, *arguments: object, surprise: BaseException | None = None) -> str:
    """What the log says of one record, its time cut off."""
    told = io.StringIO()
    handler = logging.StreamHandler(told)
    handler.setFormatter(OneLine("%(levelname)s %(message)s"))
    handler.handle(logging.LogRecord("stream", logging.ERROR, "", 1, message, arguments, _info(surprise)))
    return told.getvalue()


def _info(surprise: BaseException | None) -> tuple[type[BaseException], BaseException, None] | None:
    return None if surprise is None else (type(surprise), surprise, None)


@given(ANY_TEXT)
def test_a_record_is_one_line_whatever_it_tells_of(text: str) -> None:
    line = written("seller %s", text)
    assert line == f"ERROR seller {one_line(text)}\n"


@given(ANY_TEXT)
def test_an_exceptions_text_begins_no_line(text: str) -> None:
    first, *trace = written("surprise", surprise=ValueError(text)).removesuffix("\n").split("\n")
    assert first == "ERROR surprise"
    assert trace
    assert all(line.startswith("    ") and line.isprintable() for line in trace)


def test_a_surprise_is_told_in_one_line_with_its_place() -> None:
    try:
        raise ValueError(FORGED)
    except ValueError as surprise:
        told = told_in_one_line(surprise)
    assert one_line(told).startswith("ValueError('S\\n2026-11-03")
    assert f"{__file__}:" in told
    assert told_in_one_line(ValueError("raised by nobody")) == "ValueError('raised by nobody')"


def test_a_request_that_is_no_http_is_told_without_its_text() -> None:
    # aiohttp logs a traceback of ten lines with the line that it can't read: a token with a wrong byte behind it was
    # in the log for everybody to see, and anybody who reaches the port could fill the disk.
    problem = BadHttpMessage("Invalid header value char:\n\n  b'Authorization: Bearer s3cret\\x01'")
    with worker_log() as told:
        logging.getLogger("aiohttp.server").error("Error handling request from %s", "10.0.0.9", exc_info=problem)
    assert told.getvalue().endswith(" ERROR Error handling request from 10.0.0.9: BadHttpMessage\n")
    assert told.getvalue().count("\n") == 1


@pytest.mark.parametrize(("level", "own", "client"), [("quiet", 30, 51), ("usual", 20, 51), ("verbose", 20, 20)])
def test_no_level_shows_what_the_kafka_client_sends(level: str, own: int, client: int) -> None:
    # At DEBUG it logs every request, among them the login with its password.
    with worker_log(level):
        assert logging.getLogger().level == own
        assert logging.getLogger("aiokafka").level == client > logging.DEBUG
