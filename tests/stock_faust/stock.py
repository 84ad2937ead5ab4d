"""Stock Faust, and how its tables are read: from a page of the job."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from datetime import date
from itertools import chain
from pathlib import Path
from typing import Any, Literal

import orjson

from tests.broker.harness import DAY, Cluster, Worker
from tests.recount import WINDOWS, Counts, DayKey, InputEvent, groups, recount, window_counts
from tests.stock_faust.contender import Contender, Reading, repeated

ROOT = Path(__file__).parents[2]


class FaustWorker(Worker):
    """One process of stock Faust, by Faust's own command."""

    command = ("-m", "faust", "-A", "tests.stock_faust.job", "worker", "--loglevel", "warn")


class StockFaust(Contender):
    """Faust with its own consumer and tables."""

    def __init__(self, guarantee: Literal["at_least_once", "exactly_once"]) -> None:
        self.title = f"stock Faust, {guarantee}"
        self.prefix = guarantee
        self._guarantee = guarantee

    def worker(self, cluster: Cluster, name: str) -> Worker:
        return FaustWorker(cluster, name, {"PROCESSING_GUARANTEE": self._guarantee, "PYTHONPATH": str(ROOT)})

    def progress(self, worker: Worker) -> int:
        tables = tables_of(worker)
        return 0 if tables is None else sum(map(len, tables["applied"].values()))

    def reading(self, survivor: Worker, events: Collection[InputEvent]) -> Reading | None:
        """Return what the tables show."""
        tables = tables_of(survivor)
        return None if tables is None else reading_of(tables, events)


def reading_of(tables: Mapping[str, Any], events: Collection[InputEvent]) -> Reading:
    """Return what the tables have made of the events.

    Each order keeps the place of every record that was applied to it, and each seller has that many events: the sum of
    a table that adds one for each.
    """
    applied: Mapping[str, list[str]] = tables["applied"]
    times = Counter(chain.from_iterable(applied.values()))
    sums = Counter({seller: len(places) for seller, places in applied.items()})
    sent = Counter(value["seller_id"] for _, value in events)
    return Reading(
        lost=len(events) - len(times),
        repeated=repeated(times),
        wrong_figures=wrong_windows(dict(days_in(tables["days"])), recount(events)),
        wrong_sums=sum(sums[seller] != sent[seller] for seller in sent | sums),
    )


def tables_of(worker: Worker) -> dict[str, Any] | None:
    """Return the answer of the job's page, or None where there is none."""
    status, body, _ = worker.get("/tables")
    return orjson.loads(body) if status == 200 else None


def days_in(table: Mapping[str, list[int]]) -> Iterator[tuple[DayKey, Counts]]:
    """Yield the days of Faust's table as the recount has them."""
    for key, figures in table.items():
        seller, marketplace, channel, day = key.split("/")
        yield (seller, marketplace, channel, date.fromordinal(int(day))), Counts(*figures)


def wrong_windows(shown: Mapping[DayKey, Counts], expected: Mapping[DayKey, Counts]) -> int:
    """Return how many sellers have a window whose counts are not the recount's."""
    wrong = {
        group[0]
        for group in {*groups(shown), *groups(expected)}
        for window in WINDOWS
        if window_counts(shown, *group, DAY, window) != window_counts(expected, *group, DAY, window)
    }
    return len(wrong)
