"""What must be true after every fault, told from the input alone; shares no code with the program.

Everything that went in is compared with everything that came out: the gauges with a recount, the dead letters with the
malformed records, and `health-changes` with both.
"""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import pairwise
from typing import Any

from aiokafka.structs import ConsumerRecord

from tests.recount import (
    ACCOUNT_COUNT_GAUGES,
    ALL_GAUGES,
    COUNT_GAUGES,
    ODR_GAUGES,
    UTC_EVERYWHERE,
    Counts,
    DayKey,
    InputEvent,
    Series,
    gauge_differences,
    gauges_of_days,
    recount,
)

_CHANGE_ID = re.compile(r"(?P<topic>.+)-(?P<partition>\d+)-(?P<offset>\d+)-(?P<number>\d+)")

Change = Mapping[str, Any]
"""The value of a record of `health-changes`."""

Days = dict[DayKey, Counts]
Zones = Mapping[str, str]


@dataclass
class Verdict:
    """What was found: orders and records that are lost or doubled, and everything that is wrong, in words."""

    lost: int = 0
    doubled: int = 0
    problems: list[str] = field(default_factory=list)

    def __add__(self, other: "Verdict") -> "Verdict":
        return Verdict(self.lost + other.lost, self.doubled + other.doubled, self.problems + other.problems)

    def note(self, count: int, problem: str) -> None:
        """Note `count` too many (doubled), or too few where negative (lost)."""
        if count:
            self.doubled += max(count, 0)
            self.lost += max(-count, 0)
            self.problems.append(problem)


# --- The gauges -------------------------------------------------------------------------------------------------------


def judge_gauges(exposed: Mapping[Series, float], expected: Mapping[Series, float]) -> Verdict:
    """Compare what all workers expose with the gauges of a recount."""
    return _judge_gauges(exposed, expected, ALL_GAUGES)


def _judge_gauges(
    found: Mapping[Series, float], expected: Mapping[Series, float], names: Container[str] = ODR_GAUGES
) -> Verdict:
    expected = {series: value for series, value in expected.items() if series[0] in names}
    assert expected
    verdict = Verdict(problems=gauge_differences(found, expected, names))
    for series in found.keys() | expected.keys():
        if series[0] in names and (series[0] in COUNT_GAUGES or series[0] in ACCOUNT_COUNT_GAUGES):
            differs = found.get(series, 0.0) - expected.get(series, 0.0)
            verdict.note(int(differs), f"{series[0]}{sorted(series[1])} differs by {differs}")
    return verdict


# --- health-changes ---------------------------------------------------------------------------------------------------


def judge_changes(records: Sequence[ConsumerRecord], exposed: Mapping[Series, float], day: date) -> Verdict:
    """Compare the committed records of `health-changes` with the gauges that all workers expose.

    Both what the last record of each order says it is in, and the sum of what entered and left, must give them; each
    change is told once, and those of a source in its order.
    """
    changes = [json.loads(record.value) for record in records]
    expected = {(name, labels): value for (name, labels), value in exposed.items() if value or name not in COUNT_GAUGES}
    verdict = _judge_gauges(gauges_of_days(last_told(changes), day), expected)
    verdict += _judge_gauges(gauges_of_days(sum_told(changes), day), expected)
    verdict.problems += told_out_of_order(records)
    for change_id, times in Counter(change["change_id"] for change in changes).items():
        verdict.note(times - 1, f"{change_id} is told {times} times")
    return verdict


def judge_told_days(
    records: Iterable[ConsumerRecord], events: Iterable[InputEvent], zones: Zones = UTC_EVERYWHERE
) -> Verdict:
    """Compare what `health-changes` says of every day with a recount, also of days that no window has."""
    changes = [json.loads(record.value) for record in records]
    expected = {key: counts for key, counts in recount(events, zones=zones).items() if counts != Counts()}
    verdict = Verdict()
    for told in (last_told(changes), sum_told(changes)):
        for key in told.keys() | expected.keys():
            differs = told.get(key, Counts()).orders - expected.get(key, Counts()).orders
            verdict.note(differs, f"{key}: told {told.get(key)}, not {expected.get(key)}")
            if not differs and told.get(key) != expected.get(key):
                verdict.problems.append(f"{key}: told {told.get(key)}, not {expected.get(key)}")
    return verdict


