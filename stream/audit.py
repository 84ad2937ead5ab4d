"""The figures recounted from scratch from the states, and where the live ones differ.

Nothing here is incremental: states are summed by day, days by window, and compared with what the running totals say.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple, TypeAlias

from stream.accounts import Account
from stream.days import iso_day
from stream.evaluation import EvaluationDays
from stream.figures import LEDGERS, lanes
from stream.metrics import WINDOWS
from stream.rules import Rules
from stream.shares import Place, shares
from stream.states import State

DayAmounts: TypeAlias = dict[int, int]
"""Amounts (see `figures`) by day (proleptic ordinal); a day without anything is absent."""


class Mismatch(NamedTuple):
    """One place where a live figure is not the recounted one.

    `place` is ledger, marketplace and the ledger's further labels; `figure` names a day, a window or a gauge; the
    values are the counts of the ledger's figures that are not 0, or a gauge's number, and None where there is nothing.
    """

    seller: str
    place: Place
    figure: str
    recounted: Any
    live: Any


def recount(states: Iterable[State], rules: Rules) -> dict[Place, DayAmounts]:
    """Return what states add up to: by place, then by day."""
    places: defaultdict[Place, DayAmounts] = defaultdict(dict)
    for state in states:
        for share in shares(state, rules):
            days = places[share.place]
            days[share.day] = days.get(share.day, 0) + share.amount
    return dict(places)


def window_amounts(place: Place, days: Mapping[int, int], evaluation_day: int) -> list[int]:
    """Return the amount in each window of the place's ledger."""
    return [
        sum(amount for day, amount in days.items() if window.holds(day, evaluation_day)) for window in WINDOWS[place[0]]
    ]


def account_mismatches(
    seller_id: str, account: Account, rules: Rules, evaluation: EvaluationDays
) -> Iterator[Mismatch]:
    """Yield where a seller's live day counts and running totals differ from a recount of its states."""
    recounted = recount(account.unpacked(), rules)
    for place in sorted(recounted.keys() | account.groups.keys()):
        live = account.groups.get(place)
        expected = by_figure(place, recounted.get(place, {}), evaluation.of(place[1]))
        shown = {} if live is None else by_day(place, live.days) | by_window(place, live.totals)
        yield from differences(seller_id, place, expected, shown)


def by_figure(place: Place, days: Mapping[int, int], evaluation_day: int) -> dict[str, dict[str, int]]:
    """Return what days of counts say: the counts of each day and of each window, by figure."""
    if not days:
        return {}
    return by_day(place, days) | by_window(place, window_amounts(place, days, evaluation_day))


def by_day(place: Place, days: Mapping[int, int]) -> dict[str, dict[str, int]]:
    """Return the counts of each day."""
    ledger = LEDGERS[place[0]]
    return {f"day {iso_day(day)}": lanes(amount, ledger) for day, amount in days.items() if amount}


def by_window(place: Place, totals: Iterable[int]) -> dict[str, dict[str, int]]:
    """Return the counts of each window."""
    ledger = LEDGERS[place[0]]
    return {
        f"window {window.name}": lanes(total, ledger) for window, total in zip(WINDOWS[place[0]], totals, strict=True)
    }


def differences(
    seller_id: str, place: Place, recounted: Mapping[str, Any], live: Mapping[str, Any]
) -> Iterator[Mismatch]:
    """Yield each figure of a place whose live value is not the recounted one."""
    for figure in sorted(recounted.keys() | live.keys()):
        if recounted.get(figure) != live.get(figure):
            yield Mismatch(seller_id, place, figure, recounted.get(figure), live.get(figure))
