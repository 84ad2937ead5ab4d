"""One partition number: its sellers' accounts, and the protocol that makes each round durable.

A round is what one fetch gave of all topics' partition p. It is folded in memory, then one Kafka transaction holds the
changed states, the dead letters, the health changes and the source offsets; then the local disk follows as a cache.
"""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.structs import ConsumerRecord
from msgspec.structs import replace

from stream.accounts import Accounts, Applied
from stream.agreement import agreed_rules, agreement
from stream.changelog import FOOTING_KEY, Entry, Footing, pack_footing, pack_key
from stream.decode import CONVERTERS, decode
from stream.evaluation import KeptDays
from stream.events import Malformed
from stream.shares import order_share
from stream.worker.changes import Cause, NewRules, health_changes, moves
from stream.worker.ground import Ground, Step
from stream.worker.restore import Restore
from stream.worker.store import Position, Store
from stream.worker.transactions import DeadLetter, Transactions, Written

_LOG: Final = logging.getLogger(__name__)


class Partition:
    """The accounts of partition `number`, and everything that keeps them durable.

    `live` says that they are restored and owned: only then may anybody be shown them. `offsets` has the next one to
    read of each topic, `read_at` the timestamp of the last record read of each (milliseconds), and `hole` is the topic
    and offset at which records were missing and asked for again. `moved_at` is when the last step was reached, by the
    monotonic clock.
    """

    def __init__(self, number: int, ground: Ground, store: Store) -> None:
        self.number = number
        self.live = False
        self.lock = asyncio.Lock()
        self.offsets: dict[str, int] = {}
        self.read_at: dict[str, int] = {}
        self.hole: tuple[str, int] | None = None
        self.moved_at = time.monotonic()
        self.step: Step = "restoring"
        self._ground = ground
        self._store = store
        self._agreed = agreement(ground.rules)
        self._transactions: Transactions | None = None
        self._intact = False
        self._dead: list[DeadLetter] = []
        self._told: list[tuple[bytes, bytes]] = []
        self._sweep: list[str] = []
        self._begin_anew()

    def _begin_anew(self) -> None:
        """Have empty accounts, to be restored."""
        ground = self._ground
        kept = KeptDays(
            ground.rules,
            ground.evaluation,
            guarded=not ground.settings.today,
            confirmed_day=ground.settings.last_confirmed_day,
        )
        self.accounts = Accounts(ground.rules, ground.evaluation, kept)
        self._intact = False
        self._dead.clear()
        self._told.clear()
        self._restore = Restore(ground, self.number, self._store, self.accounts, self.reach)
        self._position: Position = self._restore.position
        self._footing: Footing | None = None

    @property
    def remaining(self) -> int:
        """The changelog records still to be restored."""
        return self._restore.remaining

    @property
    def changelog_offset(self) -> int:
        """The changelog's next offset: between two rounds, all before it is what the accounts hold."""
        return self._position.changelog_offset

    def reach(self, step: Step) -> None:
        """Note that a step of the protocol has been reached."""
        self.step = step
        self.moved_at = time.monotonic()
        self._ground.reached(step, self.number)

    # Opening: fence, then read what is committed, then restore.

    async def open(self, consumer: AIOKafkaConsumer) -> None:
        """Fence whoever had the partition before, and be where the group's committed offsets are."""
        await self.release()  # of an attempt that failed half-way
        self._transactions = await Transactions.fence(self._ground, self.number, self.reach)
        committed = await self._committed(consumer)
        if not (self._intact and committed == self.offsets):
            self._begin_anew()
            await self._restore.run()
            self._position, self._footing = self._restore.position, self._restore.footing
            await self._tell_new_rules()
        self.offsets = committed
        self._intact = True
        self.roll(None if self._footing is None else self._footing.day)
        self.live = True

    async def _committed(self, consumer: AIOKafkaConsumer) -> dict[str, int]:
        offsets = {}
        for topic in CONVERTERS:
            offset = await consumer.committed(self._source(topic))
            if offset is not None:
                offsets[topic] = offset
        return offsets

    def _source(self, topic: str) -> TopicPartition:
        return TopicPartition(self._ground.settings.topic(topic), self.number)

    async def _tell_new_rules(self) -> None:
        """Tell what other settings than before change in the figures of every order kept, all or nothing."""
        before = self._footing
        if before is None or before.agreed == self._agreed:
            return
        footing = Footing(before.day, self._agreed, before.times + 1)
        rules = NewRules(self.number, footing.times, agreed_rules(before.agreed), self._ground.rules)
        _LOG.info("partition %d: settings have changed, telling what that changes", self.number)
        await self._write(Written(self._entries(footing), rules.told(self.accounts)), {})
        self._footing = footing

    # A round: fold, then commit.

    def fold(self, topic: str, records: Sequence[ConsumerRecord]) -> None:
        """Decode and fold the records of one topic; `commit` must follow."""
        self._intact = False
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
                if order_share(applied.before) is not None:
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

    def expire(self, sellers: int) -> None:
        """Let some sellers' orders that are older than is kept go."""
        batch, self._sweep = self._sweep[:sellers], self._sweep[sellers:]
        self.accounts.expire(batch)

    def roll(self, believed_day: int | None = None) -> None:
        """Move every window to its marketplace's evaluation day, and begin a sweep for what is too old."""
        kept = self.accounts.kept
        was_unconfirmed = kept.unconfirmed
        kept.follow(believed_day)
        self.accounts.roll()
        if kept.unconfirmed and not was_unconfirmed:
            _LOG.warning(
                "partition %d: the evaluation day has leapt by more than two days, so nothing is let go: "
                "put the clock right, or confirm the day with STREAM_CONFIRMED_DAY",
                self.number,
            )
        self._sweep = list(self.accounts.sellers)

    @property
    def _footing_now(self) -> Footing:
        return Footing(self.accounts.kept.day, self._agreed, 0 if self._footing is None else self._footing.times)

    @property
    def pending(self) -> bool:
        """Whether something has to be committed, even if nothing is fetched."""
        return bool(self.accounts.changed) or self._footing != self._footing_now

    async def commit(self) -> None:
        """Make the round durable: one transaction, then the disk. Raises `Fenced` where the partition is lost."""
        self._intact = False
        footing = self._footing_now
        offsets = {self._source(topic): offset for topic, offset in self.offsets.items()}
        await self._write(Written(self._entries(footing), self._told, self._dead), offsets)
        self._footing = footing
        self._intact = True
        for letter in self._dead:
            self._ground.telemetry.dead_letters.labels(letter.topic, letter.reason).inc()
        self._dead.clear()
        self._told.clear()

    def _entries(self, footing: Footing) -> list[Entry]:
        entries: list[Entry] = [(pack_key(key), packed) for key, packed in self.accounts.take_changed().items()]
        return entries if footing == self._footing else [*entries, (FOOTING_KEY, pack_footing(footing))]

    async def _write(self, written: Written, offsets: Mapping[TopicPartition, int]) -> None:
        assert self._transactions is not None  # noqa: S101 - opened before anything is folded
        with self._ground.telemetry.round.labels("changelog").time():
            reached = await self._transactions.commit(written, offsets)
        if reached is not None:
            self._position = replace(self._position, changelog_offset=reached.offset, written_at=reached.written_at)
        with self._ground.telemetry.round.labels("disk").time():
            self._store.write(written.entries, self._position)
        self.reach("stored")

    # Closing.

    async def release(self) -> None:
        """Give the partition up; its state stays in memory, to be used again if nobody else moves it meanwhile."""
        self.live = False
        transactions, self._transactions = self._transactions, None
        if transactions is not None:
            await transactions.stop()

    def close(self) -> None:
        """Release the files."""
        self._store.close()
