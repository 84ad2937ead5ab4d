"""The comparison with stock Faust, in small: it must run, and our worker must be exact in it."""

from pathlib import Path

import pytest
from rich.console import Console

from stream.tools.kafka import Broker
from tests.stock_faust.compare import CONTENDERS, ROWS, one_run, table
from tests.stock_faust.contender import Reading
from tests.stock_faust.load import simulated
from tests.stock_faust.ours import OdrWorker
from tests.stock_faust.stock import StockFaust
from tests.stock_faust.takeover import Outcome

EXACT = Reading(lost=0, repeated=0, wrong_figures=0, wrong_sums=0)


def printed(found: dict[str, list[Outcome]]) -> str:
    console = Console(width=200)
    with console.capture() as capture:
        console.print(table(found))
    return capture.get()


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
