"""Dead letters: which ones are selected, which are put back, and how they are told."""

import base64
import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from stream.cli import main
from stream.decode import REASONS
from stream.tools.letters.ledger import LEFT_ALONE, Bound, Ledger, Target, requeued_from
from stream.tools.letters.letter import Letter, Place, Spot, digest, read_seller, read_spot
from stream.tools.letters.reading import Span
from stream.tools.letters.rendering import Summary, as_json, line, shown, table, whole
from stream.tools.letters.requeue import behind
from stream.tools.letters.selection import Selection, moment, place
from stream.topics import INPUT_TOPICS, REQUEUED_FROM

NOON_MS = 1_764_072_000_000  # 2025-11-25T12:00:00Z
BYTES = st.none() | st.binary(max_size=20)
ROOM = Target(partitions=4, room_bytes=1_000_000)


def letter(
    topic: str = "orders",
    *,
    spot: tuple[int, int] = (1, 7),
    at: int = NOON_MS,
    key: bytes | None = b"S",
    value: bytes | None = b"x",
    **headers: str | None,
) -> Letter:
    """A letter as a worker writes it; a header that is None is left out."""
    usual = {"reason": "not_json", "detail": "", "source_partition": "1", "source_offset": "3"}
    told = tuple(
        (name.replace("_", "-"), text.encode()) for name, text in (usual | headers).items() if text is not None
    )
    return Letter(Place(topic, Spot(*spot)), at, key, value, told)


# --- Selection --------------------------------------------------------------------------------------------------------


def test_without_flags_every_letter_is_selected() -> None:
    for topic in INPUT_TOPICS:
        assert Selection().holds(letter(topic, reason=None))


def test_letters_are_selected_by_topic_and_reason() -> None:
    selection = Selection(("orders", "feedback"), frozenset({"no_key", "not_json"}))
    assert selection.holds(letter("feedback", reason="no_key"))
    assert not selection.holds(letter("chargebacks", reason="no_key"))
    assert not selection.holds(letter("orders", reason="too_large"))


def test_since_is_the_first_moment_and_until_the_first_that_is_not_meant() -> None:
    #  since          until
    #  [12:00:00.000  12:00:00.002)
    selection = Selection(since=moment("2025-11-25T12:00:00Z"), until=moment("2025-11-25T13:00:00.002+01:00"))
    selected = [at for at in range(-2, 5) if selection.holds(letter(at=NOON_MS + at))]
    assert selected == [0, 1]


def test_a_day_is_its_beginning_in_utc() -> None:
    assert moment("2025-11-25") == moment("2025-11-25T00:00:00Z") == (NOON_MS - 12 * 3_600_000) * 1_000


