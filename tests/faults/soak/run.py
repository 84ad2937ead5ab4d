"""One soak: a cluster, the market that flows through it, and round after round a fault and a recount."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin.records_to_delete import RecordsToDelete

from stream.tools.kafka import Broker
from tests.broker.harness import PARTITIONS, READ, Cluster, Worker, eventually, exposed, figure
from tests.faults.brokers import asked
from tests.faults.soak.chaos import FEWEST, MOST, Chaos
from tests.faults.soak.market import Market
from tests.faults.soak.meters import Stops, resident_mib
from tests.faults.soak.source import Source
from tests.faults.supervise import await_shared, is_running, stop_all
from tests.faults.watch import Watch
from tests.recount import gauge_differences, gauges_of_days

KEPT_DAYS = 200
RESTORED = "all stopped, and restored from an empty disk"
_PATIENCE_SECONDS = 300
_LOOK_SECONDS = 2
_BROKER = {
    # Topics keep everything; what all have read and counted is deleted by hand, so that a long soak needs little disk.
    "log.segment.bytes": str(32 * 1024 * 1024),
    "log.segment.delete.delay.ms": "1000",
    "log.retention.check.interval.ms": "5000",
}


@dataclass(frozen=True)
class Round:
    """One fault, and what was found when it had been survived; `behind_seconds` is what catching up took in the end."""

    fault: str
    day: int
    differences: list[str]
    behind_seconds: float
    stop_seconds: float
    workers: int
    orders: int
    resident_mib: float


class Soak:
    """A cluster with its source, its workers, and those who watch them; everything ends with `open_`."""

    def __init__(self, open_: ExitStack, directory: Path, market: Market, rate: int, seed: int) -> None:
        broker = open_.enter_context(Broker(directory / "kafka", properties=_BROKER))
        environment = {"STREAM_TODAY": "events", "STREAM_RETENTION_DAYS": str(KEPT_DAYS)}
        self.cluster = Cluster(broker.bootstrap, "soak.", directory, environment)
        made = self.cluster.odr("topics")
        assert made.returncode == 0, made.stderr
        workers = [Worker(self.cluster, f"worker-{number}", {}) for number in range(MOST)]
        for worker in workers:
            open_.callback(worker.kill)
        for worker in workers[:FEWEST]:
            worker.start()
        self.chaos = Chaos(random.Random(seed), broker, workers)
        await_shared(self.chaos.running)
        self.idle_mib = max(map(resident_mib, self.chaos.running))
        self.source = Source(broker.bootstrap, self.cluster.prefix, market, rate)
        open_.callback(self.source.end)
        self.ended: Counter[str] = Counter()
        self._market = market
        self._counted: Mapping[TopicPartition, int] = {}
        self._stops = Stops(self.cluster)
        open_.callback(self._stops.end)
        self._watch = Watch([], market.first_day, pause_seconds=_LOOK_SECONDS)
        for worker in workers:
            self._watch.begin(worker)

    def survive(self, fault: str, until: int, after_seconds: float) -> Round:
        """Produce up to the end of a day, let a fault happen meanwhile, and recount every figure at that day's end."""
        happens_at = time.monotonic() + after_seconds
        self.source.go_on(until)
        eventually(lambda: time.monotonic() > happens_at, "the fault's moment", after_seconds + 60)
        self.chaos.faults[fault]()
        eventually(lambda: self.source.is_done, "everything produced", _PATIENCE_SECONDS)
        done_at = time.monotonic()
        self._start_ended()
        await_shared(self.chaos.running, _PATIENCE_SECONDS)
        self.cluster.await_caught_up(seconds=_PATIENCE_SECONDS)
        found = self._found(fault, until, time.monotonic() - done_at)
        self._forget()
        return found

    def restore(self, day: int) -> Round:
        """Stop everybody, and have a worker restore all orders from the changelog alone; recount every figure."""
        stop_all(self.chaos.running)
        began_at = time.monotonic()
        with self.cluster.worker("cold") as cold:
            cold.await_ready(_PATIENCE_SECONDS)
            self.chaos.workers = [cold]
            return self._found(RESTORED, day, time.monotonic() - began_at)

    def end_watch(self) -> list[str]:
        """Return whatever any scrape showed that it must not."""
        return self._watch.end()

    def _found(self, fault: str, day: int, behind_seconds: float) -> Round:
        running = self.chaos.running
        differences = self._differences(running, day)
        orders = sum(figure(worker.series(), "stream_orders") or 0 for worker in running)
        resident = sum(map(resident_mib, running))
        stop = self._stops.take()
        return Round(fault, day, differences, behind_seconds, stop, len(running), int(orders), resident)

    def _differences(self, workers: Sequence[Worker], day: int) -> list[str]:
        """Return how the workers' figures differ from the market's at a day's end, which their windows soon follow."""
        expected = gauges_of_days(self._market.days(day), self._market.first_day + timedelta(days=day))
        given_up = time.monotonic() + 10
        while (found := gauge_differences(exposed(workers), expected)) and time.monotonic() < given_up:
            time.sleep(0.2)
        return found

    def _start_ended(self) -> None:
        """Do what a supervisor does with a worker that has ended by itself, and note why it had to."""
        for worker in self.chaos.workers:
            if worker.process is not None and not is_running(worker) and worker.process.returncode != 0:
                self.ended[worker.log().splitlines()[-1]] += 1
                worker.start()

    def _forget(self) -> None:
        """Delete what had been counted a round ago: a broker that is killed may give offsets back, but not so many."""
        counted, self._counted = self._counted, self._ends()
        records = {source: RecordsToDelete(offset) for source, offset in counted.items()}
        if records:
            asked(self.cluster, lambda admin: admin.delete_records(records))

    def _ends(self) -> dict[TopicPartition, int]:
        topics = [*READ, "health-changes"]
        sources = [TopicPartition(self.cluster.prefix + topic, at) for topic in topics for at in range(PARTITIONS)]

        async def run() -> dict[TopicPartition, int]:
            async with AIOKafkaConsumer(bootstrap_servers=self.cluster.bootstrap) as consumer:
                ends: dict[TopicPartition, int] = await consumer.end_offsets(sources)
                return ends

        return asyncio.run(run())