def last_told(changes: Iterable[Change]) -> Days:
    """Return the counts of each day by the last record of each order."""
    last: dict[tuple[str, str], Change] = {}
    for change in changes:
        last[change["seller_id"], change["order_id"]] = change
    return _days((_day_of(change), name, 1) for change in last.values() for name in change["now"])


def sum_told(changes: Iterable[Change]) -> Days:
    """Return the counts of each day by adding what entered and taking away what left."""
    return _days(
        (_day_of(change), name, difference)
        for change in changes
        for names, difference in ((change["entered"], 1), (change["left"], -1))
        for name in names
    )


def _day_of(change: Change) -> DayKey:
    order_date = date.fromisoformat(change["order_date"])
    return change["seller_id"], change["marketplace_id"], change["channel"], order_date


def _days(told: Iterable[tuple[DayKey, str, int]]) -> Days:
    sums: defaultdict[DayKey, Counter[str]] = defaultdict(Counter)
    for key, name, difference in told:
        sums[key][name] += difference
    counted = {key: Counts(**names) for key, names in sums.items()}
    return {key: counts for key, counts in counted.items() if counts != Counts()}


def told_out_of_order(records: Iterable[ConsumerRecord]) -> Iterator[str]:
    """Yield what contradicts the order of a seller's records: its changes in the order of each source, and no gaps.

    A record's `now` is what was true before it, with what it says has entered and left.
    """
    sources: defaultdict[tuple[bytes, str, str], list[tuple[int, int]]] = defaultdict(list)
    true: dict[tuple[str, str, DayKey], set[str]] = {}
    homes: dict[bytes, int] = {}
    for record in records:
        change = json.loads(record.value)
        found = _CHANGE_ID.fullmatch(change["change_id"])
        assert found, change
        sources[record.key, found["topic"], found["partition"]].append((int(found["offset"]), int(found["number"])))
        order = change["seller_id"], change["order_id"], _day_of(change)
        now = true.get(order, set()) - set(change["left"]) | set(change["entered"])
        if now != set(change["now"]):
            yield f"{change['change_id']} says {change['now']}, but {sorted(now)} was told before"
        true[order] = set(change["now"])
        if homes.setdefault(record.key, record.partition) != record.partition or record.key.decode() != order[0]:
            yield f"{change['change_id']} is not where its seller's changes are"
    for source, places in sources.items():
        for before, after in pairwise(places):
            if after < before:
                yield f"{source}: {after} is told after {before}"


# --- Dead letters -----------------------------------------------------------------------------------------------------


def judge_dead_letters(
    sources: Iterable[ConsumerRecord], letters: Iterable[ConsumerRecord], malformed: Iterable[tuple[Any, Any]]
) -> Verdict:
    """Compare one topic's committed dead letters with those of its records that are `malformed` (key and value).

    Each must be there once, byte for byte, with the place where it stood.
    """
    bad = set(malformed)
    expected = Counter(
        (record.partition, record.offset, record.key, record.value)
        for record in sources
        if (record.key, record.value) in bad
    )
    found = Counter(_place(letter) for letter in letters)
    verdict = Verdict()
    for place in expected.keys() | found.keys():
        times = found[place] - expected[place]
        verdict.note(times, f"dead letter of {place}: {found[place]} times, not {expected[place]}"[:300])
    return verdict


def _place(letter: ConsumerRecord) -> tuple[int, int, bytes | None, bytes | None]:
    headers = {name: value.decode() for name, value in letter.headers}
    return int(headers["source-partition"]), int(headers["source-offset"]), letter.key, letter.value
