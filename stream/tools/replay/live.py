"""`odr replay --live`: history fed into input topics as if it happened again, at a multiple of real time."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, timedelta
from itertools import groupby
from operator import attrgetter
from typing import Final, NamedTuple, TypeAlias

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from stream.decode import CONVERTERS, decode
from stream.events import Event, Malformed, Single
from stream.health import iso_instant
from stream.rules import Rules, start_of_day
from stream.tools.lines import Record
from stream.tools.produce import Producer
from stream.tools.replay.history import History, Past

_TICK: Final = 0.1


class Happened(NamedTuple):
    """A record of the past, and when it happened (microseconds since the epoch)."""

    event_time: int
    record: Record


class Chosen(NamedTuple):
    """What is fed of history; None is all.

    Days are proleptic ordinals, each cut in the zone of the event's marketplace: nothing later than `last_day` is fed,
    and what is earlier than `first_day` is fed without waiting, as the windows of that day are made of it.
    """

    rules: Rules
    first_day: int | None = None
    last_day: int | None = None
    seller: str | None = None
    marketplace: str | None = None

    def takes(self, event: Event) -> bool:
        """Whether an event is fed, where its order is of the chosen marketplace."""
        if self.seller not in {None, event.seller_id}:
            return False
        thing = event.thing
        return self.last_day is None or self.rules.day(thing.marketplace_id, thing.event_time) <= self.last_day

    @property
    def begins_at(self) -> int | None:
        """The instant (microseconds since the epoch) at which `first_day` begins in the first of all zones."""
        if self.first_day is None:
            return None
        zones = {UTC, *(marketplace.zone for marketplace in self.rules.marketplaces.values())}
        return int(min(start_of_day(self.first_day, zone) for zone in zones) * 1_000_000)


def happened(history: History, chosen: Chosen) -> tuple[list[Happened], int]:
    """Return the chosen events of a history in the order in which they happened, and how many records are no events."""
    found: list[Happened] = []
    subjects: list[_Subject] = []
    of_marketplace: set[_Subject] = set()
    refused = 0
    for topic, record, timestamp in _records(history):
        event = decode(CONVERTERS[topic], record.key, record.value, timestamp)
        if isinstance(event, Malformed):
            refused += 1
        elif chosen.takes(event):
            found.append(Happened(event.thing.event_time, record._replace(partition=None)))
            if chosen.marketplace is not None:
                subjects.append(_subject(event))
                if event.thing.marketplace_id == chosen.marketplace:
                    of_marketplace.add(subjects[-1])
    if chosen.marketplace is not None:
        # Whole orders: what belongs to one may name another marketplace than the order does, and counts where it does.
        found = [of for of, subject in zip(found, subjects, strict=True) if subject in of_marketplace]
    return sorted(found, key=attrgetter("event_time")), refused


def _records(history: History) -> Iterator[Past]:
    for part in history.parts:
        for records in history.records(part, lambda _: None):
            yield from records


_Subject: TypeAlias = tuple[str, str, type[Single] | None]
"""Seller, and the order, message or violation; an order and a message may have the same id."""


def _subject(event: Event) -> _Subject:
    return event.seller_id, event.subject_id, type(event.thing) if isinstance(event.thing, Single) else None


async def feed(
    producer: Producer, past: Sequence[Happened], begins_at: int | None, per_second: timedelta, console: Console
) -> None:
    """Produce everything in the order in which it happened; as much of history passes in a second as `per_second`.

    What happened before `begins_at` (microseconds since the epoch) is produced without waiting.
    """
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=len(past))
        began = time.monotonic()
        for tick, due in _ticks(past, int(per_second / timedelta(microseconds=1) * _TICK), begins_at):
            await asyncio.sleep(max(0.0, began + tick * _TICK - time.monotonic()))
            for of in due:
                await producer.add(of.record.topic, of.record.key, of.record.value)
            await producer.flush()
            progress.update(task, advance=len(due), description=iso_instant(due[-1].event_time)[:10])


def _ticks(past: Sequence[Happened], per_tick: int, begins_at: int | None) -> Iterator[tuple[int, list[Happened]]]:
    """Yield what happens in each tick that anything happens in; what happened before them all is in the first."""
    first = begins_at if begins_at is not None else past[0].event_time if past else 0
    for tick, due in groupby(past, key=lambda of: max(0, of.event_time - first) // max(1, per_tick)):
        yield tick, list(due)
