"""Reading what Kafka has, up to where it ended at the start."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Final, Literal, NamedTuple, Self

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError as ClientError
from aiokafka.structs import ConsumerRecord
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from stream.connection import KafkaError, connection
from stream.fetching import fetch
from stream.settings import Settings
from stream.tools.letters.letter import Letter, Place, Spot
from stream.topics import dead_letters

STILL_SECONDS: Final = 60.0
"""How long a broker may give nothing before that is told as an error."""

_FETCH_BYTES: Final = 4 * 1024 * 1024
_POLL_MS: Final = 200
_RETRY_MS: Final = 20  # the client learns of one topic after the other, by trying again
_STOP_SECONDS: Final = 5.0
_WAIT_MS: Final = 10  # the client asks behind a partition's end, too, and the next partition waits for that answer

Isolation = Literal["read_committed", "read_uncommitted"]
Advance = Callable[[int], None]
"""Told how many offsets further a reading is."""


class Span(NamedTuple):
    """Offsets of a partition, the last one not included."""

    start: int
    end: int


Spans = Mapping[TopicPartition, Span]


def length(spans: Spans) -> int:
    """Return how many offsets these spans have."""
    return sum(span.end - span.start for span in spans.values())


@contextmanager
def one_line_errors(settings: Settings) -> Iterator[None]:
    """Tell what the Kafka client raises as a KafkaError."""
    try:
        yield
    except TimeoutError:
        raise KafkaError(
            f"the broker at STREAM_BROKERS={settings.brokers} has taken nothing for {STILL_SECONDS:.0f} seconds"
        ) from None
    except (ClientError, UnicodeDecodeError) as problem:
        raise KafkaError(f"the broker at STREAM_BROKERS={settings.brokers} says: {problem}") from problem


class Bar:
    """A progress bar of one line, as a context: drawn where the console is a terminal, gone at the end."""

    def __init__(self, console: Console) -> None:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._progress = Progress(*columns, console=console, disable=not console.is_terminal, transient=True)
        self._task = self._progress.add_task("", start=False)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def begin(self, what: str, total: int) -> None:
        """Begin anew, for something else."""
        self._progress.reset(self._task, description=what, total=total)

    def advance(self, steps: int) -> None:
        """Go so many steps further."""
        self._progress.advance(self._task, steps)


class Reader:
    """Reads partitions span by span, as an async context; the topics must be there."""

    def __init__(self, settings: Settings, isolation: Isolation) -> None:
        self._settings = settings
        self._isolation = isolation

    async def __aenter__(self) -> Self:
        self._consumer = AIOKafkaConsumer(
            **connection(self._settings),
            isolation_level=self._isolation,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_partition_fetch_bytes=_FETCH_BYTES,
            fetch_max_wait_ms=_WAIT_MS,
            retry_backoff_ms=_RETRY_MS,
        )
        try:
            with one_line_errors(self._settings):
                await self._consumer.start()
        except BaseException:
            await self._consumer.stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Where the broker has gone, this may end as cancelled, or not at all; a reader leaves nothing behind.
        await asyncio.wait([asyncio.ensure_future(self._consumer.stop())], timeout=_STOP_SECONDS)

    async def spans(self, topics: Iterable[str], partitions: int) -> dict[TopicPartition, Span]:
        """Return the spans of everything that is now in these topics (without prefix), leaving out what is empty."""
        names = [self._settings.topic(topic) for topic in topics]
        sources = [TopicPartition(name, number) for name in names for number in range(partitions)]
        with one_line_errors(self._settings):
            starts = await self._consumer.beginning_offsets(sources)
            ends = await self._consumer.end_offsets(sources)
        spans = {source: Span(starts[source], ends[source]) for source in sources}
        return {source: span for source, span in spans.items() if span.start < span.end}

    async def since(self, timestamps_ms: Mapping[TopicPartition, int]) -> dict[TopicPartition, int | None]:
        """Return the first offset with a timestamp that is not before the given one, or None where all are before."""
        asked = {source: max(0, timestamp) for source, timestamp in timestamps_ms.items()}
        with one_line_errors(self._settings):
            found = await self._consumer.offsets_for_times(asked) if asked else {}
        return {source: None if at is None else at.offset for source, at in found.items()}

    async def records(self, spans: Spans, advance: Advance) -> AsyncGenerator[ConsumerRecord, None]:
        """Yield the records of the spans, one span after the other; raises KafkaError where no more come."""
        for source, span in spans.items():
            self._consumer.assign([source])
            self._consumer.seek(source, span.start)
            at, moved_at = span.start, time.monotonic()
            while at < span.end:
                fetched = await self._fetch(source)
                for record in fetched:
                    if record.offset < span.end:
                        yield record
                before, at = at, min(await self._consumer.position(source), span.end)
                advance(at - before)
                moved_at = time.monotonic() if at > before else moved_at
                self._require_moved_since(moved_at, source)

    async def _fetch(self, source: TopicPartition) -> list[ConsumerRecord]:
        with one_line_errors(self._settings):
            at = await self._consumer.position(source)
            fetched = await fetch(self._consumer, {source: at}, timeout_ms=_POLL_MS)
        return fetched.get(source, [])

    def _require_moved_since(self, moved_at: float, source: TopicPartition) -> None:
        if time.monotonic() - moved_at > STILL_SECONDS:
            raise KafkaError(
                f"the broker at STREAM_BROKERS={self._settings.brokers} gave nothing of {source.topic} for "
                f"{STILL_SECONDS:.0f} seconds"
            )

    async def letters(self, topic: str, spans: Spans, advance: Advance) -> AsyncGenerator[Letter, None]:
        """Yield the dead letters of an input topic (without prefix) that are in these spans."""
        name = self._settings.topic(dead_letters(topic))
        async for record in self.records({at: span for at, span in spans.items() if at.topic == name}, advance):
            place = Place(topic, Spot(record.partition, record.offset))
            yield Letter(place, record.timestamp, record.key, record.value, record.headers)
