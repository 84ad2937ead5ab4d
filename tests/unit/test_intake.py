"""The intake's own rules: about its partitions' tasks, and about what has come to a stop.

The consumer does nothing, and clocks are moved by hand.
"""

import asyncio
import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType, SimpleNamespace
from typing import Any, cast

import pytest
from aiohttp import web
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import ConsumerStoppedError

from stream.connection import KafkaError
from stream.decode import CONVERTERS
from stream.evaluation import EvaluationDays
from stream.settings import Settings
from stream.worker.ground import Ground
from stream.worker.intake import Intake
from stream.worker.pages import Pages
from stream.worker.partition import Partition
from stream.worker.store import DataDirectory
from stream.worker.telemetry import Telemetry
from tests.builders import SELLER, D, apply, order

SOURCES = [TopicPartition(topic, 0) for topic in CONVERTERS]


class Idle:
    """Stands where a consumer does; there is `fetched` to read, again and again."""

    fetched: Mapping[TopicPartition, list[Any]] = MappingProxyType({})

    def pause(self, *_: TopicPartition) -> None:
        pass

    resume = seek = pause

    async def getmany(self, *_: TopicPartition, **__: Any) -> Mapping[TopicPartition, list[Any]]:
        await asyncio.sleep(0.01)
        return self.fetched


@pytest.fixture
def ground() -> Ground:
    settings = Settings.read()
    evaluation = EvaluationDays(settings.rules, 0)
    return Ground(settings, settings.rules, evaluation, Telemetry(list(CONVERTERS)), "cluster", 86_400.0)


@pytest.fixture
def directory(tmp_path: Path) -> DataDirectory:
    return DataDirectory(tmp_path).lock()


