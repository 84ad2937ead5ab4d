"""Reading one partition of a topic from its beginning to where it ends now, beside any group."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.structs import ConsumerRecord

from stream.connection import connection
from stream.fetching import fetch
from stream.settings import Settings

_FETCH_BYTES: Final = 4 * 1024 * 1024


class Reading:
    """One partition of a topic; `first` and `end` are its first offset and the one behind its last, as of now."""

    def __init__(self, reader: AIOKafkaConsumer, source: TopicPartition, first: int, end: int) -> None:
        self.first = first
        self.end = end
        self._reader = reader
        self._source = source

    async def fetches(self, end: int | None = None) -> AsyncIterator[Sequence[ConsumerRecord]]:
        """Yield all records, or all before offset `end`, a fetch at a time."""
        end = self.end if end is None else min(end, self.end)
        while (at := await self._reader.position(self._source)) < end:
            for records in (await fetch(self._reader, {self._source: at}, timeout_ms=1_000)).values():
                wanted = [record for record in records if record.offset < end]
                if wanted:
                    yield wanted


@asynccontextmanager
async def reading(settings: Settings, topic: str, number: int) -> AsyncIterator[Reading]:
    """Yield partition `number` of `topic` (without prefix), committed records only."""
    source = TopicPartition(settings.topic(topic), number)
    reader = AIOKafkaConsumer(
        **connection(settings),
        isolation_level="read_committed",
        enable_auto_commit=False,
        max_partition_fetch_bytes=_FETCH_BYTES,
    )
    await reader.start()
    try:
        reader.assign([source])
        first, end = (await reader.beginning_offsets([source]))[source], (await reader.end_offsets([source]))[source]
        reader.seek(source, first)
        yield Reading(reader, source, first, end)
    finally:
        await reader.stop()
