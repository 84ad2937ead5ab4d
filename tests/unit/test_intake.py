"""The intake's own rules about its partitions' tasks, with a consumer that does nothing."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType, SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition

from stream.connection import KafkaError
from stream.decode import CONVERTERS
from stream.evaluation import EvaluationDays
from stream.settings import Settings
from stream.worker.ground import Ground
from stream.worker.intake import Intake
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
