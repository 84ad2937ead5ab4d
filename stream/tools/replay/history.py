"""What a replay reads: the input topics, partition by partition, or a file of lines, dealt out by seller."""

import asyncio
import time
import zlib
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import Final, NamedTuple, Protocol

import msgspec
from rich.console import Console

from stream.decode import CONVERTERS, decode
from stream.events import Event
from stream.settings import Settings
from stream.tools.lines import Record, open_lines, read_line
from stream.tools.reading import reading
from stream.tools.topics import input_partitions

_PACKETS: Final = 16
"""How many parts a file is dealt out into."""

_SLICE: Final = 1_000

Advance = Callable[[int], None]
"""Is told how many more records have been read."""


class Past(NamedTuple):
    """A record of the past with its topic and Kafka's timestamp (milliseconds since the epoch)."""

    topic: str
    record: Record
    timestamp: int


class Plan(msgspec.Struct, frozen=True):
    """What a replay was begun with, kept so that it can go on with the same: how much there is, and where topics end.

    `ends` is by topic and partition; `began_at` is in seconds since the epoch, `name` what the replay is called.
    """

    name: str
    began_at: float
    records: int
    ends: dict[str, dict[int, int]] = {}


class History(Protocol):
    """Events of the past in parts that share no seller; small enough to be sent to another process."""

    @property
    def parts(self) -> list[int]:
        """The numbers of its parts."""

    def records(self, part: int, advance: Advance) -> Iterator[Sequence[Past]]:
        """Yield the records of a part that were read, a fetch at a time."""


class Source(Protocol):
    """Where history is: something that can be planned once, and then read as often as needed."""

    @property
    def identity(self) -> str:
        """What it is, in words: another source has another one."""

    def plan(self, directory: Path, name: str, console: Console) -> Plan:
        """Look at the source, and prepare in `directory` what reading it needs."""

    def history(self, directory: Path, plan: Plan) -> History:
        """Return the history that was planned."""


def events(history: History, part: int, seller: str | None, advance: Advance) -> list[Event]:
    """Return the valid events of a part, of one seller or of all of them, in the order in which they are read."""
    key = None if seller is None else seller.encode()
    found = (
        decode(CONVERTERS[topic], record.key, record.value, timestamp)
        for records in history.records(part, advance)
        for topic, record, timestamp in records
        if key is None or record.key == key
    )
    return [event for event in found if isinstance(event, Event)]


# The input topics.


class TopicSource(msgspec.Struct, frozen=True):
    """The input topics under the settings' prefix."""

    settings: Settings

    @property
    def identity(self) -> str:
        """The topics and their broker."""
        return f"topics {self.settings.topic_prefix}* at {self.settings.brokers}"

    def plan(self, directory: Path, name: str, console: Console) -> Plan:  # noqa: ARG002 - nothing is prepared
        """Note where the topics end now; raises KafkaError where one is missing."""
        return asyncio.run(self._plan(name))

    async def _plan(self, name: str) -> Plan:
        ends: dict[str, dict[int, int]] = {topic: {} for topic in CONVERTERS}
        records = 0
        for number in range(await input_partitions(self.settings)):
            for topic in CONVERTERS:
                async with reading(self.settings, topic, number) as source:
                    ends[topic][number] = source.end
                    records += source.end - source.first
        return Plan(name, time.time(), records, ends)

    def history(self, directory: Path, plan: Plan) -> "TopicHistory":  # noqa: ARG002 - nothing was prepared
        """Return the topics up to where they ended."""
        return TopicHistory(self.settings, plan.ends)


class TopicHistory(msgspec.Struct, frozen=True):
    """The input topics up to the offsets where they ended when the replay began; a part is a partition."""

    settings: Settings
    ends: dict[str, dict[int, int]]

    @property
    def parts(self) -> list[int]:
        """The partitions."""
        return sorted(next(iter(self.ends.values())))

    def records(self, part: int, advance: Advance) -> Iterator[Sequence[Past]]:
        """Yield the records of a partition, topic by topic."""
        loop = asyncio.new_event_loop()
        fetches = self._fetches(part)
        try:
            while records := loop.run_until_complete(anext(fetches, None)):
                yield records
                advance(len(records))
        finally:
            loop.run_until_complete(fetches.aclose())
            loop.close()

    async def _fetches(self, part: int) -> AsyncGenerator[Sequence[Past], None]:
        for topic in self.ends:
            async with reading(self.settings, topic, part) as source:
                async for records in source.fetches(self.ends[topic][part]):
                    yield [Past(topic, Record(topic, record.key, record.value), record.timestamp) for record in records]


# A file.


class FileSource(msgspec.Struct, frozen=True):
    """A file of lines, as `odr archive` writes it."""

    path: Path

    @property
    def identity(self) -> str:
        """The file as it is now."""
        about = self.path.stat()
        return f"file {self.path.absolute()}, {about.st_size} bytes of {about.st_mtime_ns}"

    def plan(self, directory: Path, name: str, console: Console) -> Plan:
        """Deal the file out into packets by seller; raises LinesError where it can't be read.

        A line that can't be used is told and skipped.
        """
        packets = [(directory / f"packet-{number}.jsonl").open("wb") for number in range(_PACKETS)]
        dealt = 0
        with ExitStack() as opened, open_lines(self.path, console) as lines:
            for packet in packets:
                opened.enter_context(packet)
            for number, line in enumerate(lines, 1):
                record = read_line(line) if line.strip() else ""
                if isinstance(record, Record):
                    packets[zlib.crc32(record.key or b"") % _PACKETS].write(line.rstrip(b"\n") + b"\n")
                    dealt += 1
                elif record:
                    console.print(f"{self.path}:{number}: {record}", markup=False, highlight=False, soft_wrap=True)
        return Plan(name, time.time(), dealt)

    def history(self, directory: Path, plan: Plan) -> "FileHistory":
        """Return what has been dealt out."""
        return FileHistory(directory, int(plan.began_at * 1000))


class FileHistory(msgspec.Struct, frozen=True):
    """Packets of lines by seller, so that no process needs the whole file in memory.

    A file has no timestamps of records: each counts as recorded `now` (milliseconds since the epoch).
    """

    directory: Path
    now: int

    @property
    def parts(self) -> list[int]:
        """The packets."""
        return list(range(_PACKETS))

    def records(self, part: int, advance: Advance) -> Iterator[Sequence[Past]]:
        """Yield the records of a packet."""
        with (self.directory / f"packet-{part}.jsonl").open("rb") as lines:
            while batch := list(islice(lines, _SLICE)):
                read = (read_line(line) for line in batch)
                yield [Past(record.topic, record, self.now) for record in read if isinstance(record, Record)]
                advance(len(batch))
