"""The comparison with stock Faust, in small: it must run, and our worker must be exact in it."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

import orjson
import pytest
from rich.console import Console

from stream.decode import CONVERTERS, decode
from stream.events import Event
from stream.rules import Rules
from stream.tools.kafka import Broker
from stream.tools.simulate import Record
from tests.stock_faust.compare import CONTENDERS, ROWS, one_run, table
from tests.stock_faust.contender import Reading
from tests.stock_faust.load import simulated
from tests.stock_faust.ours import OdrWorker
from tests.stock_faust.stock import StockFaust, reading_of
from tests.stock_faust.tables import TOPICS, apply, nothing, shown
from tests.stock_faust.takeover import Outcome

EXACT = Reading(lost=0, repeated=0, wrong_figures=0, wrong_sums=0)


def printed(found: dict[str, list[Outcome]]) -> str:
    console = Console(width=200)
    with console.capture() as capture:
        console.print(table(found))
    return capture.get()


@cache
def load() -> Sequence[Record]:
    return simulated(20_000)


def reading(applied: Iterable[tuple[int, Record]]) -> Reading:
    """Return what is read of the job's tables when, of the load, these records at their places have been applied."""
    orders: dict[str, bytes] = {}
    days: defaultdict[str, list[int]] = defaultdict(nothing)
    for place, record in applied:
        if record.topic in TOPICS:
            event = decode(
                CONVERTERS[record.topic], record.key, record.value, int(record.arrives_at.timestamp() * 1_000)
            )
            assert isinstance(event, Event)
            apply(orders, days, event, str(place), Rules())
    return reading_of(shown(orders, days), [(record.topic, orjson.loads(record.value)) for record in load()])


def test_stock_faust_that_applies_every_event_once_is_exact() -> None:
    # The load once was of all seven topics, while the job reads four. Whatever stock Faust did, each event of the other
    # three was one that it had lost and not committed, and its seller's sum was wrong.
    assert reading(enumerate(load())) == EXACT


def test_what_stock_faust_leaves_out_or_applies_twice_is_counted() -> None:
    first, *others = enumerate(load())
    assert reading(others) == Reading(lost=1, repeated=0, wrong_figures=0, wrong_sums=1)
    assert reading([first, first, *others]) == Reading(lost=0, repeated=1, wrong_figures=0, wrong_sums=1)


def test_what_is_sent_is_of_all_topics_that_the_job_reads_and_of_no_other() -> None:
    # Nobody commits offsets of what he doesn't read: they are counted of all topics, so the others must be empty.
    assert {record.topic for record in load()} == set(TOPICS)
    assert len(load()) == 20_000


@pytest.mark.broker
def test_a_worker_takes_over_from_another_without_losing_or_doubling_an_event(
    broker: Broker, topic_prefix: str, tmp_path: Path
) -> None:
    contenders = [StockFaust("at_least_once"), OdrWorker()]  # exactly_once is the same code, and takes a minute
    outcomes = dict(one_run(broker, tmp_path / topic_prefix.strip("."), simulated(2_000), 1_000, contenders))
    ours, stock = outcomes[OdrWorker.title], outcomes[contenders[0].title]
    assert ours == Outcome(sent=2_000, reading=EXACT, uncommitted=0, failures=0)
    assert ours.exact
    assert stock.sent == 2_000
    assert stock.reading is not None, "stock Faust runs; what it makes of the events is told, not judged"
    lines = printed({title: [outcome] for title, outcome in outcomes.items()})
    assert all(row in lines for row in ROWS)


def test_ranges_are_told_and_so_is_who_did_not_answer() -> None:
    runs = [Outcome(20_000, Reading(lost, 1_500, 0, 0), 0, 0) for lost in (7, 3)]
    lines = printed({"one": runs, "two": [*runs, Outcome(20_000, None, 20_000, 4)]}).splitlines()
    told = {
        cells[0]: cells[1:] for cells in ([cell.strip() for cell in line.split("│")[1:-1]] for line in lines) if cells
    }
    assert told["events sent"] == ["20,000", "20,000"]
    assert told["events without effect"] == ["3 to 7", "3 to 7, no answer in 1 of 3"]
    assert told["workers that crashed"] == ["0", "0 to 4"]


def test_the_readme_has_a_row_for_everything_that_is_counted() -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    assert [row for row in ROWS if f"\n| {row} | " not in readme] == ["events sent"]  # that one is in the text
    assert "| | " + " | ".join(contender.title for contender in CONTENDERS) + " |" in readme


@pytest.mark.parametrize(
    "outcome",
    [
        Outcome(0, EXACT, 0, 0),
        Outcome(9, None, 0, 0),
        Outcome(9, Reading(1, 0, 0, 0), 0, 0),
        Outcome(9, Reading(0, 1, 0, 0), 0, 0),
        Outcome(9, Reading(0, 0, 1, 0), 0, 0),
        Outcome(9, Reading(0, 0, 0, 1), 0, 0),
        Outcome(9, EXACT, 1, 0),
        Outcome(9, EXACT, 0, 1),
    ],
)
def test_whatever_goes_wrong_is_not_exact(outcome: Outcome) -> None:
    assert not outcome.exact
