"""One scrape: every seller's gauges as of one moment, and the pipeline's own figures behind them."""

import asyncio
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from operator import is_
from typing import Final, NamedTuple, TypeAlias

from stream import gauges
from stream.accounts import Account
from stream.evaluation import EvaluationDays
from stream.export import AtRisk
from stream.gauges import Group, Totals
from stream.marketplaces import MarketplaceRenderer
from stream.worker.ground import Ground
from stream.worker.intake import Intake
from stream.worker.telemetry import Telemetry

SLICE_SELLERS: Final = 200
"""Sellers taken at a time, in a few milliseconds."""

_ATTEMPTS: Final = 3

Sellers: TypeAlias = Mapping[str, Account]
"""The accounts of one partition, by seller."""

Feed: TypeAlias = tuple[str, str, str]
"""A seller, marketplace and topic."""


class Scrape(NamedTuple):
    """What a scrape knows of the sellers, each of one moment, so that it can be rendered beside the event loop."""

    totals: Mapping[Group, Totals]
    newest: Mapping[Feed, int]
    days: Mapping[str, int]


class Exposition:
    """Takes scrapes on the event loop and renders them anywhere, one at a time."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._renderer = gauges.GroupRenderer(ground.rules)
        self._marketplaces = MarketplaceRenderer(ground.rules)
        self._at_risk = AtRisk(ground.rules) if ground.settings.export == "at_risk" else None
        self._rendering = threading.Lock()

    def take(self, intake: Intake) -> Scrape:
        """Take what the worker may show now, all sellers at one moment."""
        taken = self._begin(intake)
        for _ in taken.slices():
            pass
        return self._scrape(intake, taken)

    async def take_in_slices(self, intake: Intake) -> Scrape:
        """Take what the worker may show, each seller at one moment; the event loop goes on between some of them.

        Where a partition has come or gone meanwhile, or a day has ended, all are taken anew.
        """
        for _ in range(_ATTEMPTS):
            taken = self._begin(intake)
            for _ in taken.slices():
                await asyncio.sleep(0)
            if taken.is_of(_shown(intake)):
                return self._scrape(intake, taken)
        return self.take(intake)

    def _begin(self, intake: Intake) -> "_Taken":
        return _Taken(_shown(intake), self._ground.evaluation)

    def _scrape(self, intake: Intake, taken: "_Taken") -> Scrape:
        """Bring the pipeline's own gauges up to date, and return what they stand behind."""
        _measure(intake, self._ground.telemetry)
        self._ground.telemetry.split_sellers.set(len(taken.split))
        return Scrape(taken.totals, taken.newest, taken.days)

    def render(self, scrape: Scrape) -> bytes:
        """Return the page."""
        with self._rendering:
            return "".join(self._parts(scrape)).encode()

    def _parts(self, scrape: Scrape) -> Iterator[str]:
        rules = self._ground.rules
        totals, newest = self._exported(scrape)
        yield from self._renderer.render(totals)
        yield from self._marketplaces.render(scrape.totals)
        yield from gauges.render_targets(scrape.days, rules)
        yield from gauges.render_minimums(scrape.days, rules)
        yield from gauges.render_newest(newest)
        yield from gauges.render_evaluation_days(scrape.days, rules)
        yield self._ground.telemetry.render()

    def _exported(self, scrape: Scrape) -> tuple[Mapping[Group, Totals], Mapping[Feed, int]]:
        """Return the groups and feeds that become series, and note how many series are left out."""
        if self._at_risk is None:
            return scrape.totals, scrape.newest
        totals = self._at_risk.choose(scrape.totals, time.monotonic())
        sellers = {group.seller_id for group in totals}
        newest = {feed: event_time for feed, event_time in scrape.newest.items() if feed[0] in sellers}
        left_out = sum(
            self._renderer.series_of(group, amounts) for group, amounts in scrape.totals.items() if group not in totals
        )
        self._ground.telemetry.left_out.set(left_out + len(scrape.newest) - len(newest))
        return totals, newest


def _shown(intake: Intake) -> list[Sellers]:
    return [partition.accounts.sellers for partition in intake.live]


class _Taken:
    """What some partitions' sellers have; one that is in two of them is shown from the first, and is `split`."""

    def __init__(self, partitions: Sequence[Sellers], evaluation: EvaluationDays) -> None:
        self._partitions = partitions
        self._evaluation = evaluation
        self.totals: dict[Group, Totals] = {}
        self.newest: dict[Feed, int] = {}
        self.days: dict[str, int] = {}
        self.split: set[str] = set()

    def slices(self) -> Iterator[None]:
        """Take one slice of the sellers after the other."""
        shown: set[str] = set()
        for partition in self._partitions:
            sellers = list(partition.items())
            for begin in range(0, len(sellers), SLICE_SELLERS):
                for seller_id, account in sellers[begin : begin + SLICE_SELLERS]:
                    if seller_id in shown:
                        self.split.add(seller_id)
                    else:
                        self._take(seller_id, account)
                yield
            shown.update(seller_id for seller_id, _ in sellers)

    def is_of(self, partitions: Sequence[Sellers]) -> bool:
        """Return whether these are the very same partitions, and the days still those of all that was taken."""
        same = len(partitions) == len(self._partitions) and all(map(is_, partitions, self._partitions))
        return same and all(self._evaluation.of(place) == day for place, day in self.days.items())

    def _take(self, seller_id: str, account: Account) -> None:
        for place, counts in account.groups.items():
            self.totals[Group(seller_id, place)] = tuple(counts.totals)
        for feed, event_time in account.newest.items():
            self.newest[seller_id, *feed] = event_time
            if feed[0] not in self.days:
                self.days[feed[0]] = self._evaluation.of(feed[0])


def _measure(intake: Intake, telemetry: Telemetry) -> None:
    own, live = intake.own, intake.live
    telemetry.orders.set(sum(partition.accounts.orders for partition in own))
    telemetry.waiting.set(sum(partition.accounts.waiting for partition in own))
    telemetry.partitions.labels("live").set(len(live))
    telemetry.partitions.labels("restoring").set(len(own) - len(live))
    telemetry.restore_remaining.set(sum(partition.remaining for partition in own))
    telemetry.unconfirmed_day.set(any(partition.accounts.kept.unconfirmed for partition in own))
    _measure_lag(intake, telemetry)


def _measure_lag(intake: Intake, telemetry: Telemetry) -> None:
    telemetry.lag_records.clear()  # a partition that has gone to another worker has no lag here
    telemetry.lag_seconds.clear()
    for topic, partition, records, seconds in intake.lags():
        telemetry.lag_records.labels(topic, str(partition)).set(records)
        telemetry.lag_seconds.labels(topic, str(partition)).set(seconds)
