"""One fault, tried once: a history that flows through watched workers, and the verdict when all is over."""

import gc
import json
import os
import random
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import date
from itertools import chain, count
from typing import Final, Protocol

from stream.topics import partition_for
from tests.broker.harness import DAY, PARTITIONS, READ, Cluster, Worker, exposed, history
from tests.faults.flow import Flow, Record, records_of
from tests.faults.oracle import Verdict, Zones, judge_changes, judge_dead_letters, judge_gauges, judge_told_days
from tests.faults.poison import poison
from tests.faults.stretches import stretches
from tests.faults.supervise import await_shared, is_running, start_again, stop_all
from tests.faults.watch import Watch
from tests.faults.worker import COMMAND
from tests.recount import UTC_EVERYWHERE, InputEvent, Series, all_gauges

SEEDS: Final = int(os.environ.get("FAULT_SEEDS", "0"))
"""With how many seeds `make faults` tries each fault; 0 where it is tried once, quickly."""

SESSION_SECONDS: Final = 10 if SEEDS else 3
"""After how long a silent worker is given up: the worker's own patience, or less, so that tests wait less."""

RATE: Final = 5_000 if SEEDS else 3_000
"""How many events a second flow; they are all recounted, which takes the longer the more they are."""

POISONED_OF_A_STRETCH: Final = 20

QUIET: Final = tuple(
    next(f"QUIET-{number}" for number in count() if partition_for(f"QUIET-{number}".encode(), PARTITIONS) == partition)
    for partition in range(PARTITIONS)
)
"""Sellers whose events have all been counted before any fault: one in each partition."""


class Trial:
    """A cluster whose topics are there, the events that flow through it, and its workers.

    `events` is everything valid that has been produced; the quiet sellers' events are counted before anything else
    happens. Whatever flows has `orders` new ones in every stretch.
    """

    def __init__(
        self, cluster: Cluster, seed: int, orders: int = 3_000, day: date = DAY, zones: Zones = UTC_EVERYWHERE
    ) -> None:
        self.cluster = cluster
        self.rng = random.Random(seed)
        self.workers: list[Worker] = []
        self.flows: list[Flow] = []
        self._day = day
        self._zones = zones
        self._quiet = history(200, seed=1_000 + seed, names=QUIET, day=day)
        self._stretches = stretches(seed, orders, day)
        self._poisoner = random.Random(seed)
        self._poison: list[Record] = []
        self._watch = Watch(self._quiet, day, zones)
        self._open = ExitStack()
        made = cluster.odr("topics")
        assert made.returncode == 0, made.stderr

    @property
    def events(self) -> list[InputEvent]:
        malformed = set(self._poison)
        sent = (record for flow in self.flows for record in flow.sent)
        return self._quiet + [(one.topic, json.loads(one.value or b"")) for one in sent if one not in malformed]

    def __enter__(self) -> "Trial":
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()
        self._watch.end()

    # Workers.

    def worker(self, name: str, *faults: str, **more: str) -> Worker:
        """Start a worker to which these faults happen (see `tests.faults.worker`), and watch it."""
        worker = self._start(name, FAULT_STEPS=",".join(faults), **more)
        self._watch.begin(worker)
        return worker

    def _start(self, name: str, **more: str) -> Worker:
        settings = {"FAULT_SESSION_SECONDS": str(SESSION_SECONDS), **more}
        worker = self._open.enter_context(self.cluster.worker(name, command=COMMAND, **settings))
        self.workers.append(worker)
        return worker

    def begin(self, *names: str, **more: str) -> list[Worker]:
        """Let the quiet sellers' events be counted by these workers, sharing all partitions; then watch them."""
        self.cluster.produce(self._quiet)
        workers = [self._start(name, **more) for name in names]
        await_shared(workers)
        self.cluster.await_caught_up()
        for worker in workers:
            self._watch.begin(worker)
        return workers

    def thaw(self, worker: Worker) -> None:
        """Let a frozen worker go on, and look at once what it shows: nothing that others have meanwhile."""
        assert worker.process is not None
        worker.process.send_signal(signal.SIGCONT)
        self._watch.look(worker)

    def add(self, events: list[InputEvent]) -> None:
        """Have these events flow before all others."""
        self._stretches = chain([events], self._stretches)

    def produce_poison(self, records: int) -> None:
        """Produce malformed records now."""
        more = poison(self.rng, records)
        self._poison += more
        self.cluster.produce_raw(more)

    def produce_again(self) -> None:
        """Produce everything that has been produced a second time."""
        self.cluster.produce(self._quiet)
        self.cluster.produce_raw(record for flow in self.flows for record in flow.sent)

    # The flow.

    @contextmanager
    def flow(self) -> Iterator[Flow]:
        """Produce one stretch after another meanwhile, with malformed records at random places."""
        with Flow(self.cluster, self._records(), RATE) as flow:
            self.flows.append(flow)
            flow.await_more(RATE // 5)
            yield flow

    def _records(self) -> Iterator[Record]:
        for events in self._stretches:
            records = records_of(events)
            malformed = poison(self._poisoner, POISONED_OF_A_STRETCH)
            self._poison += malformed
            for record in malformed:
                records.insert(self._poisoner.randrange(len(records) + 1), record)
            yield from records

    # The verdict.

    def judge(self, *, seconds: float = 120) -> Verdict:
        """Return the verdict on what the workers that still run show, and on what is shown after cold starts."""
        gc.disable()  # a recount makes no cycles, and looking for them takes a third of its time
        try:
            return self._judge(seconds)
        finally:
            gc.enable()

    def _judge(self, seconds: float) -> Verdict:
        running = [worker for worker in self.workers if is_running(worker)]
        await_shared(running, seconds)
        self.cluster.await_caught_up(seconds=seconds)
        events = self.events
        expected = all_gauges(events, self._day, zones=self._zones)
        shown = exposed(running)
        verdict = judge_gauges(shown, expected)
        verdict.problems += self._watch.end()
        assert self._watch.statuses[200], "nobody was ever answered"
        verdict += self._cold_starts(running, expected)
        changes = self.cluster.read("health-changes")
        verdict += judge_changes(changes, shown, self._day)
        verdict += judge_told_days(changes, events, self._zones)
        return verdict + self._judge_dead_letters()

    def _cold_starts(self, running: Sequence[Worker], expected: Mapping[Series, float]) -> Verdict:
        """Let a worker with an empty disk take everything over, and then those from before, from their own disks."""
        own = ("STREAM_DATA_DIR", "FAULT_STEPS")
        settings = {name: value for name, value in running[0].more.items() if name not in own}
        with self.cluster.worker("cold", command=COMMAND, **settings) as cold:
            stop_all(running)
            await_shared([cold])
            verdict = judge_gauges(exposed([cold]), expected)
            for worker in running:
                start_again(worker)
            stop_all([cold])
        await_shared(running)
        verdict += judge_gauges(exposed(running), expected)
        stop_all(running)
        return verdict

    def _judge_dead_letters(self) -> Verdict:
        verdict = Verdict()
        for topic in READ:
            malformed = [(record.key, record.value) for record in self._poison if record.topic == topic]
            sources, letters = self.cluster.read(topic), self.cluster.read(f"{topic}.dead-letters")
            verdict += judge_dead_letters(sources, letters, malformed)
        return verdict


class Conclude(Protocol):
    """Judges a trial of these faults."""

    def __call__(self, trial: Trial, *faults: str) -> None: ...
