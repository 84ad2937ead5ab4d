"""`odr ingest events`: a file of events into the input topics.

The values go to Kafka as their bytes stand in the file. Whether one is a valid event is the worker's to judge.
"""

from pathlib import Path
from typing import Final, NamedTuple

from rich.console import Console

from stream.lines import one_line
from stream.settings import Settings
from stream.tools.lines import Record, open_lines, read_line
from stream.tools.produce import Producer

_MOST_BYTES: Final = 1_048_000  # with what Kafka puts around them, 1 MiB: a topic's own limit, unless it is set


class Outcome(NamedTuple):
    """How many records went to Kafka, and how many lines could not."""

    produced: int
    refused: int


async def ingest(settings: Settings, path: Path, console: Console) -> Outcome:
    """Produce every line of a file; lines that can't be used are told and skipped.

    Raises LinesError where the file can't be read to its end.
    """
    produced = refused = 0
    async with Producer(settings) as producer:
        with open_lines(path, console) as lines:
            for number, line in enumerate(lines, 1):
                if not line.strip():
                    continue
                record = read_line(line)
                if isinstance(record, Record):
                    record = _refused(record, producer.partitions) or record
                if isinstance(record, str):
                    refused += 1
                    told = one_line(f"{path}:{number}: {record}")
                    console.print(told, markup=False, highlight=False, soft_wrap=True)
                    continue
                await producer.add(record.topic, record.key, record.value, partition=record.partition)
                produced += 1
    return Outcome(produced, refused)


def _refused(record: Record, partitions: int) -> str | None:
    """Return why Kafka would not take a record, or None where it will."""
    size = len(record.value or b"") + len(record.key or b"")
    if size > _MOST_BYTES:
        return f"key and value are {size} bytes; Kafka takes no record above 1 MiB"
    if (record.partition or 0) >= partitions:
        return f"there is no partition {record.partition}: the topics have {partitions}"
    return None
