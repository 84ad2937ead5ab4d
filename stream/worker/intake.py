"""The intake: one member of the consumer group, which owns the offsets and moves one round at a time per partition.

Faust's own consumer is not used: what it acknowledges when an agent fails, or on a rebalance, is lost or doubled.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import stamina
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import ConsumerStoppedError, KafkaConnectionError, NodeNotReadyError, RequestTimedOutError
from aiokafka.structs import ConsumerRecord
from mode import Service

from stream.agreement import agreement, difference
from stream.connection import KafkaError, connection
from stream.decode import CONVERTERS
from stream.fetching import fetch
from stream.membership import Membership, Ownership
from stream.settings import SettingsError
from stream.worker.assignor import assignor_for
from stream.worker.contact import SESSION_TIMEOUT_SECONDS, Contact
from stream.worker.ground import SERVICE_LOG, Ground
from stream.worker.partition import Partition
from stream.worker.store import DataDirectory
from stream.worker.transactions import Fenced

_LOG: Final = logging.getLogger(__name__)

UNREACHABLE_SECONDS: Final = 300.0
"""How long a worker waits for a broker that has gone, or for a partition that does not move, before it ends."""

STUCK_SECONDS: Final = 60.0
"""How long a partition may stay at one step before the worker calls itself unhealthy."""

_DRAIN_SECONDS: Final = 10.0
_CLOSE_SECONDS: Final = 4.0
_CANCEL_SECONDS: Final = 0.1
_MOST_RECORDS: Final = 5_000
_SWEEP_SELLERS: Final = 50
_UNREACHABLE: Final = (KafkaConnectionError, NodeNotReadyError, RequestTimedOutError)


@dataclass(slots=True)
class Chunk:
    """One topic's records of a round, for that topic's agent, which sets `folded` once they are in the accounts."""

    partition: Partition
    topic: str
    records: Sequence[ConsumerRecord]
    folded: asyncio.Future[None]


Dispatch = Callable[[Chunk], Awaitable[Any]]
"""Hands a chunk to its topic's agent."""


