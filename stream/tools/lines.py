"""Records as lines of a file: what `odr archive` writes, and `odr ingest events` and `odr replay` read.

A line is a JSON object with `topic`, `key` (the seller id, or null) and `value`, which stands in it as its bytes are:

    {"topic":"orders","key":"A2SELLER","value":{"event_id":"01JD", ...}}

What can't stand there byte for byte (no UTF-8, no JSON, a line break between two tokens) is `value_base64`, a key that
is no UTF-8 `key_base64`; a record without value has `"value":null`. `partition` is there only where our own producers
would have chosen another one.
"""

import base64
import binascii
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

from stream.errors import UserError
from stream.lines import one_line
from stream.topics import INPUT_TOPICS

_TOPICS: Final = frozenset(INPUT_TOPICS)
_NULL: Final = b"null"


class LinesError(UserError):
    """The file can't be read; the message is one line for the user."""


class Record(NamedTuple):
    """One record of an input topic; `partition` None leaves the choice to the producer."""

    topic: str
    key: bytes | None
    value: bytes | None
    partition: int | None = None


class _Line(msgspec.Struct, omit_defaults=True):
    topic: str
    partition: int | None = None
    key: str | msgspec.UnsetType | None = msgspec.UNSET
    key_base64: str | None = None
    value: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    value_base64: str | None = None


_decode: Final = msgspec.json.Decoder(_Line).decode
_encode: Final = msgspec.json.Encoder().encode


def read_line(line: bytes) -> Record | str:
    """Return the record in a line, or why it can't be used."""
    try:
        read = _decode(line)
        key, value = _key(read), _value(read)
    except (msgspec.DecodeError, UnicodeError, RecursionError, binascii.Error) as problem:
        return str(problem)
    if isinstance(value, str):
        return value
    if read.topic not in _TOPICS:
        return f"no known topic: {read.topic[:100]!r}; known are {', '.join(INPUT_TOPICS)}"
    if read.partition is not None and read.partition < 0:
        return "partition accepts a whole number from 0"
    return Record(read.topic, key, value, read.partition)


def _key(line: _Line) -> bytes | None:
    if line.key_base64 is not None:
        return base64.b64decode(line.key_base64, validate=True)
    return line.key.encode() if isinstance(line.key, str) else None


def _value(line: _Line) -> bytes | str | None:
    if line.value_base64 is not None:
        return base64.b64decode(line.value_base64, validate=True)
    if isinstance(line.value, msgspec.UnsetType):
        return "Object missing required field `value`"
    value = bytes(line.value)
    return None if value == _NULL else value


def write_line(record: Record) -> bytes:
    """Return the line of a record, from which `read_line` makes the same record again."""
    line = _Line(record.topic, record.partition)
    try:
        line.key = None if record.key is None else record.key.decode()
    except UnicodeDecodeError:
        line.key_base64 = base64.b64encode(record.key or b"").decode()
    line.value = msgspec.Raw(_NULL if record.value is None else record.value)
    plain = _encode(line)
    if record.value is None or (_is_one_line(record.value) and read_line(plain) == record):
        return plain
    line.value, line.value_base64 = msgspec.UNSET, base64.b64encode(record.value).decode()
    return _encode(line)


def _is_one_line(value: bytes) -> bool:
    try:
        return "\n" not in value.decode()
    except UnicodeDecodeError:
        return False


@contextmanager
def open_lines(path: Path, console: Console) -> Iterator[Iterator[bytes]]:
    """Yield the lines of a file, unpacked where it ends in `.gz`, with a progress bar on a terminal.

    Raises LinesError where the file can't be read to its end.
    """
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
        raise LinesError(f"{path}: {problem}") from None


def _unpacked(path: Path, file: BinaryIO) -> BinaryIO:
    return io.BufferedReader(gzip.GzipFile(fileobj=file)) if path.suffix == ".gz" else file
