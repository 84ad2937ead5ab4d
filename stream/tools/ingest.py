"""`odr ingest events`: a file of events into the input topics.

Each line is `{"topic", "key", "value"}`; the value goes to Kafka as its bytes stand in the file. Whether it is a valid
event is the worker's to judge.
"""

import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

import msgspec
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from stream.lines import one_line
from stream.settings import Settings
from stream.tools.produce import Producer
from stream.topics import INPUT_TOPICS

_TOPICS: Final = frozenset(INPUT_TOPICS)
_MOST_BYTES: Final = 1_048_000  # with what Kafka puts around them, 1 MiB: a topic's own limit, unless it is set


class IngestError(Exception):
    """The file can't be read; the message is one line for the user."""


class Line(msgspec.Struct):
    """One line of an events file."""

    topic: str
    value: msgspec.Raw
    key: str | None = None


class Outcome(NamedTuple):
    """How many records went to Kafka, and how many lines could not."""

    produced: int
    refused: int


_decode = msgspec.json.Decoder(Line).decode


def read_line(line: bytes) -> Line | str:
    """Return what a line says, or why it can't be used."""
    try:
        read = _decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as problem:
        return str(problem)
    if read.topic not in _TOPICS:
        return f"no known topic: {read.topic[:100]!r}; known are {', '.join(INPUT_TOPICS)}"
    size = len(read.value) + len((read.key or "").encode())
    if size > _MOST_BYTES:
        return f"key and value are {size} bytes; Kafka takes no record above 1 MiB"
    return read


async def ingest(settings: Settings, path: Path, console: Console) -> Outcome:
    """Produce every line of a file, compressed where it ends in `.gz`; lines that can't be used are told and skipped.

    Raises IngestError where the file can't be read to its end.
    """
    produced = refused = 0
    async with Producer(settings) as producer:
        with _open(path, console) as lines:
            for number, line in enumerate(lines, 1):
                if not line.strip():
                    continue
                read = read_line(line)
                if isinstance(read, str):
                    refused += 1
                    told = one_line(f"{path}:{number}: {read}")
                    console.print(told, markup=False, highlight=False, soft_wrap=True)
                    continue
                key = None if read.key is None else read.key.encode()
                value = bytes(read.value)
                await producer.add(read.topic, key, None if value == b"null" else value)
                produced += 1
    return Outcome(produced, refused)


@contextmanager
def _open(path: Path, console: Console) -> Iterator[Iterator[bytes]]:
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    try:
        with (
            Progress(*columns, console=console, disable=not console.is_terminal) as progress,
            progress.open(path, "rb", description=one_line(path.name)) as file,
        ):
            yield iter(_unpacked(path, file))
    except (OSError, EOFError, zlib.error) as problem:
        raise IngestError(f"{path}: {problem}") from None


def _unpacked(path: Path, file: BinaryIO) -> BinaryIO:
    return io.BufferedReader(gzip.GzipFile(fileobj=file)) if path.suffix == ".gz" else file
