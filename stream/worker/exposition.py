"""One scrape: the sellers' gauges as of one moment, and the pipeline's own figures behind them."""

import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, TypeAlias

from stream import gauges
from stream.export import AtRisk
from stream.gauges import Group, Totals
from stream.marketplaces import MarketplaceRenderer
from stream.worker.ground import Ground
from stream.worker.intake import Intake
from stream.worker.partition import Partition
from stream.worker.telemetry import Telemetry

Feed: TypeAlias = tuple[str, str, str]
"""A seller, marketplace and topic."""


class Scrape(NamedTuple):
    """What a scrape knows of the sellers, all of one moment, so that it can be rendered beside the event loop."""

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
        """Take what the worker may show now, and bring the pipeline's own gauges up to date."""
        live = intake.live
        _measure(intake, live, self._ground.telemetry)
        totals, newest = _sellers(live)
        marketplaces = {group.marketplace_id for group in totals}
        days = {marketplace_id: self._ground.evaluation.of(marketplace_id) for marketplace_id in marketplaces}
        return Scrape(totals, newest, days)

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


def _sellers(live: Iterable[Partition]) -> tuple[dict[Group, Totals], dict[Feed, int]]:
    """Return every group's totals and every feed's newest event; a seller in two partitions is shown from the first."""
    totals: dict[Group, Totals] = {}
    newest: dict[Feed, int] = {}
    shown: set[str] = set()
    for partition in live:
        for seller_id, account in partition.accounts.sellers.items():
            if seller_id not in shown:
                totals.update((Group(seller_id, place), tuple(of.totals)) for place, of in account.groups.items())
                newest.update(((seller_id, *feed), event_time) for feed, event_time in account.newest.items())
        shown |= partition.accounts.sellers.keys()
    return totals, newest


def _measure(intake: Intake, live: Sequence[Partition], telemetry: Telemetry) -> None:
    own = intake.own
    telemetry.orders.set(sum(partition.accounts.orders for partition in own))
    telemetry.waiting.set(sum(partition.accounts.waiting for partition in own))
    telemetry.partitions.labels("live").set(len(live))
    telemetry.partitions.labels("restoring").set(len(own) - len(live))
    telemetry.restore_remaining.set(sum(partition.remaining for partition in own))
    telemetry.unconfirmed_day.set(any(partition.accounts.kept.unconfirmed for partition in own))
    _measure_lag(intake, telemetry)
    seen = Counter(seller_id for partition in live for seller_id in partition.accounts.sellers)
    telemetry.split_sellers.set(sum(1 for times in seen.values() if times > 1))


def _measure_lag(intake: Intake, telemetry: Telemetry) -> None:
    telemetry.lag_records.clear()  # a partition that has gone to another worker has no lag here
    telemetry.lag_seconds.clear()
    for topic, partition, records, seconds in intake.lags():
        telemetry.lag_records.labels(topic, str(partition)).set(records)
        telemetry.lag_seconds.labels(topic, str(partition)).set(seconds)
