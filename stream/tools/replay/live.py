"""`odr replay --live`: history fed into input topics as if it happened again, at a multiple of real time."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from datetime import timedelta
from itertools import groupby
from operator import attrgetter
from typing import Final, NamedTuple

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from stream.decode import CONVERTERS, decode
from stream.events import Event
from stream.health import iso_instant
from stream.tools.lines import Record
from stream.tools.produce import Producer
from stream.tools.replay.history import History

_TICK: Final = 0.1


class Happened(NamedTuple):
    """A record of the past, and when it happened (microseconds since the epoch)."""

    event_time: int
    record: Record


def happened(history: History) -> tuple[list[Happened], int]:
    """Return every valid event of a history, in the order in which they happened, and how many records are none."""
    found: list[Happened] = []
    read = 0
    for part in history.parts:
        for records in history.records(part, lambda _: None):
            read += len(records)
            for topic, record, timestamp in records:
                event = decode(CONVERTERS[topic], record.key, record.value, timestamp)
                if isinstance(event, Event):
                    found.append(Happened(event.thing.event_time, record._replace(partition=None)))
    return sorted(found, key=attrgetter("event_time")), read - len(found)


async def feed(producer: Producer, past: Sequence[Happened], per_second: timedelta, console: Console) -> None:
    """Produce everything in the order in which it happened; as much of history passes in a second as `per_second`."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=len(past))
        began = time.monotonic()
        for tick, due in _ticks(past, int(per_second / timedelta(microseconds=1) * _TICK)):
            await asyncio.sleep(max(0.0, began + tick * _TICK - time.monotonic()))
            for of in due:
                await producer.add(of.record.topic, of.record.key, of.record.value)
            await producer.flush()
            progress.update(task, advance=len(due), description=iso_instant(due[-1].event_time)[:10])


def _ticks(past: Sequence[Happened], per_tick: int) -> Iterator[tuple[int, list[Happened]]]:
    """Yield what happens in each tick that anything happens in."""
    first = past[0].event_time if past else 0
    for tick, due in groupby(past, key=lambda of: (of.event_time - first) // max(1, per_tick)):
        yield tick, list(due)
