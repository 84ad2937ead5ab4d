"""One partition's transactional producer: what a round writes, all or nothing, and never beside another owner."""

import asyncio
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, Self

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import IllegalOperation, MessageSizeTooLargeError, ProducerFenced
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.structs import ConsumerRecord

from stream.changelog import Entry
from stream.connection import KafkaError, connection
from stream.events import Malformed
from stream.topics import HEALTH_CHANGES, REQUEUED_FROM, dead_letters, order_states
from stream.worker.ground import Ground, Reach

Fenced = ProducerFenced
"""Another worker has the partition, or the broker ended our transaction: the partition must be opened anew."""

TRANSACTION_TIMEOUT_SECONDS: Final = 60.0
DELIVERY_TIMEOUT_SECONDS: Final = 300.0
_CLOSE_SECONDS: Final = 4.0
_BATCH_BYTES: Final = 512 * 1024
_REQUEST_BYTES: Final = 64 * 1024 * 1024
_DETAIL_CHARACTERS: Final = 500
_PLAIN_BYTES: Final = 1024 * 1024
_GZIP: Final = 1  # Kafka's number for it


class DeadLetter:
    """A record that is no valid event, kept byte for byte with where it stood and why."""

    __slots__ = ("headers", "reason", "record", "topic")

    def __init__(self, topic: str, record: ConsumerRecord, why: Malformed) -> None:
        self.topic = topic
        self.reason = why.reason
        self.record = record
        self.headers = [
            ("reason", why.reason.encode()),
            ("detail", why.detail[:_DETAIL_CHARACTERS].encode(errors="replace")),
            ("source-partition", str(record.partition).encode()),
            ("source-offset", str(record.offset).encode()),
            # One that was put back and is malformed again says so: else it would be put back for ever.
            *((name, value) for name, value in record.headers if name == REQUEUED_FROM),
        ]

    @property
    def size(self) -> int:
        """The size of key and value."""
        return len(self.record.key or b"") + len(self.record.value or b"")


@dataclass(slots=True)
class Written:
    """What one transaction writes: entries of the changelog, health changes (key and value), and dead letters."""

    entries: Sequence[Entry] = ()
    told: Iterable[tuple[bytes, bytes]] = ()
    dead: Sequence[DeadLetter] = field(default_factory=list)


class Reached(NamedTuple):
    """The changelog's offset behind the last entry, and that entry's timestamp by the broker (milliseconds)."""

    offset: int
    written_at: int


class Transactions:
    """The transactions of partition `number`. Everything raises `Fenced` once another worker has begun its own."""

    def __init__(self, ground: Ground, number: int, reach: Reach, producer: AIOKafkaProducer) -> None:
        self._ground = ground
        self._number = number
        self._reach = reach
        self._producer = producer
        self._sent: list[Awaitable[Any]] = []

    @classmethod
    async def fence(cls, ground: Ground, number: int, reach: Reach) -> Self:
        """Return the transactions of a partition; whoever had it before is shut out, its open transaction aborted."""
        settings = ground.settings
        producer = AIOKafkaProducer(
            **connection(settings),
            transactional_id=f"{settings.topic_prefix}{settings.group}-{number}",
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
        return cls(ground, number, reach, producer)

    async def commit(self, written: Written, offsets: Mapping[TopicPartition, int]) -> Reached | None:
        """Commit everything that is written, and the group's source offsets with it.

        Returns where the changelog has got to, None where there is no entry.
        """
        await self._producer.begin_transaction()
        self._sent.clear()
        try:
            reached = await self._send_all(written)
        except IllegalOperation:  # the transaction has ended before all was sent: what was sent first tells why
            await asyncio.gather(*self._sent)
            raise
        self._reach("acknowledged")
        if offsets:
            await self._producer.send_offsets_to_transaction(offsets, self._ground.settings.group)
        self._reach("offsets_sent")
        await self._producer.commit_transaction()
        self._reach("committed")
        return reached

    async def stop(self) -> None:
        """Give the producer up; an open transaction stays open until another one fences it, or times out."""
        with suppress(TimeoutError):  # where the broker is gone, nothing can be delivered any more
            await asyncio.wait_for(self._producer.stop(), _CLOSE_SECONDS)

    async def _send_all(self, written: Written) -> Reached | None:
        """Send everything and await its acknowledgements: offsets sent before them have to be sent again."""
        settings = self._ground.settings
        entries = await self._send_batches(settings.topic(order_states(settings.group)), written.entries)
        others = [sent for sent, _ in await self._send_batches(settings.topic(HEALTH_CHANGES), written.told)]
        others += [await self._send_dead_letter(letter) for letter in written.dead]
        reached = None
        for sent, records in entries:
            batch = await sent
            reached = Reached(batch.offset + records, batch.timestamp)
        await asyncio.gather(*others)
        return reached

    async def _send_batches(
        self, topic: str, records: Iterable[tuple[bytes, bytes | None]]
    ) -> list[tuple[Awaitable[Any], int]]:
        """Return the batches sent, each with its number of records."""
        sent, batch = [], self._producer.create_batch()
        for key, value in records:
            if batch.append(timestamp=None, key=key, value=value) is None:
                sent.append(await self._send_batch(batch, topic))
                batch = self._producer.create_batch()
                batch.append(timestamp=None, key=key, value=value)
        if batch.record_count():
            sent.append(await self._send_batch(batch, topic))
        return sent

    async def _send_batch(self, batch: Any, topic: str) -> tuple[Awaitable[Any], int]:
        sent = await self._producer.send_batch(batch, topic, partition=self._number)
        self._sent.append(sent)
        return sent, batch.record_count()

    async def _send_dead_letter(self, letter: DeadLetter) -> Awaitable[Any]:
        topic = self._ground.settings.topic(dead_letters(letter.topic))
        if letter.size > _PLAIN_BYTES:
            return await self._send_compressed(topic, letter)
        key, value = letter.record.key, letter.record.value
        sent: Awaitable[Any]
        if key is None and value is None:  # Kafka takes such a record, but `send` doesn't
            batch = self._producer.create_batch()
            batch.append(timestamp=None, key=None, value=None, headers=letter.headers)
            sent, _ = await self._send_batch(batch, topic)
        else:
            sent = await self._producer.send(topic, value, key, partition=self._number, headers=letter.headers)
            self._sent.append(sent)
        return sent

    async def _send_compressed(self, topic: str, letter: DeadLetter) -> Awaitable[Any]:
        """Send a letter as it came: no broker takes a record of this size that isn't compressed."""
        batch = BatchBuilder(letter.size, _GZIP, is_transactional=True)
        batch.append(timestamp=None, key=letter.record.key, value=letter.record.value, headers=letter.headers)
        sent, _ = await self._send_batch(batch, topic)
        return _fitting(sent, f"a dead letter of {letter.size} bytes", topic)


async def _fitting(sent: Awaitable[Any], what: str, topic: str) -> None:
    try:
        await sent
    except MessageSizeTooLargeError:
        raise KafkaError(f"{what} doesn't fit into {topic}, even compressed: raise its max.message.bytes") from None
