"""What is done to each contender: in full flow a second worker joins, then the first one leaves."""

import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import orjson

from stream.tools.simulate import Record
from tests.broker.harness import Cluster, Worker
from tests.stock_faust.contender import Contender, Reading
from tests.stock_faust.load import Load

READY_SECONDS = 60
JOIN_SECONDS = 30
JOINS_AT, LEAVES_AT = 0.2, 0.6  # shares of the events
QUIET_SECONDS = 20
LOOK_SECONDS = 0.25


@dataclass(frozen=True)
class Outcome:
    """What became of the events; `reading` is None where the last worker did not answer."""

    sent: int
    reading: Reading | None
    uncommitted: int
    failures: int

    @property
    def exact(self) -> bool:
        """Whether each event was applied once and committed, every figure is right, and no worker failed."""
        return self.sent > 0 and self.reading == Reading(0, 0, 0, 0) and not self.uncommitted and not self.failures


class Team:
    """Workers under a supervisor: one that ends by itself is started again, and counted. Leaving kills all."""

    def __init__(self) -> None:
        self.failures = 0
        self._workers: list[Worker] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        for worker in self._workers:
            worker.kill()

    def start(self, worker: Worker) -> None:
        self._workers.append(worker)
        worker.start()

    def stop(self, worker: Worker) -> None:
        """Stop one as a supervisor does; where it doesn't end well, kill it and count that."""
        self._workers.remove(worker)
        try:
            self.failures += worker.stop() != 0
        except subprocess.TimeoutExpired:
            self.failures += 1
        finally:
            worker.kill()

    def within(self, seconds: float, ask: Callable[[], bool]) -> bool:
        """Return whether `ask` has become true in time."""
        deadline = time.monotonic() + seconds
        while not ask():
            if time.monotonic() > deadline:
                return False
            self._tend()
            time.sleep(LOOK_SECONDS)
        return True

    def _tend(self) -> None:
        for worker in self._workers:
            assert worker.process is not None
            if worker.process.poll() is not None:
                self.failures += 1
                worker.start()


class Quiet:
    """Whether a worker that has its partitions has applied nothing more for a while: nothing more will come."""

    def __init__(self, contender: Contender, worker: Worker) -> None:
        self._contender = contender
        self._worker = worker
        self._last: tuple[float, int] = (0.0, -1)

    def __call__(self) -> bool:
        at, applied = time.monotonic(), self._contender.progress(self._worker)
        if not self._worker.partitions() or applied != self._last[1]:
            self._last = at, applied
        return at - self._last[0] > QUIET_SECONDS


def take_over(contender: Contender, cluster: Cluster, records: Sequence[Record], rate: int, patience: float) -> Outcome:
    """Send the records at `rate` a second while one worker takes over from another; return what became of them.

    `patience` is how many seconds the second worker may take for what is left when the last record has been sent.
    """
    made = cluster.odr("topics")
    assert made.returncode == 0, made.stderr
    first, second = contender.worker(cluster, "first"), contender.worker(cluster, "second")
    with Team() as team:
        team.start(first)
        team.within(READY_SECONDS, lambda: bool(first.partitions()))
        with Load(cluster, records, rate) as load:
            flowing = len(records) / rate + READY_SECONDS
            team.within(flowing, lambda: load.has_sent(JOINS_AT))
            team.start(second)
            team.within(JOIN_SECONDS, lambda: bool(first.partitions() and second.partitions()))
            team.within(flowing, lambda: load.has_sent(LEAVES_AT))
            team.stop(first)
            team.within(flowing, lambda: load.has_sent(1))
        quiet = Quiet(contender, second)
        team.within(patience, lambda: cluster.caught_up() or quiet())
        events = [(record.topic, orjson.loads(record.value)) for record in records[: load.sent]]
        uncommitted = sum(end - committed for committed, end in cluster.offsets())
        return Outcome(load.sent, contender.reading(second, events), uncommitted, team.failures)
