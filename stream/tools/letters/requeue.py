"""`odr dead-letters requeue`: the records of dead letters back into the input topic, byte for byte.

Of each topic, the letters are read once to see which ones are selected and which records they are about; then the part
of the input topic that can hold what was put back before; then the letters again, to put back what the ledger lets.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

from aiokafka import TopicPartition
from rich.console import Console

from stream.settings import Settings
from stream.tools.letters.ledger import Bound, Ledger, Target, Why, requeued_from
from stream.tools.letters.letter import Letter
from stream.tools.letters.reading import STILL_SECONDS, Bar, Reader, Span, Spans, length, one_line_errors
from stream.tools.letters.selection import Selection
from stream.tools.produce import Producer
from stream.tools.topics import largest_batches, partitions_of
from stream.topics import REQUEUED_FROM, dead_letters


@dataclass(slots=True)
class Outcome:
    """How many letters were put back, and how many were left alone and why."""

    put_back: int = 0
    left_alone: Counter[Why] = field(default_factory=Counter)


PutBack = Callable[[Letter], None]


async def requeue(
    settings: Settings, selection: Selection, console: Console, *, again: bool, instead: PutBack | None = None
) -> Outcome:
    """Put the selected letters' records back; with `instead` that is called for each of them, and nothing changes.

    Letters that come while this runs are not looked at. Raises KafkaError where the broker or a topic is missing, or
    goes away: then what is back stays back, and another run goes on.
    """
    async with AsyncExitStack() as stack:
        run = _Run(settings, selection, again)
        await run.open(stack, dry=instead is not None)
        bar = stack.enter_context(Bar(console))
        for topic in selection.topics:
            await run.topic(topic, bar, instead)
    return run.outcome


class _Run:
    """One run: what it reads was there when it was opened."""

    def __init__(self, settings: Settings, selection: Selection, again: bool) -> None:
        self.outcome = Outcome()
        self._settings = settings
        self._selection = selection
        self._again = again
        self._producer: Producer | None = None

    async def open(self, stack: AsyncExitStack, *, dry: bool) -> None:
        """Connect, and note where everything ends."""
        inputs, kept = self._selection.topics, [dead_letters(topic) for topic in self._selection.topics]
        self._partitions = await partitions_of(self._settings, [*inputs, *kept])
        self._rooms = await largest_batches(self._settings, inputs)
        self._letters = await stack.enter_async_context(Reader(self._settings, "read_committed"))
        # What was put back is in no transaction: nothing of it may hide behind somebody else's open one.
        self._inputs = await stack.enter_async_context(Reader(self._settings, "read_uncommitted"))
        self._spans = await self._letters.spans(kept, self._partitions)
        if not dry:
            self._producer = await stack.enter_async_context(Producer(self._settings))

    async def topic(self, topic: str, bar: Bar, instead: PutBack | None) -> None:
        """Put back what is to be put back of one input topic."""
        ledger = Ledger(Target(self._partitions, self._rooms[topic]), again=self._again)
        await self._survey(topic, ledger, bar)
        if not ledger.selected:
            return
        await self._look_for_what_is_back(topic, ledger, bar)
        await self._put_back(topic, ledger, bar, instead)

    async def _survey(self, topic: str, ledger: Ledger, bar: Bar) -> None:
        name = self._settings.topic(dead_letters(topic))
        own = {source: span for source, span in self._spans.items() if source.topic == name}
        bar.begin(f"{topic}: dead letters read", length(own))
        async for letter in self._letters.letters(topic, own, bar.advance):
            ledger.note(letter, selected=self._selection.holds(letter))

    async def _look_for_what_is_back(self, topic: str, ledger: Ledger, bar: Bar) -> None:
        spans = await self._searched(topic, ledger)
        bar.begin(f"{topic}: looking for what is back already", length(spans))
        async for record in self._inputs.records(spans, bar.advance):
            ledger.note_back(record.headers, record.key, record.value)

    async def _searched(self, topic: str, ledger: Ledger) -> Spans:
        bounds = {TopicPartition(self._settings.topic(topic), number): each for number, each in ledger.bounds.items()}
        if not bounds:
            return {}
        times = await self._inputs.since({source: bound.timestamp_ms for source, bound in bounds.items()})
        there = await self._inputs.spans([topic], self._partitions)
        return {
            source: behind(bound, there[source], times[source]) for source, bound in bounds.items() if source in there
        }

    async def _put_back(self, topic: str, ledger: Ledger, bar: Bar, instead: PutBack | None) -> None:
        bar.begin(f"{topic}: put back", ledger.selected)
        async for letter in self._letters.letters(topic, self._spans, lambda _: None):
            if not self._selection.holds(letter):
                continue
            why = ledger.why_left_alone(letter)
            if why is not None:
                self.outcome.left_alone[why] += 1
            else:
                ledger.put_back(letter)
                await self._send(letter, instead)
                self.outcome.put_back += 1
            bar.advance(1)
        await self._flush()

    async def _send(self, letter: Letter, instead: PutBack | None) -> None:
        if instead is not None:
            instead(letter)
        elif self._producer is not None:
            await self._in_time(
                self._producer.add(
                    letter.place.topic,
                    letter.key,
                    letter.value,
                    partition=letter.origin.partition,
                    headers=[(REQUEUED_FROM, requeued_from(letter))],
                )
            )

    async def _flush(self) -> None:
        if self._producer is not None:
            await self._in_time(self._producer.flush())

    async def _in_time(self, producing: Awaitable[None]) -> None:
        with one_line_errors(self._settings):
            async with asyncio.timeout(STILL_SECONDS):
                await producing


def behind(bound: Bound, there: Span, first_in_time: int | None) -> Span:
    """Return the part of a partition that can hold what was put back; None: no record has the bound's time yet."""
    start = min(bound.offset, there.end if first_in_time is None else first_in_time)
    return Span(max(there.start, start), there.end)
