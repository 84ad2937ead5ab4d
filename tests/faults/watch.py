"""Somebody who looks at all workers all the time while faults happen: scrapes their metrics and asks their API.

What no scrape and no answer may ever show is told by pure functions of what was seen:

- a seller that two workers own: one shows it although another, which has had no new assignment since, shows it before
  and after;
- a numerator above its denominator, or a ratio that is not their quotient within one scrape;
- a figure that the worker's own recount contradicts;
- of a *quiet* seller, whose events had all been counted before the first fault, anything but all of its exact figures
  or nothing: so a half-restored seller is seen at once;
- on a question about a quiet seller, anything but its exact figures, a 503 with Retry-After, or no connection.
"""

import json
import re
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date
from itertools import groupby
from typing import NamedTuple

from tests.broker.harness import Worker
from tests.recount import (
    ACCOUNT_GAUGES,
    ALL_GAUGES,
    COUNT_GAUGES,
    RATIO_GAUGES,
    UTC_EVERYWHERE,
    WINDOWS,
    InputEvent,
    Series,
    account_rows,
    all_gauges,
    gauge_differences,
    groups,
    ratio,
    recount,
    window_counts,
)

_FIELDS = ("metric", "marketplace", "channel", "window", "numerator", "denominator")
_LINE = re.compile(r"^((?:seller|process_start|stream_(?:rebalances|audit))_\w+)(?:\{(.*)\})? (\S+)$", re.MULTILINE)
_LABEL = re.compile(r'(\w+)="([^"]*)"')

Shown = dict[Series, float]
"""The series of one seller."""


class Life(NamedTuple):
    """A worker's process between two of its assignments: when it began, and how many it has had."""

    worker: str
    began: float
    assignments: float


class Scrape(NamedTuple):
    """What one page shows: of which life of a worker, the series of each seller, and how many a recount contradicts."""

    life: Life
    sellers: Mapping[str, Shown]
    mismatches: float = 0.0


class Sighting(NamedTuple):
    """The sellers on one page, which was asked for and answered at these moments (monotonic)."""

    life: Life
    asked: float
    answered: float
    sellers: frozenset[str]


def parse(page: str, worker: str) -> Scrape:
    """Return what a page shows; much quicker than a full parser, and only for pages of this program."""
    sellers: defaultdict[str, Shown] = defaultdict(dict)
    own = {}
    for name, labels, value in _LINE.findall(page):
        told = dict(_LABEL.findall(labels))
        if "seller" in told:
            sellers[told["seller"]][name, frozenset(told.items())] = float(value)
        else:
            own[name] = float(value)
    life = Life(worker, own["process_start_time_seconds"], own["stream_rebalances_total"])
    return Scrape(life, sellers, own.get("stream_audit_mismatches", 0.0))


# --- What no scrape may show ------------------------------------------------------------------------------------------


def wrong_shares(scrape: Scrape) -> Iterator[str]:
    """Yield each seller's shares that don't hang together within one scrape."""
    for shown in scrape.sellers.values():
        for (name, labels), value in shown.items():
            if name in RATIO_GAUGES:
                numerator = shown.get((f"seller_{RATIO_GAUGES[name]}", labels), 0.0)
                denominator = shown.get(("seller_orders", labels), 0.0)
                if ratio(int(numerator), int(denominator)) != value:
                    yield f"{scrape.life}: {name}{sorted(labels)} is {value}, not {numerator} / {denominator}"
            elif name in COUNT_GAUGES and value > shown.get(("seller_orders", labels), 0.0):
                yield f"{scrape.life}: {name}{sorted(labels)} is more than all orders"
            elif name in ACCOUNT_GAUGES and name.endswith("_ratio"):
                stem = name.removesuffix("_ratio")
                numerator, denominator = (
                    shown.get((f"{stem}_{of}", labels), 0.0) for of in ("numerator", "denominator")
                )
                if ratio(int(numerator), int(denominator)) != value:
                    yield f"{scrape.life}: {name}{sorted(labels)} is {value}, not {numerator} / {denominator}"


def wrong_quiet_sellers(scrape: Scrape, quiet: Mapping[str, Shown]) -> Iterator[str]:
    """Yield how a quiet seller that is shown at all differs from what it must be."""
    for seller, expected in quiet.items():
        if seller in scrape.sellers:
            for difference in gauge_differences(scrape.sellers[seller], expected, ALL_GAUGES):
                yield f"{scrape.life}: {difference}"


def owned_twice(sightings: Iterable[Sighting]) -> Iterator[str]:
    """Yield each sighting of a seller with one worker while another worker had it.

    A worker has a seller from the first sighting of a life to the last one of it that shows the seller: an assignment
    names what a worker owns until the next. Pages take time: only one that was asked for after that first was
    answered, and answered before that last was asked for, is surely between them.
    """
    known = sorted(sightings)
    for life, own in ((life, list(found)) for life, found in groupby(known, key=lambda sighting: sighting.life)):
        last = {seller: sighting.asked for sighting in own for seller in sighting.sellers}
        for other in known:
            if other.life.worker != life.worker and other.asked > own[0].answered:
                for seller in other.sellers & last.keys():
                    if other.answered < last[seller]:
                        yield f"{seller} is shown by {other.life} while {life} has it"


