"""One partition number: its sellers' accounts, and the protocol that makes each round durable.

A round is what one fetch gave of all topics' partition p. It is folded in memory, then one Kafka transaction holds the
changed states, the dead letters, the health changes and the source offsets; then the local disk follows as a cache.
"""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import ProducerFenced
from aiokafka.structs import ConsumerRecord

from stream.accounts import Accounts, Applied, OrderKey
from stream.connection import connection
from stream.decode import CONVERTERS, decode
from stream.evaluation import EvaluationDays
from stream.events import Malformed
from stream.rules import Rules
from stream.settings import Settings
from stream.topics import HEALTH_CHANGES, dead_letters, order_states
from stream.worker.changes import Cause, health_changes, moves
from stream.worker.store import Position, Store, pack_key, unpack_key
from stream.worker.telemetry import Telemetry

_LOG: Final = logging.getLogger(__name__)

Fenced = ProducerFenced
"""Another worker has the partition, or the broker ended our transaction: the partition must be opened anew."""

TRANSACTION_TIMEOUT_SECONDS: Final = 10.0
DELIVERY_TIMEOUT_SECONDS: Final = 300.0
_BATCH_BYTES: Final = 512 * 1024
_REQUEST_BYTES: Final = 64 * 1024 * 1024
_DETAIL_CHARACTERS: Final = 500


@dataclass(frozen=True, slots=True)
class Ground:
    """What all partitions of a worker share; `tombstones_live_seconds` is a setting of the changelog topic."""

    settings: Settings
    rules: Rules
    evaluation: EvaluationDays
    telemetry: Telemetry
    cluster_id: str
    tombstones_live_seconds: float


class DeadLetter:
    """A record that is no valid event, kept byte for byte with where it stood and why."""

    __slots__ = ("headers", "record", "topic")

    def __init__(self, topic: str, record: ConsumerRecord, why: Malformed) -> None:
        self.topic = dead_letters(topic)
        self.record = record
        self.headers = [
            ("reason", why.reason.encode()),
            ("detail", why.detail[:_DETAIL_CHARACTERS].encode(errors="replace")),
            ("source-partition", str(record.partition).encode()),
            ("source-offset", str(record.offset).encode()),
        ]


