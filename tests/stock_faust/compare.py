"""`make faust`: what stock Faust's tables make of the same events, when one worker joins and one leaves.

Exits with 0 if our worker was exact in every run. What Faust did is told, never judged: it differs from run to run.
"""

import logging
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from stream.tools.kafka import Broker, BrokerError
from stream.tools.simulate import Record
from tests.broker.harness import Cluster
from tests.stock_faust.contender import Contender
from tests.stock_faust.load import simulated
from tests.stock_faust.ours import OdrWorker
from tests.stock_faust.stock import StockFaust
from tests.stock_faust.takeover import Outcome, take_over

CONTENDERS: Sequence[Contender] = (StockFaust("at_least_once"), StockFaust("exactly_once"), OdrWorker())
PATIENCE_SECONDS = 180  # what is merely not read yet, on a busy machine, is not lost

Outcomes = Mapping[str, Sequence[Outcome]]
Value = Callable[[Outcome], int | None]


def shown(name: str) -> Value:
    """Return what takes one value of a reading out of an outcome."""
    return lambda outcome: None if outcome.reading is None else getattr(outcome.reading, name)


ROWS: Mapping[str, Value] = {
    "events sent": lambda outcome: outcome.sent,
    "events without effect": shown("lost"),
    "events applied more than once": shown("repeated"),
    "sellers with wrong sums": shown("wrong_sums"),
    "sellers with wrong figures": shown("wrong_figures"),
    "events not committed": lambda outcome: outcome.uncommitted,
    "workers that crashed": lambda outcome: outcome.failures,
}


def table(found: Outcomes) -> Table:
    """Return the table of all runs: a column for each contender, from the least to the greatest value."""
    columns = Table("", *found)
    for row, value in ROWS.items():
        columns.add_row(row, *(cell([value(outcome) for outcome in runs]) for runs in found.values()))
    return columns


def cell(values: Sequence[int | None]) -> str:
    """Return the least and the greatest value, and in how many runs there was no answer."""
    known = sorted(value for value in values if value is not None)
    told = [" to ".join(f"{value:,}" for value in sorted({known[0], known[-1]}))] if known else []
    if len(known) < len(values):
        told.append(f"no answer in {len(values) - len(known)} of {len(values)}")
    return ", ".join(told)


def one_run(
    broker: Broker, directory: Path, records: Sequence[Record], rate: int, contenders: Sequence[Contender] = CONTENDERS
) -> Iterator[tuple[str, Outcome]]:
    """Yield what became of the same events with each contender, one after the other, on topics of its own."""
    for contender in contenders:
        cluster = Cluster(broker.bootstrap, f"{directory.name}.{contender.prefix}.", directory / contender.prefix)
        cluster.directory.mkdir(parents=True)
        yield contender.title, take_over(contender, cluster, records, rate, PATIENCE_SECONDS)


def all_runs(directory: Path, runs: int, events: int, rate: int) -> Outcomes:
    """Return every outcome of every contender, by its title; each is told as it comes."""
    found: dict[str, list[Outcome]] = {contender.title: [] for contender in CONTENDERS}
    records = simulated(events)
    with Broker(directory / "kafka") as broker:
        for run in range(1, runs + 1):
            for title, outcome in one_run(broker, directory / f"run-{run}", records, rate):
                found[title].append(outcome)
                click.echo(f"run {run} of {runs}, {title}: {outcome}", err=True)
    return found


@click.command()
@click.option("--events", type=click.IntRange(1_000), default=20_000, show_default=True)
@click.option("--rate", type=click.IntRange(100), default=1_000, show_default=True, help="Events a second.")
@click.option("--runs", type=click.IntRange(1), default=1, show_default=True)
def main(events: int, rate: int, runs: int) -> None:
    """Send the same events through stock Faust and `odr worker`, and print what became of them."""
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # every worker is killed on the way out
    with tempfile.TemporaryDirectory() as directory:
        try:
            found = all_runs(Path(directory), runs, events, rate)
        except BrokerError as problem:
            raise click.ClickException(str(problem)) from None
    Console().print(table(found))
    if not all(outcome.exact for outcome in found[OdrWorker.title]):
        raise click.ClickException("odr worker was not exact")


if __name__ == "__main__":
    main()
