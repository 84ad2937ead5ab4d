"""`odr archive`: input topics into a file of lines, from which `odr ingest events` makes the same topics again.

Topics in their usual order, each partition from its beginning to where it ended when the archive was begun.
"""

import gzip
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from aiokafka.structs import ConsumerRecord
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from stream.errors import UserError
from stream.settings import Settings
from stream.tools.lines import Record, write_line
from stream.tools.reading import reading
from stream.tools.topics import input_partitions
from stream.topics import partition_for


class ArchiveError(UserError):
    """The file can't be written; the message is one line for the user."""


async def archive(settings: Settings, path: Path, topics: Sequence[str], console: Console) -> int:
    """Write every record of `topics` (without prefix) to a file, packed where it ends in `.gz`; return how many.

    The file is there when it is whole. Raises ArchiveError where it can't be written.
    """
    count = await input_partitions(settings)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    written = 0
    with _whole(path) as file, Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        for topic in topics:
            task = progress.add_task(topic, total=None)
            for number in range(count):
                async with reading(settings, topic, number) as source:
                    async for records in source.fetches():
                        file.write(b"".join(_line(topic, record, count) for record in records))
                        written += len(records)
                        progress.advance(task, len(records))
    return written


def _line(topic: str, record: ConsumerRecord, count: int) -> bytes:
    usual = 0 if record.key is None else partition_for(record.key, count)
    partition = None if record.partition == usual else record.partition
    return write_line(Record(topic, record.key, record.value, partition)) + b"\n"


@contextmanager
def _whole(path: Path) -> Iterator[IO[bytes] | gzip.GzipFile]:
    """Yield a file that takes its name only when all of it has been written."""
    unfinished = path.with_name(f"{path.name}.unfinished")
    try:
        with unfinished.open("wb") as raw:
            if path.suffix == ".gz":
                # Without a name and a time in it, the same records are the same file.
                with gzip.GzipFile("", "wb", 6, raw, mtime=0) as packed:
                    yield packed
            else:
                yield raw
        unfinished.rename(path)
    except OSError as problem:
        raise ArchiveError(f"{path}: {problem.strerror or problem}") from None
    finally:
        unfinished.unlink(missing_ok=True)