def test_a_partition_that_is_taken_away_while_it_is_restored_is_let_go(
    ground: Ground, directory: DataDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    # aiokafka swallows a cancellation that reaches it while it closes a consumer, as a restore does at its end. The
    # restore's task, told to end when the group took the partition away, went on: it opened the partition and served
    # it beside the task that the next assignment started, both with the same accounts, until one found that the other
    # had given up the producer, and the worker ended with an empty line.
    opening = asyncio.Event()

    async def open_and_swallow(partition: Partition, _: Any) -> None:
        opening.set()
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(60)
        partition.live = True

    monkeypatch.setattr(Partition, "open", open_and_swallow)
    monkeypatch.setattr(Partition, "pending", False)

    async def run() -> None:
        intake = Intake(ground, directory, dispatch=lambda _: asyncio.sleep(0), advertised=lambda: "here:1")
        intake._consumer = Idle()
        intake._agreed = {}
        await intake.on_partitions_assigned(SOURCES)
        await opening.wait()
        (task,) = intake._serving.values()
        (partition,) = intake.own
        await asyncio.wait_for(intake.on_partitions_revoked(SOURCES), 10)
        assert task.done()
        assert not partition.live

    asyncio.run(run())


def test_a_topic_that_is_another_one_than_before_ends_the_worker(
    ground: Ground, directory: DataDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Of a topic that had been deleted and made again under a worker, everything up to where the former one had ended
    # was skipped without a word: the client goes back to the beginning by itself, and old offsets counted as read.
    async def open_at_7(partition: Partition, _: Any) -> None:
        partition.offsets = {"orders": 7}

    monkeypatch.setattr(Partition, "open", open_at_7)

    async def run() -> None:
        intake = Intake(ground, directory, dispatch=lambda _: asyncio.sleep(0), advertised=lambda: "here:1")
        consumer = intake._consumer = Idle()
        intake._agreed = {}
        consumer.fetched = {TopicPartition("orders", 0): [SimpleNamespace(offset=0)]}
        await intake.on_partitions_assigned(SOURCES)
        (task,) = intake._serving.values()
        await asyncio.wait_for(task, 10)
        assert isinstance(intake.crash_reason, KafkaError)
        assert str(intake.crash_reason).startswith("topic orders, partition 0 ended before offset 7")

    asyncio.run(run())


def test_a_restored_partition_is_shown_on_the_day_of_its_newest_event(
    directory: DataDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A worker that follows the events begins in 1970. After a restart it was ready, and showed empty windows of that
    # day, until its clock's next tick.
    settings = Settings.read(today="events")
    evaluation = EvaluationDays(settings.rules, 0)
    ground = Ground(settings, settings.rules, evaluation, Telemetry(list(CONVERTERS)), "cluster", 86_400.0)
    opened = asyncio.Event()

    async def restored(partition: Partition, _: Any) -> None:
        apply(partition.accounts, order(event_time="2026-11-03T12:00:00Z"))
        opened.set()

    async def run() -> None:
        intake = Intake(ground, directory, dispatch=lambda _: asyncio.sleep(0), advertised=lambda: "here:1")
        intake._consumer = Idle()
        intake._agreed = {}
        await intake.on_partitions_assigned(SOURCES)
        await opened.wait()
        (partition,) = intake.own
        shown = [counts.evaluation_day for counts in partition.accounts.sellers[SELLER].groups.values()]
        assert shown == [D.toordinal()]
        await intake.on_partitions_revoked(SOURCES)

    monkeypatch.setattr(Partition, "open", restored)
    monkeypatch.setattr(Partition, "pending", False)
    asyncio.run(run())


@pytest.mark.parametrize("stopping", [True, False])
def test_a_consumer_that_ends_with_the_worker_is_no_crash(
    ground: Ground, directory: DataDirectory, *, stopping: bool
) -> None:
    # A worker told to stop was given partitions in that moment; their first fetch found the consumer gone, and the
    # worker ended with status 1.
    async def fetch() -> None:
        raise ConsumerStoppedError

    async def run() -> BaseException | None:
        intake = Intake(ground, directory, dispatch=lambda _: asyncio.sleep(0), advertised=lambda: "here:1")
        if stopping:
            intake._stopped.set()
        await intake._guarded(fetch())
        reason: BaseException | None = intake.crash_reason
        return reason

    assert isinstance(asyncio.run(run()), ConsumerStoppedError) is not stopping


# --- What has come to a stop ------------------------------------------------------------------------------------------


class Clock:
    """The worker's clocks, moved by hand."""

    def __init__(self) -> None:
        self.seconds = 1_000.0

    def monotonic(self) -> float:
        return self.seconds

    def time_ns(self) -> int:
        return int(self.seconds * 1e9)


class Coordinator:
    """The broker's side of the group: it answers every heartbeat that reaches it."""

    member_id = "m-1"

    async def _do_heartbeat(self) -> bool:
        return True

    async def _maybe_leave_group(self) -> None:
        pass


class Watched:
    """A real intake and its pages, while time passes."""

    def __init__(self, ground: Ground, directory: DataDirectory, clock: Clock) -> None:
        self.intake = Intake(ground, directory, dispatch=lambda _: asyncio.sleep(0), advertised=lambda: "here:1")
        self.intake._consumer = Idle()
        self.intake._agreed = {}
        self._pages = Pages(ground)
        self._pages.intake = self.intake
        self._clock = clock
        self._coordinator = Coordinator()
        self.intake._contact.watch(cast("AIOKafkaConsumer", SimpleNamespace(_coordinator=self._coordinator)))

    async def own_partition_0(self) -> None:
        await self.intake.on_partitions_assigned(SOURCES)

    async def lose_partition_0(self) -> None:
        await self.intake.on_partitions_revoked(SOURCES)

    async def after(self, seconds: float, *, broker: bool = True) -> str | None:
        """Let time pass, at the end of which the broker answers if it is there; return why the worker ends, if so."""
        self._clock.seconds += seconds
        if broker:
            await self._coordinator._do_heartbeat()
        await Intake._tick.fun.__wrapped__(self.intake)
        ends = self.intake.crash_reason
        assert ends is None or isinstance(ends, KafkaError)
        return None if ends is None else str(ends)

    async def healthz(self) -> tuple[int, Any]:
        answer = await self._pages._healthz(cast("web.Request", None))
        assert isinstance(answer, web.Response)
        assert isinstance(answer.body, bytes)
        return answer.status, json.loads(answer.body)


WELL = 200, {"status": "ok"}


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    moved_by_hand = Clock()
    for module in ("contact", "intake", "partition"):
        monkeypatch.setattr(f"stream.worker.{module}.time", moved_by_hand)
    return moved_by_hand


@pytest.fixture
def never_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every partition stays where it is: its opening waits for something that does not come."""

    async def wait(_: Partition, __: Any) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(Partition, "open", wait)


@pytest.mark.usefixtures("never_opened")
def test_a_partition_that_has_not_moved_for_a_minute_is_told_by_healthz_until_it_moves(
    ground: Ground, directory: DataDirectory, clock: Clock
) -> None:
    async def run() -> None:
        watched = Watched(ground, directory, clock)
        await watched.own_partition_0()
        assert await watched.after(60) is None
        assert await watched.healthz() == WELL
        assert await watched.after(0.5) is None
        error = "partitions that have not moved for 60 s: 0 (at `restoring`)"
        assert await watched.healthz() == (503, {"error": error})
        (partition,) = watched.intake.own
        partition.reach("fetched")
        assert await watched.healthz() == WELL

    asyncio.run(run())


@pytest.mark.usefixtures("never_opened")
def test_while_no_broker_answers_it_is_no_partitions_fault_that_it_does_not_move(
    ground: Ground, directory: DataDirectory, clock: Clock
) -> None:
    async def run() -> None:
        watched = Watched(ground, directory, clock)
        await watched.own_partition_0()
        assert await watched.after(1) is None
        assert await watched.after(290, broker=False) is None
        assert await watched.healthz() == WELL

    asyncio.run(run())


@pytest.mark.usefixtures("never_opened")
def test_a_partition_that_has_not_moved_for_five_minutes_ends_the_worker(
    ground: Ground, directory: DataDirectory, clock: Clock
) -> None:
    async def run() -> None:
        watched = Watched(ground, directory, clock)
        await watched.own_partition_0()
        (partition,) = watched.intake.own
        assert await watched.after(250) is None
        partition.reach("acknowledged")
        assert await watched.after(300) is None
        assert await watched.after(0.5) == "partition 0 has not moved on from `acknowledged` for 300 s"

    asyncio.run(run())


@pytest.mark.usefixtures("never_opened")
def test_the_time_for_which_another_worker_had_a_partition_does_not_count(
    ground: Ground, directory: DataDirectory, clock: Clock
) -> None:
    async def run() -> None:
        watched = Watched(ground, directory, clock)
        await watched.own_partition_0()
        await watched.lose_partition_0()
        assert await watched.after(400) is None
        await watched.own_partition_0()
        assert await watched.after(60) is None
        assert await watched.healthz() == WELL

    asyncio.run(run())


@pytest.mark.parametrize("met_after", [None, 100], ids=["never met", "gone"])
def test_a_worker_without_a_broker_for_five_minutes_ends(
    met_after: float | None, ground: Ground, directory: DataDirectory, clock: Clock
) -> None:
    async def run() -> None:
        watched = Watched(ground, directory, clock)
        if met_after is not None:
            assert await watched.after(met_after) is None
        assert await watched.after(300, broker=False) is None
        assert await watched.after(0.5, broker=False) == "no broker at localhost:9092 for 300 s"

    asyncio.run(run())
