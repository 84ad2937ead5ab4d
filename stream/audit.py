"""The figures recounted from scratch from the order states, and where the live ones differ.

Nothing here is incremental: states are summed by day, days by window, and compared with what the running totals say.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple, TypeAlias

from stream.accounts import Account
from stream.days import iso_day
from stream.evaluation import EvaluationDays
from stream.figures import lanes
from stream.metrics import ORDER_WINDOWS
from stream.orders import OrderState, contribution
from stream.rules import Rules

DayAmounts: TypeAlias = dict[int, int]
"""Amounts (see `figures`) by day (proleptic ordinal); a day without anything is absent."""


class Mismatch(NamedTuple):
    """One place where a live figure is not the recounted one.

    `figure` names a day, a window or a gauge; the values are counts in the order of `figures.LANES`, or a gauge's
    number, and None where there is nothing.
    """

    seller: str
    marketplace: str
    channel: str
    figure: str
    recounted: Any
    live: Any


def recount(states: Iterable[OrderState], rules: Rules) -> dict[tuple[str, str], DayAmounts]:
    """Return what orders add up to: by marketplace and channel, then by day."""
    groups: defaultdict[tuple[str, str], DayAmounts] = defaultdict(dict)
    for state in states:
        share = contribution(state, rules)
        if share is not None:
            days = groups[share.marketplace_id, share.channel]
            days[share.day] = days.get(share.day, 0) + share.amount
    return dict(groups)


def window_amounts(days: Mapping[int, int], evaluation_day: int) -> list[int]:
    """Return the amount in each of `ORDER_WINDOWS`."""
    return [
        sum(amount for day, amount in days.items() if window.holds(day, evaluation_day)) for window in ORDER_WINDOWS
    ]


def account_mismatches(
    seller_id: str, account: Account, rules: Rules, evaluation: EvaluationDays
) -> Iterator[Mismatch]:
    """Yield where a seller's live day counts and running totals differ from a recount of its states."""
    recounted = recount((state for _, state in account.states()), rules)
    for group in sorted(recounted.keys() | account.groups.keys()):
        live = account.groups.get(group)
        expected = by_figure(recounted.get(group, {}), evaluation.of(group[0]))
        shown = {} if live is None else by_day(live.days) | by_window(live.totals)
        yield from differences(seller_id, group, expected, shown)


def by_figure(days: Mapping[int, int], evaluation_day: int) -> dict[str, list[int]]:
    """Return what days of counts say: the counts (in the order of `figures.LANES`) of each day and of each window."""
    return by_day(days) | by_window(window_amounts(days, evaluation_day)) if days else {}


def by_day(days: Mapping[int, int]) -> dict[str, list[int]]:
    """Return the counts of each day."""
    return {f"day {iso_day(day)}": lanes(amount) for day, amount in days.items() if amount}


def by_window(totals: Iterable[int]) -> dict[str, list[int]]:
    """Return the counts of each window."""
    return {f"window {window.name}": lanes(total) for window, total in zip(ORDER_WINDOWS, totals, strict=True)}


def differences(
    seller_id: str, group: tuple[str, str], recounted: Mapping[str, Any], live: Mapping[str, Any]
) -> Iterator[Mismatch]:
    """Yield each figure of a group whose live value is not the recounted one."""
    for figure in sorted(recounted.keys() | live.keys()):
        if recounted.get(figure) != live.get(figure):
            yield Mismatch(seller_id, *group, figure, recounted.get(figure), live.get(figure))