def contradicted(scrape: Scrape) -> Iterator[str]:
    """Yield that the worker's own recount, in the background, found figures that are wrong."""
    if scrape.mismatches:
        yield f"{scrape.life}: {scrape.mismatches} sellers are not as a recount finds them"


# --- What no answer may be --------------------------------------------------------------------------------------------

Answers = Mapping[str, set[tuple[str, ...]]]
"""By seller, the figures with orders: metric, marketplace, channel, window, numerator, denominator."""

_METRICS = {
    "order_defect": "defective_orders",
    "negative_feedback": "negative_feedback_orders",
    "claim": "claim_orders",
    "chargeback": "chargeback_orders",
}


def answers_of(events: Collection[InputEvent], day: date, zones: Mapping[str, str] = UTC_EVERYWHERE) -> Answers:
    """Return what the API must say of each seller."""
    days = recount(events, zones=zones)
    answers: defaultdict[str, set[tuple[str, ...]]] = defaultdict(set)
    for seller, marketplace, channel in groups(days):
        for window in WINDOWS:
            counts = window_counts(days, seller, marketplace, channel, day, window)
            for metric, figure in _METRICS.items():
                if counts.orders:
                    share = str(getattr(counts, figure)), str(counts.orders)
                    answers[seller].add((metric, marketplace, channel, window, *share))
    for seller in list(answers):
        for row in account_rows(events, seller, day, zones=zones):
            if row["denominator"]:
                answers[seller].add(tuple(str(row[name]) for name in _FIELDS))
    return answers


def wrong_answer(seller: str, status: int, body: bytes, headers: Mapping[str, str], expected: Answers) -> str | None:
    """Return what is wrong with an answer about a quiet seller's health; no connection has the status 0."""
    if status == 0 or (status == 503 and headers.get("Retry-After")):
        return None
    if status != 200:
        return f"asked for {seller}: {status} {body[:200]!r}"
    figures = json.loads(body)["figures"]
    told = {tuple(str(figure[name]) for name in _FIELDS) for figure in figures if figure["denominator"]}
    return None if told == expected[seller] else f"asked for {seller}: wrong are {told ^ expected[seller]}"


# --- Looking all the time ---------------------------------------------------------------------------------------------


class Watch:
    """Looks at workers, each in a thread of its own, from `begin` until `end`, and counts the answers' statuses."""

    def __init__(
        self,
        quiet: Sequence[InputEvent],
        day: date,
        zones: Mapping[str, str] = UTC_EVERYWHERE,
        pause_seconds: float = 0.05,
    ) -> None:
        self.statuses: Counter[int] = Counter()
        self._pause_seconds = pause_seconds
        self._sightings: list[Sighting] = []
        self._problems: list[str] = []
        self._sets: dict[frozenset[str], frozenset[str]] = {}
        self._ended = threading.Event()
        self._threads: list[threading.Thread] = []
        self._answers = answers_of(quiet, day, zones)
        self._shown: defaultdict[str, Shown] = defaultdict(dict)
        for series, value in all_gauges(quiet, day, zones=zones).items():
            self._shown[dict(series[1])["seller"]][series] = value

    def begin(self, worker: Worker) -> None:
        thread = threading.Thread(target=self._look, args=(worker,), name=f"watch {worker.name}", daemon=True)
        self._threads.append(thread)
        thread.start()

    def end(self) -> list[str]:
        """Stop looking; return everything that was wrong."""
        self._ended.set()
        for thread in self._threads:
            thread.join(60)
            assert not thread.is_alive(), thread.name
        return self._problems + list(owned_twice(self._sightings))

    def _look(self, worker: Worker) -> None:
        sellers = sorted(self._answers)
        looks = 0
        while not self._ended.wait(self._pause_seconds):
            try:
                self.look(worker)
                if sellers:
                    self._ask(worker, sellers[looks % len(sellers)])
            except Exception as surprise:  # noqa: BLE001 - told at the end
                self._problems.append(f"worker {worker.name}: {surprise!r}")
            looks += 1

    def look(self, worker: Worker) -> None:
        """Scrape a worker once."""
        asked = time.monotonic()
        status, body, _ = worker.get("/metrics")
        answered = time.monotonic()
        if status == 200:
            scrape = parse(body.decode(), worker.name)
            self._problems += [*wrong_shares(scrape), *contradicted(scrape)]
            self._problems += wrong_quiet_sellers(scrape, self._shown)
            sellers = frozenset(scrape.sellers)
            same = self._sets.setdefault(sellers, sellers)  # of many pages there are few sets of sellers
            self._sightings.append(Sighting(scrape.life, asked, answered, same))

    def _ask(self, worker: Worker, seller: str) -> None:
        status, body, headers = worker.get(f"/api/sellers/{seller}/health")
        self.statuses[status] += 1
        problem = wrong_answer(seller, status, body, headers, self._answers)
        if problem is not None:
            self._problems.append(f"worker {worker.name} {problem}")
