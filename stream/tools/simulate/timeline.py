"""What is going to happen, and when: the heap behind the market, and the way from a version to a record."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from heapq import heappop, heappush
from random import Random
from typing import Any, Final, NamedTuple, TypeAlias

import orjson

from stream.tools.simulate.stories import NOTHING_MADE, Make
from stream.tools.simulate.things import Thing

LONGEST_LATENCY: Final = timedelta(seconds=2)
"""A record that is not late arrives at most so long after its event time."""

_DAY_SECONDS: Final = 86_400
_UTC_Z: Final = orjson.OPT_UTC_Z
_SCATTER: Final = 0x9E3779B97F4A7C15  # odd, so that event ids repeat only after 2**64 of them
_64_BITS: Final = (1 << 64) - 1


class Record(NamedTuple):
    """What is sent at `arrives_at` (UTC): the topic without prefix, the seller's id as key, one JSON object."""

    arrives_at: datetime
    topic: str
    key: bytes
    value: bytes


Act: TypeAlias = Callable[[datetime, Any], Record | None]
"""What to do when it is due, and with what; it may give a record."""


class Timeline:
    """A heap of what is going to happen, and what it does to the things told of.

    `first_name` sets the event ids apart from another timeline's; `disorder` and `duplicates` are shares of records.
    """

    def __init__(self, rng: Random, first_name: int, disorder: float, duplicates: float) -> None:
        self._random = rng.random
        self._names = first_name
        self._serial = 0
        self._disorder_below = duplicates + disorder
        self._duplicates_below = duplicates
        self._heap: list[tuple[datetime, int, Act, Any]] = []
        longest = LONGEST_LATENCY // timedelta(microseconds=1)
        self._latencies = [timedelta(microseconds=rng.randrange(1000, longest)) for _ in range(1024)]

    def __len__(self) -> int:
        return len(self._heap)

    @property
    def next_due(self) -> datetime:
        """The moment before which nothing happens."""
        return self._heap[0][0]

    def put(self, due: datetime, act: Act, subject: object) -> None:
        """Let `act(due, subject)` happen when it is due; of two at once, the one put first."""
        self._serial += 1
        heappush(self._heap, (due, self._serial, act, subject))

    def before(self, to: datetime) -> Iterator[Record]:
        """Yield the records of everything due before `to`, taking it off the heap; may be left halfway."""
        heap = self._heap
        while heap and heap[0][0] < to:
            due, _, act, subject = heappop(heap)
            record = act(due, subject)
            if record is not None:
                yield record

    def tell_later(self, since: datetime, thing: Thing, pace: float = 1.0) -> None:
        """Put the next chapter of `thing` on the heap, so long after `since` as it says, times `pace`."""
        low, high, *_ = thing.rest[0]
        # The third power: half of all come within the first eighth of the span, few take months.
        wait_days = (low + (high - low) * self._random() ** 3) * pace
        self.put(since + timedelta(seconds=wait_days * _DAY_SECONDS), self.tell, thing)

    def tell(self, due: datetime, thing: Thing) -> Record | None:
        """Tell the next chapter of `thing`, if there is one still, and put the one after it on the heap."""
        if not thing.rest:
            return None
        chapter = thing.rest[0]
        thing.rest = thing.rest[1:]
        if thing.rest:
            self.tell_later(due, thing)
        if chapter.packages:
            self._send_off(due, thing, chapter.packages)
        return self.told(due, thing, chapter.changes, chapter.made)

    def _send_off(self, due: datetime, order: Thing, packages: int) -> None:
        leaving, order.packages = order.packages[:packages], order.packages[packages:]
        for package in leaving:
            package.fields["promised_by"] = order.fields["latest_delivery_date"]
            self.tell_later(due, package)

    def told(
        self, due: datetime, thing: Thing, changes: Mapping[str, object], made: Mapping[str, Make] = NOTHING_MADE
    ) -> Record | None:
        """Return the version of `thing` that these make of it, or None where its record is on its way for long."""
        self._serial += 1
        fields = thing.fields
        fields.update(changes)
        fields["event_id"] = f"{(self._serial * _SCATTER + self._names) & _64_BITS:x}"
        # Never before the version before it, however soon it follows.
        event_time = due - self._latencies[self._serial & 1023]
        event_time = event_time if event_time > thing.told_at else thing.told_at
        fields["event_time"] = event_time
        for name, make in made.items():
            fields[name] = make(fields, event_time)
        thing.told_at = due
        return self._sent(Record(due, thing.topic, thing.front.key, orjson.dumps(fields, option=_UTC_Z)))

    def _sent(self, record: Record) -> Record | None:
        chance = self._random()
        if chance >= self._disorder_below:
            return record
        self.put(record.arrives_at + self._detour(), _arrive, record)
        return record if chance < self._duplicates_below else None

    def _detour(self) -> timedelta:
        """Hours mostly, rarely days: long enough for a newer version to arrive first, or a claim before its order."""
        return timedelta(seconds=60 + 6 * _DAY_SECONDS * self._random() ** 4)


def _arrive(due: datetime, record: Record) -> Record:
    return record._replace(arrives_at=due)
