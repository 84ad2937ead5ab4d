"""History replayed: every window on every evaluation day, as it was known at that day's end and as it is known now.

What was known at a moment is what the events up to it say. So events are folded in the order of their event times, and
each marketplace is looked at whenever one of its days ends: the same fold, counts and windows as the live ones.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import tzinfo
from itertools import accumulate
from operator import attrgetter
from typing import Final, NamedTuple

from stream.accounts import Accounts
from stream.evaluation import EvaluationDays
from stream.events import Event
from stream.gauges import Group, Totals
from stream.metrics import WINDOWS
from stream.rules import Rules, start_of_day
from stream.windows import Window

_FOR_EVER: Final = 1_000_000
"""Days kept in a replay: nothing that history tells is too late for it."""


class Replayed(NamedTuple):
    """The windows of one seller in one place on one evaluation day (proleptic ordinal).

    `then` is what the events up to the end of that day say, in the marketplace's zone; `now` what all of them do.
    """

    day: int
    group: Group
    then: Totals
    now: Totals


def replay(events: Sequence[Event], rules: Rules, first_day: int, last_day: int) -> Iterator[Replayed]:
    """Yield every evaluation day from `first_day` to `last_day` of every group that has anything on it.

    `events` are all events of some sellers, in any order, doubled or not; days come in order within a group.
    """
    evaluation = EvaluationDays(rules, 0)
    accounts = Accounts(replace(rules, retention_days=_FOR_EVER), evaluation)
    ends = _day_ends(events, rules, first_day, last_day)
    known_then = _as_known_then(accounts, evaluation, sorted(events, key=_event_time), ends)
    known_now = dict(_as_known_now(accounts, first_day, last_day))
    for group in sorted(known_then.keys() | known_now.keys()):
        then, now = known_then.get(group, {}), known_now.get(group, {})
        nothing = (0,) * len(WINDOWS[group.place[0]])
        for day in sorted(then.keys() | now.keys()):
            yield Replayed(day, group, then.get(day, nothing), now.get(day, nothing))


_event_time = attrgetter("thing.event_time")


class _DayEnd(NamedTuple):
    """The instant (microseconds since the epoch) at which `day` is over in the marketplaces of one zone."""

    instant: int
    day: int
    marketplaces: frozenset[str]


def _day_ends(events: Iterable[Event], rules: Rules, first_day: int, last_day: int) -> list[_DayEnd]:
    by_zone: defaultdict[tzinfo, set[str]] = defaultdict(set)
    for marketplace_id in {event.thing.marketplace_id for event in events}:
        by_zone[rules.marketplace(marketplace_id).zone].add(marketplace_id)
    ends = [
        _DayEnd(round(start_of_day(day + 1, zone) * 1_000_000), day, frozenset(marketplaces))
        for zone, marketplaces in by_zone.items()
        for day in range(first_day, last_day + 1)
    ]
    return sorted(ends, key=attrgetter("instant"))


def _as_known_then(
    accounts: Accounts, evaluation: EvaluationDays, events: Sequence[Event], ends: Iterable[_DayEnd]
) -> dict[Group, dict[int, Totals]]:
    """Fold all events, stopping wherever a day ends; return what the windows had there, where they had anything."""
    known: defaultdict[Group, dict[int, Totals]] = defaultdict(dict)
    apply, at = accounts.apply, 0
    for end in ends:
        while at < len(events) and events[at].thing.event_time < end.instant:
            apply(events[at])
            at += 1
        evaluation.move(end.instant - 1)
        accounts.roll()
        for group, totals in _shown(accounts, end.marketplaces):
            known[group][end.day] = totals
    for event in events[at:]:
        apply(event)
    return dict(known)


def _shown(accounts: Accounts, marketplaces: frozenset[str]) -> Iterator[tuple[Group, Totals]]:
    for seller_id, account in accounts.sellers.items():
        for place, counts in account.groups.items():
            if place[1] in marketplaces and any(counts.totals):
                yield Group(seller_id, place), tuple(counts.totals)


def _as_known_now(accounts: Accounts, first_day: int, last_day: int) -> Iterator[tuple[Group, dict[int, Totals]]]:
    """Yield every group's windows on each day on which they have anything, from what has been folded in the end."""
    for seller_id, account in accounts.sellers.items():
        for place, counts in account.groups.items():
            first = max(first_day, min(window.entry(min(counts.days)) for window in counts.windows))
            last = min(last_day, max(window.drop_off(max(counts.days)) for window in counts.windows) - 1)
            yield Group(seller_id, place), _amounts(counts.windows, counts.days, first, last)


def _amounts(windows: Sequence[Window], days: Mapping[int, int], first_day: int, last_day: int) -> dict[int, Totals]:
    """Return the amount in each window on each evaluation day, where there is any."""
    oldest = min(window.first(first_day) for window in windows)
    newest = max(window.last(last_day) for window in windows)
    # before[n] is the sum of the days before oldest + n: a window is the difference of two of them.
    before = list(accumulate((days.get(day, 0) for day in range(oldest, newest + 1)), initial=0))

    def amount(window: Window, day: int) -> int:
        return before[window.last(day) + 1 - oldest] - before[window.first(day) - oldest]

    evaluated = {day: tuple(amount(window, day) for window in windows) for day in range(first_day, last_day + 1)}
    return {day: totals for day, totals in evaluated.items() if any(totals)}
