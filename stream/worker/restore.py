"""Rebuilding one partition's accounts: from the local disk and, from there on, from the changelog."""

import asyncio
import logging
import time
from collections.abc import Sequence
from typing import Final

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.structs import ConsumerRecord
from msgspec.structs import replace

from stream.accounts import Accounts
from stream.changelog import FOOTING_KEY, Entry, Footing, changelog_reader, unpack_footing, unpack_key
from stream.connection import KafkaError
from stream.topics import order_states
from stream.worker.ground import Ground, Reach
from stream.worker.store import DamagedError, Position, Store

_LOG: Final = logging.getLogger(__name__)
_SLICE: Final = 5_000
_SETTLE_SECONDS: Final = 5.0


class Restore:
    """One restore of partition `number`, into accounts that are empty.

    `footing` is what was found of it, `position` is up to where everything was read, `remaining` counts the records
    still to come.
    """

    def __init__(self, ground: Ground, number: int, store: Store, accounts: Accounts, reach: Reach) -> None:
        self.footing: Footing | None = None
        self.remaining = 0
        self._ground = ground
        self._number = number
        self._store = store
        self._accounts = accounts
        self._reach = reach
        settings = ground.settings
        self._source = TopicPartition(settings.topic(order_states(settings.group)), number)
        self.position = Position(f"{ground.cluster_id}/{self._source.topic}/{number}", 0, 0)

    async def run(self) -> None:
        """Restore everything that is committed, and what can't be told yet whether it is."""
        async with changelog_reader(self._ground.settings, "read_committed") as reader:
            reader.assign([self._source])
            end = await self._end(reader)
            await self._from_disk(reader)
            await self._replay(reader, end)
            await self._beyond(reader)
        self.remaining = 0

    async def _end(self, reader: AIOKafkaConsumer) -> int:
        end: int = (await reader.end_offsets([self._source]))[self._source]
        return end

    # The disk.

    async def _from_disk(self, reader: AIOKafkaConsumer) -> None:
        position = self._store.position(self.position.origin, self._ground.tombstones_live_seconds)
        if position is not None and await self._is_of_this_log(reader, position):
            try:
                await self._entries_on_disk()
            except DamagedError as damaged:
                _LOG.warning("local state of partition %d is damaged: %s", self._number, damaged)
            else:
                self.position = position
                return
        self._accounts.clear()
        self.footing = None
        self._store.clear()

    async def _is_of_this_log(self, reader: AIOKafkaConsumer, position: Position) -> bool:
        """Return whether the position is one of this very changelog: a topic may be deleted, and made again."""
        if position.changelog_offset > await self._end(reader):
            return False
        newer = (await reader.offsets_for_times({self._source: position.written_at + 1}))[self._source]
        return newer is None or newer.offset >= position.changelog_offset

    async def _entries_on_disk(self) -> None:
        for read, (key, value) in enumerate(self._store.entries()):
            self._take(key, value)
            if read % _SLICE == 0:
                self._reach("restoring")
                await asyncio.sleep(0)

    # The changelog.

    async def _replay(self, reader: AIOKafkaConsumer, end: int, *, in_doubt: bool = False) -> None:
        reader.seek(self._source, self.position.changelog_offset)
        while (at := await reader.position(self._source)) < end:
            self.remaining = end - at
            for records in (await reader.getmany(timeout_ms=500, max_records=_SLICE)).values():
                self._take_records(records, in_doubt=in_doubt)
                self._reach("restoring")
        self.position = replace(self.position, changelog_offset=max(self.position.changelog_offset, end))

    async def _beyond(self, reader: AIOKafkaConsumer) -> None:
        """Read what lies beyond the last stable offset, where it stays below the end of the log.

        Whoever had the partition before is fenced, so its transaction ends at once; only a broker that lost a
        transaction's markers in a crash leaves one open for ever. The group's offsets may rest on it: so it is folded
        too, which is never wrong (a state is made of events that were read), and stored again with the next round.
        """
        async with changelog_reader(self._ground.settings, "read_uncommitted") as every:
            every.assign([self._source])
            high = await self._end(every)
            given_up = time.monotonic() + _SETTLE_SECONDS
            while self.position.changelog_offset < high and time.monotonic() < given_up:
                await asyncio.sleep(0.1)
                await self._replay(reader, await self._end(reader))
            if self.position.changelog_offset < high:
                _LOG.warning(
                    "partition %d: reading %d records in doubt", self._number, high - self.position.changelog_offset
                )
                await self._replay(every, high, in_doubt=True)

    def _take_records(self, records: Sequence[ConsumerRecord], *, in_doubt: bool) -> None:
        entries: list[Entry] = [(record.key, record.value) for record in records]
        for record, (key, value) in zip(records, entries, strict=True):
            try:
                self._take(key, value, in_doubt=in_doubt)
            except (msgspec.MsgspecError, TypeError) as problem:
                where = f"{self._source.topic}, partition {self._number}, offset {record.offset}"
                raise KafkaError(
                    f"no worker of this version wrote the changelog's record at {where}: {problem}; "
                    "another STREAM_GROUP reads everything anew"
                ) from None
        self.position = replace(self.position, changelog_offset=record.offset + 1, written_at=record.timestamp)
        if not in_doubt:
            self._store.write(entries, self.position)

    def _take(self, key: bytes, value: bytes | None, *, in_doubt: bool = False) -> None:
        if key != FOOTING_KEY:
            self._accounts.restore(unpack_key(key), value, in_doubt=in_doubt)
        elif value is not None and not in_doubt:
            self.footing = unpack_footing(value)