class Intake(Service, ConsumerRebalanceListener):  # type: ignore[misc]
    """Fetches, hands the records to the agents, and commits; restores on assignment and lets go on revocation."""

    logger = SERVICE_LOG

    def __init__(
        self, ground: Ground, directory: DataDirectory, dispatch: Dispatch, advertised: Callable[[], str]
    ) -> None:
        super().__init__()
        self._ground = ground
        self._directory = directory
        self._dispatch = dispatch
        self._advertised = advertised
        self._topics = {ground.settings.topic(topic): topic for topic in CONVERTERS}
        self._partitions: dict[int, Partition] = {}
        self._serving: dict[int, asyncio.Task[None]] = {}
        self._contact = Contact()
        self._agreed = agreement(ground.rules)
        self._joined = False
        self._accepted = False
        self._ownership = Ownership({})

    # What others may ask.

    @property
    def own(self) -> list[Partition]:
        """The partitions that the group has given to this worker, live or not."""
        return [self._partitions[number] for number in sorted(self._serving)]

    @property
    def live(self) -> list[Partition]:
        """The partitions that may be shown: restored, and surely still ours."""
        return [partition for partition in self.own if partition.live] if self._contact.in_touch else []

    @property
    def owners(self) -> dict[int, str]:
        """The address of each partition's owner, as the group's leader told it."""
        return self._ownership.addresses

    @property
    def ready(self) -> bool:
        """Whether the worker is in the group, which answers it, and all its own partitions are restored."""
        return self._joined and self._contact.fresh and len(self.live) == len(self._serving)

    @property
    def stuck(self) -> list[Partition]:
        """The own partitions that have not moved for long, though the broker is there."""
        if not self._contact.in_touch:
            return []
        return [partition for partition in self.own if time.monotonic() - partition.moved_at > STUCK_SECONDS]

    # The life of the group member.

    async def on_start(self) -> None:
        """Join the group."""
        self._contact = Contact()
        self._consumer = self._new_consumer()
        await self._consumer.start()
        self._contact.watch(self._consumer)
        self._consumer.subscribe(list(self._topics), listener=self)

    async def on_stop(self) -> None:
        """Let the rounds in progress commit, then leave the group."""
        with suppress(KafkaError):  # the process ends, whatever its tasks still wait for
            await self._let_go()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._consumer.stop(), _CLOSE_SECONDS)
        for partition in self._partitions.values():
            partition.close()

    def _new_consumer(self) -> AIOKafkaConsumer:
        assignor = assignor_for(self._membership, self._on_ownership)
        return AIOKafkaConsumer(
            **connection(self._ground.settings),
            group_id=self._ground.settings.group,
            partition_assignment_strategy=(assignor,),
            isolation_level="read_committed",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            session_timeout_ms=int(SESSION_TIMEOUT_SECONDS * 1000),
            heartbeat_interval_ms=1_000,
            rebalance_timeout_ms=30_000,
            max_poll_interval_ms=60_000,
            max_partition_fetch_bytes=1024 * 1024,
            fetch_max_wait_ms=50,
        )

    def _membership(self) -> Membership:
        has = tuple(self._directory.partitions())
        return Membership(self._advertised(), has, self._agreed, self._accepted)

    def _on_ownership(self, ownership: Ownership) -> None:
        self._ownership = ownership

    # Rebalances. aiokafka swallows what its listeners raise: so everything here ends in `_guarded`.

    async def on_partitions_revoked(self, revoked: list[TopicPartition]) -> None:  # noqa: ARG002
        """Hide everything at once, then let the rounds in progress commit."""
        await self._guarded(self._let_go())

    async def on_partitions_assigned(self, assigned: list[TopicPartition]) -> None:
        """Open each partition in a task of its own: the group must not wait for restores."""
        await self._guarded(self._take(assigned))

    async def _take(self, assigned: Sequence[TopicPartition]) -> None:
        differs = difference(self._agreed, self._ownership.agreed)
        if differs is not None:
            raise SettingsError(
                f"{differs} {self._ground.settings.group}: its workers must agree; stop them all to change a setting"
            )
        self._accepted = True
        self._consumer.pause(*assigned)
        self._ground.telemetry.rebalances.inc()
        numbers = {source.partition for source in assigned}
        for number in self._partitions.keys() - numbers:
            self._partitions.pop(number).close()
        for number in sorted(numbers):
            if number not in self._partitions:
                self._partitions[number] = Partition(number, self._ground, self._directory.store(number))
            self._partitions[number].moved_at = time.monotonic()
            self._serving[number] = asyncio.create_task(self._guarded(self._serve(self._partitions[number])))
        self._joined = True
        _LOG.info("own partitions: %s", sorted(numbers) or "none")

    async def _let_go(self) -> None:
        self._joined = False
        serving, self._serving = self._serving, {}
        for number in serving:
            self._partitions[number].live = False
        await asyncio.gather(*(self._end(self._partitions[number], task) for number, task in serving.items()))

    async def _end(self, partition: Partition, task: asyncio.Task[None]) -> None:
        """Let a round in progress commit; one that a broker keeps waiting is given up, and read again later."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_DRAIN_SECONDS), partition.lock:
                task.cancel()
        given_up = time.monotonic() + _CLOSE_SECONDS
        while not task.done():
            if time.monotonic() > given_up:
                raise KafkaError(f"partition {partition.number} can't be let go of, at `{partition.step}`")
            task.cancel()  # more than once: aiokafka swallows a cancellation while it closes one of its clients
            await asyncio.wait([task], timeout=_CANCEL_SECONDS)
        await partition.release()

    async def _guarded(self, work: Awaitable[None]) -> None:
        """End the worker on any surprise: a supervisor restarts it, and the restore repairs."""
        try:
            await work
        except Exception as surprise:  # noqa: BLE001 - handed on, not swallowed
            # A partition may still come while the worker stops, whose consumer ends under its first fetch.
            if not (self.should_stop and isinstance(surprise, ConsumerStoppedError)):
                await self.crash(surprise)

    # One partition's rounds.

    async def _serve(self, partition: Partition) -> None:
        while True:
            try:
                await self._open(partition)
                while True:
                    await self._round(partition)
            except Fenced:
                fenced_at = time.monotonic()
                partition.live = False
                _LOG.warning("partition %d was fenced: its state is dropped and loaded anew", partition.number)
                await partition.release()
                await self._contact_after(fenced_at)  # only a member of the group may take it back

    async def _contact_after(self, moment: float) -> None:
        while not self._contact.since(moment):  # noqa: ASYNC110 - the heartbeat sets a time, for the pages too
            await asyncio.sleep(0.1)

    async def _open(self, partition: Partition) -> None:
        async for attempt in stamina.retry_context(
            on=_UNREACHABLE, attempts=None, timeout=UNREACHABLE_SECONDS, wait_max=5
        ):
            with attempt:
                await partition.open(self._consumer)
                self._follow_clock()  # where it follows the events, those restored may be the newest
        for source in self._sources(partition):
            self._consumer.seek(source, partition.offsets.get(self._topics[source.topic], 0))
        self._consumer.resume(*self._sources(partition))

    def _sources(self, partition: Partition) -> list[TopicPartition]:
        return [TopicPartition(topic, partition.number) for topic in self._topics]

    async def _round(self, partition: Partition) -> None:
        offsets = {source: partition.offsets.get(self._topics[source.topic], 0) for source in self._sources(partition)}
        fetched = await fetch(self._consumer, offsets, timeout_ms=1_000, max_records=_MOST_RECORDS)
        async with partition.lock:
            partition.reach("fetched")
            if fetched:
                await self._fold(partition, fetched)
                partition.reach("folded")
            partition.expire(_SWEEP_SELLERS)
            if partition.pending or fetched:
                await partition.commit()

    async def _fold(self, partition: Partition, fetched: dict[TopicPartition, list[ConsumerRecord]]) -> None:
        loop = asyncio.get_running_loop()
        chunks = [
            Chunk(partition, self._topics[source.topic], records, loop.create_future())
            for source, records in fetched.items()
            if not self._seek_back(partition, source, records)
        ]
        for chunk in chunks:
            await self._dispatch(chunk)
        await asyncio.gather(*(chunk.folded for chunk in chunks))

    def _seek_back(self, partition: Partition, source: TopicPartition, records: Sequence[ConsumerRecord]) -> bool:
        """Return whether records are missing before these, once: compaction and transactions make real holes."""
        expected = partition.offsets.get(self._topics[source.topic], 0)
        if records[0].offset < expected:  # the client has gone back to the beginning, as its place is beyond the end
            where = f"topic {source.topic}, partition {source.partition}"
            raise KafkaError(
                f"{where} ended before offset {expected}, the next to read: it is another one than before, or has lost "
                f"records; choose another STREAM_GROUP, which reads everything again"
            )
        if records[0].offset == expected or partition.hole == (source.topic, expected):
            return False
        partition.hole = (source.topic, expected)
        self._consumer.seek(source, expected)
        return True

    def lags(self) -> Iterator[tuple[str, int, int, float]]:
        """Yield topic, partition, records not read yet, and the age in seconds of the last one read if any is left."""
        for partition in self.own:
            for source in self._sources(partition):
                topic = self._topics[source.topic]
                left = (self._consumer.highwater(source) or 0) - partition.offsets.get(topic, 0)
                read_at = partition.read_at.get(topic)
                age = time.time() - read_at / 1000 if left > 0 and read_at is not None else 0.0
                yield topic, partition.number, max(0, left), max(0.0, age)

    # The clock.

    @Service.timer(0.5)  # type: ignore[untyped-decorator]
    async def _tick(self) -> None:
        """Roll the windows where midnight has passed, and end a worker whose broker has gone for good."""
        if self._contact.lost_seconds > UNREACHABLE_SECONDS:
            await self.crash(
                KafkaError(f"no broker at {self._ground.settings.brokers} for {UNREACHABLE_SECONDS:.0f} s")
            )
        for partition in self.stuck:
            if time.monotonic() - partition.moved_at > UNREACHABLE_SECONDS:
                told = f"partition {partition.number} has not moved on from `{partition.step}`"
                await self.crash(KafkaError(f"{told} for {UNREACHABLE_SECONDS:.0f} s"))
        self._follow_clock()

    def _follow_clock(self) -> None:
        instant = self._instant()
        if instant is not None:
            self.move_clock(instant)

    def move_clock(self, instant: int) -> None:
        """Move the evaluation days to `instant` (microseconds since the epoch); roll the windows where a day began."""
        if self._ground.evaluation.move(instant):
            for partition in self._partitions.values():
                partition.roll()

    def _instant(self) -> int | None:
        if self._ground.settings.today != "events":
            return time.time_ns() // 1_000
        newest = [partition.accounts.newest_event_time for partition in self.own]
        return max((event_time for event_time in newest if event_time is not None), default=None)