@pytest.mark.parametrize("text", ["", "now", "2025-11-25T12:00:00", "2025-02-30", "25.11.2025", "2025-11-25T"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        moment(text)


@pytest.mark.parametrize(
    ("key", "value", "of"),
    [
        (b"S", b"not json", {"S"}),
        (b"S", None, {"S"}),
        (None, b'{"seller_id": "S"}', {"S"}),
        (None, b"not json", set()),
        (None, None, set()),
        (b"T", b'{"seller_id": "S"}', {"S", "T"}),
        (b"\xff", b'{"seller_id": "S"}', {"S"}),
        ("Ä".encode(), b"[]", {"Ä"}),
    ],
)
def test_a_seller_has_the_letters_of_its_key_and_those_whose_value_names_it(
    key: bytes | None, value: bytes | None, of: set[str]
) -> None:
    found = {seller for seller in ("S", "T", "Ä", "") if Selection(seller=seller).holds(letter(key=key, value=value))}
    assert found == of


@pytest.mark.parametrize(
    ("value", "seller"),
    [
        (b'{"event_id": 3, "seller_id": "S"}', "S"),
        (b'{"nested": {"seller_id": "T"}, "seller_id": "S"}', "S"),
        (b'{"nested": {"seller_id": "T"}}', None),
        (b'{"seller_id": 5}', None),
        (b'["seller_id"]', None),
        (b'{"seller_id": "S", "rating": ', "S"),
        (b'\xef\xbb\xbf{"seller_id" : "S"}', "S"),
        (b'{"seller_id": "a\\"\\u00e9", ', 'a"é'),
        (b'{"seller_id": "\xff", ', "\\xff"),
        (b'{"seller_id": "\\ud800", ', "\\ud800"),
        (b'{"seller_id": "S', None),
        (b'{"seller_id": "S", "x": ' + b"[" * 100_000, "S"),
        (b"", None),
    ],
)
def test_a_seller_is_read_from_whole_and_from_broken_json(value: bytes, seller: str | None) -> None:
    assert read_seller(value) == seller


@given(st.binary(max_size=40))
def test_reading_a_seller_never_fails(junk: bytes) -> None:
    read_seller(junk)
    read_seller(b'{"seller_id": "' + junk + b'", ')


def test_a_place_is_read_as_it_is_written() -> None:
    assert place("claim-statuses/3/17") == Place("claim-statuses", Spot(3, 17))
    assert str(place("claim-statuses/3/17")) == "claim-statuses/3/17"


@pytest.mark.parametrize("text", ["", "orders", "orders/1", "orders/1/x", "orders/-1/2", "orders/1/2/3", "nowhere/1/2"])
def test_what_is_no_place_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="TOPIC/PARTITION/OFFSET"):
        place(text)


# --- What is put back -------------------------------------------------------------------------------------------------


def ledger_of(*letters: Letter, again: bool = False, target: Target = ROOM) -> Ledger:
    ledger = Ledger(target, again=again)
    for each in letters:
        ledger.note(each, selected=True)
    return ledger


def back(ledger: Ledger, told: Letter) -> None:
    """Let the ledger see in the input topic what putting this letter back leaves there."""
    ledger.note_back([("requeued-from", requeued_from(told))], told.key, told.value)


def test_a_letter_is_put_back_once() -> None:
    told = letter()
    ledger = ledger_of(told)
    assert ledger.why_left_alone(told) is None
    ledger.put_back(told)
    assert ledger.why_left_alone(told) == "back"


def test_a_letter_that_the_input_topic_has_back_is_left_alone() -> None:
    told, other = letter(spot=(1, 7)), letter(spot=(1, 8), source_offset="4")
    ledger = ledger_of(told, other)
    back(ledger, told)
    assert ledger.why_left_alone(told) == "back"
    assert ledger.why_left_alone(other) is None


def test_letters_of_one_record_are_put_back_once() -> None:
    """Each group that reads a topic writes a letter of its own about the same record."""
    first, second = letter(spot=(1, 7)), letter(spot=(1, 8))
    ledger = Ledger(ROOM, again=False)
    ledger.note(first, selected=False)
    ledger.note(second, selected=True)
    back(ledger, first)
    assert ledger.why_left_alone(second) == "back"


@pytest.mark.parametrize("change", [{"value": b"y"}, {"key": None}, {"value": None}])
def test_a_record_with_other_bytes_is_not_the_letters(change: dict[str, Any]) -> None:
    told = letter()
    ledger = ledger_of(told)
    back(ledger, letter(**change))
    assert ledger.why_left_alone(told) is None


@pytest.mark.parametrize("header", [None, b"", b"7", b"1/x", b"x/7", b"9/9", b"1/7/1", b"\xff", b"1/" + b"7" * 50])
def test_a_header_that_names_no_letter_says_nothing(header: bytes | None) -> None:
    told = letter()
    ledger = ledger_of(told)
    ledger.note_back([("requeued-from", header), ("other", b"1/7")], told.key, told.value)
    assert ledger.why_left_alone(told) is None


def test_a_record_that_was_malformed_again_is_put_back_only_when_asked_again() -> None:
    told = letter(requeued_from="1/3")
    assert ledger_of(told).why_left_alone(told) == "again_malformed"
    again = ledger_of(told, again=True)
    assert again.why_left_alone(told) is None
    back(again, told)
    assert again.why_left_alone(told) == "back"


@pytest.mark.parametrize("partition", [None, "", "4", "-1", "1.0", " 1", "٣", "9" * 30])
def test_a_letter_without_a_partition_of_the_topic_is_left_alone(partition: str | None) -> None:
    told = letter(source_partition=partition)
    ledger = ledger_of(told)
    assert ledger.why_left_alone(told) == "no_partition"
    assert ledger.bounds == {}


def test_a_letter_without_its_offset_is_put_back() -> None:
    told = letter(source_offset=None)
    ledger = ledger_of(told)
    assert ledger.why_left_alone(told) is None
    assert ledger.bounds == {1: Bound(0, NOON_MS)}


def test_a_record_for_which_the_topic_has_no_room_is_left_alone() -> None:
    target = Target(partitions=4, room_bytes=1_000)
    small, large = letter(value=b"x" * 800), letter(value=b"x" * 990)
    assert ledger_of(small, target=target).why_left_alone(small) is None
    assert ledger_of(large, target=target).why_left_alone(large) == "no_room"


def test_a_null_and_an_empty_value_are_two_records() -> None:
    assert len({digest(None, None), digest(b"", None), digest(None, b""), digest(b"", b""), digest(b"nu", b"ll")}) == 5


def test_what_was_put_back_is_looked_for_behind_the_earliest_record_and_time() -> None:
    told = [("9", 50), ("5", 60), ("7", 40)]
    ledger = ledger_of(*(letter(source_offset=offset, at=at, spot=(1, at)) for offset, at in told))
    assert ledger.bounds == {1: Bound(6, 40)}
    assert behind(Bound(6, 50), Span(0, 100), 40) == Span(6, 100)
    assert behind(Bound(60, 50), Span(0, 100), 40) == Span(40, 100)
    assert behind(Bound(6, 50), Span(0, 100), None) == Span(6, 100)
    assert behind(Bound(6, 50), Span(10, 100), None) == Span(10, 100)
    assert behind(Bound(600, 50), Span(0, 100), None) == Span(100, 100)


@dataclass
class InputTopic:
    """One partition of an input topic in memory: timestamps, headers, key and value."""

    records: list[tuple[int, list[tuple[str, bytes | None]], bytes | None, bytes | None]] = field(default_factory=list)

    def requeue(self, letters: list[Letter], *, at: int, killed_after: int | None, selected: set[int]) -> None:
        ledger = Ledger(Target(1, 1_000), again=False)
        for number, each in enumerate(letters):
            ledger.note(each, selected=number in selected)
        for bound in ledger.bounds.values():
            times = (number for number, record in enumerate(self.records) if record[0] >= bound.timestamp_ms)
            span = behind(bound, Span(0, len(self.records)), next(times, None))
            for _, headers, key, value in self.records[span.start : span.end]:
                ledger.note_back(headers, key, value)
        for number in sorted(selected):
            if killed_after is not None and killed_after <= 0:
                return
            if ledger.why_left_alone(letters[number]) is None:
                ledger.put_back(letters[number])
                header = requeued_from(letters[number])
                self.records.append((at, [("requeued-from", header)], letters[number].key, letters[number].value))
                killed_after = None if killed_after is None else killed_after - 1


@given(st.data())
def test_however_often_it_runs_and_is_killed_each_record_is_back_once(data: st.DataObject) -> None:
    topic = InputTopic()
    sources = data.draw(st.lists(st.tuples(BYTES, BYTES), min_size=1, max_size=8))
    # Clocks may say anything where the letter has its record's offset; where that is none of the topic, they are right.
    topic.records = [(data.draw(st.integers(0, 200)), [], key, value) for key, value in sources]
    numbers = data.draw(st.lists(st.integers(0, len(sources) - 1), max_size=12))
    letters = []
    for spot, number in enumerate(numbers):
        told = data.draw(st.sampled_from([str(number), None, "10000"]))
        at = data.draw(st.integers(0, 100 if told == "10000" else 300))
        key, value = sources[number]
        letters.append(letter(spot=(0, spot), at=at, key=key, value=value, source_partition="0", source_offset=told))
    for at in range(100, 100 + data.draw(st.integers(0, 4))):
        chosen = data.draw(st.sets(st.sampled_from(range(len(letters))))) if letters else set()
        topic.requeue(letters, at=at, killed_after=data.draw(st.integers(0, 5)), selected=chosen)
    for at in (200, 201):
        topic.requeue(letters, at=at, killed_after=None, selected=set(range(len(letters))))
    put_back = Counter((key, value) for _, headers, key, value in topic.records if headers)
    origins = {each.origin: (each.key, each.value) for each in letters}
    assert put_back == Counter(origins.values())


# --- How letters are told ---------------------------------------------------------------------------------------------

HOSTILE = "\x1b]0;owned\x07\x1b[31m[red]evil[/red]\r\n\x9b2J\u202e\u2028\x00\x7f"


@given(st.text() | st.binary())
def test_what_is_shown_is_one_line_that_no_terminal_takes_for_a_command(told: str | bytes) -> None:
    assert shown(told).isprintable()


def test_what_can_be_shown_is_shown_as_it_is() -> None:
    assert shown('{"comment": "schön \\n 😀 [bold]"}') == '{"comment": "schön \\n 😀 [bold]"}'
    assert shown(b"\xff\n\xc3\xa9") == "\\xff\\né"
    assert (shown(None), shown(b"")) == ("(null)", "")


@pytest.mark.parametrize("where", ["key", "value", "detail", "reason"])
def test_a_hostile_letter_is_told_on_its_own_lines(where: str) -> None:
    told = letter(**{where: HOSTILE.encode() if where in {"key", "value"} else HOSTILE})  # type: ignore[arg-type]
    for text in (line(told), *whole(told), as_json(told, whole=True)):
        assert text.isprintable(), repr(text)
    assert as_json(told, whole=True).isascii()


def test_a_letters_line_has_place_time_seller_reason_and_detail() -> None:
    told = line(letter(key=b"A2SELLER", reason="wrong_key", detail="the event's seller_id is 'S'"))
    assert told.split(maxsplit=5) == [
        "orders/1/7",
        "2025-11-25",
        "12:00:00",
        "A2SELLER",
        "wrong_key",
        "the event's seller_id is 'S'",
    ]
    assert line(letter(key=None, value=b'{"seller_id": "S"}')).split()[3] == "S"


def test_a_whole_letter_has_every_header_the_key_and_the_value() -> None:
    told = "\n".join(whole(letter(key=None, value=b'{"a": 1}', reason="no_key", requeued_from="0/4")))
    assert told == (
        "orders/1/7\n"
        "  written  2025-11-25 12:00:00 UTC\n"
        "  header   reason: no_key\n"
        "  header   detail: \n"
        "  header   source-partition: 1\n"
        "  header   source-offset: 3\n"
        "  header   requeued-from: 0/4\n"
        "  key      (null)\n"
        '  value    [8 B] {"a": 1}'
    )


@given(BYTES, BYTES, st.lists(st.tuples(st.text(max_size=5), BYTES), max_size=3))
def test_json_has_every_byte(key: bytes | None, value: bytes | None, headers: list[tuple[str, bytes | None]]) -> None:
    def read(told: dict[str, Any], name: str) -> bytes | None:
        if f"{name}_base64" in told:
            return base64.b64decode(told[f"{name}_base64"])
        return None if told[name] is None else str(told[name]).encode()

    told = json.loads(as_json(Letter(Place("orders", Spot(0, 1)), 5, key, value, tuple(headers)), whole=True))
    assert (read(told, "key"), read(told, "value")) == (key, value)
    assert [(header["name"], read(header, "value")) for header in told["headers"]] == headers


def test_json_tells_when_why_and_from_where() -> None:
    told = json.loads(as_json(letter(reason="no_key", key=None, value=b'{"seller_id": "S"}', detail="d"), whole=False))
    assert told == {
        "topic": "orders",
        "partition": 1,
        "offset": 7,
        "timestamp": "2025-11-25T12:00:00Z",
        "reason": "no_key",
        "detail": "d",
        "source_partition": 1,
        "source_offset": 3,
        "requeued": False,
        "seller_id": "S",
        "key": None,
    }


@pytest.mark.parametrize("at", [-(2**63), -1, 0, 2**63 - 1])
def test_any_timestamp_can_be_told(at: int) -> None:
    assert line(letter(at=at))
    assert as_json(letter(at=at), whole=False)


def drawn(*letters: Letter) -> list[str]:
    summary = Summary()
    for each in letters:
        summary.add(each)
    console = Console(width=80)
    with console.capture() as written:
        console.print(table(summary))
    return written.get().splitlines()


def test_the_summary_counts_by_topic_and_reason_with_the_oldest_and_the_newest() -> None:
    day = 86_400_000
    lines = drawn(letter("feedback"), *(letter(reason="from_the_future", at=NOON_MS + at * day) for at in (2, 0, 1)))
    assert [each.split() for each in lines[1:]] == [
        ["orders", "from_the_future", "3", "2025-11-25", "12:00", "2025-11-27", "12:00"],
        ["feedback", "not_json", "1", "2025-11-25", "12:00", "2025-11-25", "12:00"],
    ]


def test_every_documented_reason_fits_into_80_columns() -> None:
    lines = drawn(*(letter("claim-statuses", reason=reason) for reason in REASONS))
    assert [row.split()[1] for row in lines[1:]] == sorted(REASONS)


def test_markup_in_a_reason_is_text() -> None:
    lines = drawn(letter(reason="[red]\x1b[31m"))
    assert lines[1].split()[1] == "[red]\\x1b[31m"


# --- The command line -------------------------------------------------------------------------------------------------


def refused(*arguments: str) -> str:
    """What the program says of these arguments, which is one line."""
    ended = CliRunner().invoke(main, ["dead-letters", *arguments])
    assert ended.exit_code == 1, ended.output
    assert ended.output.count("\n") == 1, ended.output
    return ended.output


@pytest.mark.parametrize("command", ["list", "show", "requeue"])
@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (["--reason", "bad"], "from_the_future"),
        (["--topic", "bad"], "claim-statuses"),
        (["--since", "yesterday"], "YYYY-MM-DD"),
        (["--until", "2025-11-25T12:00:00"], "RFC 3339"),
        (["--bad"], "--bad"),
        (["--seller"], "--seller"),
    ],
)
def test_a_wrong_flag_is_one_line_that_says_what_is_accepted(command: str, flags: list[str], told: str) -> None:
    assert told in refused(command, *flags)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["orders/1"], "TOPIC/PARTITION/OFFSET"),
        (["orders/1/2", "--topic", "orders"], "not both"),
        (["--limit", "0"], "--limit"),
    ],
)
def test_show_says_what_it_accepts(arguments: list[str], told: str) -> None:
    assert told in refused("show", *arguments)


def test_a_command_that_is_none_is_one_line() -> None:
    said = refused("burn")
    assert "No such command 'burn'" in said
    assert "dead-letters --help` tells what it takes" in said


def test_without_a_command_the_help_is_shown() -> None:
    shown_help = CliRunner().invoke(main, ["dead-letters"]).output
    for command in ("list", "show", "requeue"):
        assert f"\n  {command} " in shown_help


def test_the_help_of_requeue_tells_of_the_fresh_timestamp() -> None:
    assert "from_the_future" in CliRunner().invoke(main, ["dead-letters", "requeue", "--help"]).output


def test_every_reason_to_leave_a_letter_alone_is_told_on_one_line() -> None:
    assert all(told.isprintable() for told in LEFT_ALONE.values())


def test_the_contract_names_the_header_that_a_record_gets() -> None:
    contract = Path(__file__).parents[2] / "stream" / "contract.md"
    assert f"`{REQUEUED_FROM}`" in contract.read_text(encoding="utf-8")


def test_a_spot_is_read_as_it_is_written() -> None:
    assert read_spot(requeued_from(letter(spot=(3, 17)))) == Spot(3, 17)