class Partition:
    """The accounts of partition `number`, and everything that keeps them durable.

    `live` says that they are restored and owned: only then may anybody be shown them. `remaining` counts the changelog
    records still to be restored, `read_at` has the timestamp of the last record read of each topic (milliseconds), and
    `hole` is the topic and offset at which records were missing and asked for again.
    """

    def __init__(self, number: int, ground: Ground, store: Store) -> None:
        self.number = number
        self.live = False
        self.lock = asyncio.Lock()
        self.offsets: dict[str, int] = {}
        self.read_at: dict[str, int] = {}
        self.remaining = 0
        self.hole: tuple[str, int] | None = None
        self._ground = ground
        self._store = store
        self._changelog = ground.settings.topic(order_states(ground.settings.group))
        self._origin = f"{ground.cluster_id}/{self._changelog}/{number}"
        self._changelog_offset = 0
        self._producer: AIOKafkaProducer | None = None
        self._intact = False
        self._dead: list[DeadLetter] = []
        self._told: list[tuple[bytes, bytes]] = []
        self._sweep: list[str] = []
        self.accounts = self._empty()

    def _empty(self) -> Accounts:
        return Accounts(self._ground.rules, self._ground.evaluation)

    # Opening: fence, then read what is committed, then restore.

    async def open(self, consumer: AIOKafkaConsumer) -> None:
        """Fence whoever had the partition before, and be where the group's committed offsets are."""
        self._producer = await self._fence()
        committed = await self._committed(consumer)
        if not (self._intact and committed == self.offsets):
            await self._restore()
        self.offsets = committed
        self._intact = True
        self.accounts.roll()
        self._sweep = list(self.accounts.sellers)
        self.live = True

    async def _fence(self) -> AIOKafkaProducer:
        settings = self._ground.settings
        producer = AIOKafkaProducer(
            **connection(settings),
            transactional_id=f"{settings.topic_prefix}{settings.group}-{self.number}",
            transaction_timeout_ms=int(TRANSACTION_TIMEOUT_SECONDS * 1000),
            request_timeout_ms=int(DELIVERY_TIMEOUT_SECONDS * 1000),
            max_batch_size=_BATCH_BYTES,
            max_request_size=_REQUEST_BYTES,
            acks="all",
        )
        try:
            await producer.start()
        except BaseException:
            await producer.stop()
            raise
        return producer

    async def _committed(self, consumer: AIOKafkaConsumer) -> dict[str, int]:
        offsets = {}
        for topic in CONVERTERS:
            offset = await consumer.committed(self._source(topic))
            if offset is not None:
                offsets[topic] = offset
        return offsets

    def _source(self, topic: str) -> TopicPartition:
        return TopicPartition(self._ground.settings.topic(topic), self.number)

    async def _restore(self) -> None:
        """Rebuild the accounts from the local disk and, from there on, from the changelog."""
        self.accounts = self._empty()
        self._dead.clear()
        self._told.clear()
        position = self._store.position(self._origin, self._ground.tombstones_live_seconds)
        changelog = AIOKafkaConsumer(
            **connection(self._ground.settings),
            isolation_level="read_committed",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_partition_fetch_bytes=8 * 1024 * 1024,
        )
        await changelog.start()
        try:
            await self._restore_from(changelog, position)
        finally:
            await changelog.stop()
            self.remaining = 0

    async def _restore_from(self, changelog: AIOKafkaConsumer, position: Position | None) -> None:
        source = TopicPartition(self._changelog, self.number)
        changelog.assign([source])
        end = (await changelog.end_offsets([source]))[source]
        if position is None or position.changelog_offset > end:
            self._store.clear()
            self._changelog_offset = 0
        else:
            await self._restore_from_disk()
            self._changelog_offset = position.changelog_offset
        changelog.seek(source, self._changelog_offset)
        while (at := await changelog.position(source)) < end:
            self.remaining = end - at
            for records in (await changelog.getmany(timeout_ms=500, max_records=5_000)).values():
                self._restore_records(records)
        self._changelog_offset = end

    async def _restore_from_disk(self) -> None:
        for read, (key, packed) in enumerate(self._store.states()):
            self.accounts.restore(key, packed)
            if read % 5_000 == 0:
                await asyncio.sleep(0)

    def _restore_records(self, records: Sequence[ConsumerRecord]) -> None:
        restored: dict[OrderKey, bytes | None] = {}
        for record in records:
            key = unpack_key(record.key)
            restored[key] = record.value
            self.accounts.restore(key, record.value)
        self._store.write(restored, Position(self._origin, records[-1].offset + 1, time.time()))

    # A round: fold, then commit.

    def fold(self, topic: str, records: Sequence[ConsumerRecord]) -> None:
        """Decode and fold the records of one topic; `commit` must follow."""
        with self._ground.telemetry.round.labels("decode_and_fold").time():
            self._fold(topic, records)

    def _fold(self, topic: str, records: Sequence[ConsumerRecord]) -> None:
        convert, apply, first = CONVERTERS[topic], self.accounts.apply, self.offsets.get(topic, 0)
        ignored: Counter[str] = Counter()
        reclassified: list[Applied] = []
        told = self._told
        newest: int | None = None
        for record in records:
            if record.offset < first:
                continue
            event = decode(convert, record.key, record.value, record.timestamp)
            if isinstance(event, Malformed):
                self._dead.append(DeadLetter(topic, record, event))
                continue
            if newest is None or event.thing.event_time > newest:
                newest = event.thing.event_time
            applied = apply(event)
            if isinstance(applied, str):
                ignored[applied] += 1
            elif applied.before != applied.after:
                cause = Cause(topic, self.number, record.offset, event)
                told.extend([(record.key, value) for value in health_changes(cause, applied)])
                if applied.before is not None:
                    reclassified.append(applied)
        self.offsets[topic] = records[-1].offset + 1
        self.read_at[topic] = records[-1].timestamp
        self._observe(topic, records, ignored, newest)
        self._observe_reclassified(reclassified)

    def _observe_reclassified(self, reclassified: Sequence[Applied]) -> None:
        figures: Counter[tuple[str, str]] = Counter()
        for applied in reclassified:
            for _, told in moves(applied):
                figures.update([(figure, "entered") for figure in told.entered])
                figures.update([(figure, "left") for figure in told.left])
        for (figure, direction), times in figures.items():
            self._ground.telemetry.reclassifications.labels(figure, direction).inc(times)

    def _observe(
        self, topic: str, records: Sequence[ConsumerRecord], ignored: Mapping[str, int], newest: int | None
    ) -> None:
        telemetry = self._ground.telemetry
        telemetry.events.labels(topic).inc(len(records))
        for reason, times in ignored.items():
            telemetry.ignored.labels(topic, reason).inc(times)
        if newest is not None:
            telemetry.note_event_time(topic, newest)
        telemetry.event_to_visible.observe([record.timestamp for record in records], time.time())

    def expire(self, sellers: int) -> bool:
        """Let some sellers' orders that are older than is kept go; return whether anything has to be committed."""
        batch, self._sweep = self._sweep[:sellers], self._sweep[sellers:]
        self.accounts.expire(batch)
        return bool(self.accounts.changed)

    def roll(self) -> None:
        """Move every window to its marketplace's evaluation day, and begin a sweep for what is too old."""
        self.accounts.roll()
        self._sweep = list(self.accounts.sellers)

    async def commit(self) -> None:
        """Make the round durable: one transaction, then the disk. Raises `Fenced` where the partition is lost."""
        assert self._producer is not None  # noqa: S101 - opened before anything is folded
        self._intact = False
        changed = self.accounts.take_changed()
        with self._ground.telemetry.round.labels("changelog").time():
            await self._producer.begin_transaction()
            acknowledged = await self._send_all(changed)
            if self.offsets:
                offsets = {self._source(topic): offset for topic, offset in self.offsets.items()}
                await self._producer.send_offsets_to_transaction(offsets, self._ground.settings.group)
            await self._producer.commit_transaction()
        self._changelog_offset = max(self._changelog_offset, acknowledged)
        self._intact = True
        with self._ground.telemetry.round.labels("disk").time():
            self._store.write(changed, Position(self._origin, self._changelog_offset, time.time()))
        for letter in self._dead:
            reason = letter.headers[0][1].decode()
            self._ground.telemetry.dead_letters.labels(letter.topic.removesuffix(".dead-letters"), reason).inc()
        self._dead.clear()
        self._told.clear()

    async def _send_all(self, changed: Mapping[OrderKey, bytes | None]) -> int:
        """Send everything of the round and await its acknowledgements.

        Returns an offset of the changelog at or before which everything is on the disk once this round is: that of the
        last batch, which a restore reads again to no effect.
        """
        states = [(pack_key(key), packed) for key, packed in changed.items()]
        changelog = await self._send_batches(self._changelog, states)
        others = await self._send_batches(self._ground.settings.topic(HEALTH_CHANGES), self._told)
        others += [await self._send_dead_letter(letter) for letter in self._dead]
        acknowledged = await asyncio.gather(*changelog)
        await asyncio.gather(*others)
        return acknowledged[-1].offset if acknowledged else 0

    async def _send_batches(self, topic: str, records: Sequence[tuple[bytes, bytes | None]]) -> list[Awaitable[Any]]:
        assert self._producer is not None  # noqa: S101 - opened before anything is folded
        sent, batch = [], self._producer.create_batch()
        for key, value in records:
            if batch.append(timestamp=None, key=key, value=value) is None:
                sent.append(await self._producer.send_batch(batch, topic, partition=self.number))
                batch = self._producer.create_batch()
                batch.append(timestamp=None, key=key, value=value)
        if batch.record_count():
            sent.append(await self._producer.send_batch(batch, topic, partition=self.number))
        return sent

    async def _send_dead_letter(self, letter: DeadLetter) -> Awaitable[Any]:
        assert self._producer is not None  # noqa: S101 - opened before anything is folded
        sent: Awaitable[Any] = await self._producer.send(
            self._ground.settings.topic(letter.topic),
            key=letter.record.key,
            value=letter.record.value,
            headers=letter.headers,
            partition=self.number,
        )
        return sent

    # Closing.

    async def release(self) -> None:
        """Give the partition up; its state stays in memory, to be used again if nobody else moves it meanwhile."""
        self.live = False
        producer, self._producer = self._producer, None
        if producer is not None:
            await producer.stop()

    def close(self) -> None:
        """Release the files."""
        self._store.close()
