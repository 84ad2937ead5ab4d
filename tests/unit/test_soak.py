"""The soak's market agrees with a recount of its events, and its meters measure what they say."""

import json
from collections.abc import Iterator
from datetime import date
from types import SimpleNamespace

import pytest
from aiokafka import TopicPartition
from rich.console import Console

from tests.faults.soak import meters
from tests.faults.soak.__main__ import DAYS, growth, market_for
from tests.faults.soak.market import EVENTS_PER_ORDER, Market
from tests.faults.soak.run import Round
from tests.recount import Counts, InputEvent, recount

MARKET = Market(date(2026, 1, 1), orders_a_day=100)


def events(until: int) -> Iterator[InputEvent]:
    for day in range(until + 1):
        for rows in MARKET.slices(day):
            for row in rows:
                yield row.topic, json.loads(row.value)


@pytest.mark.parametrize("day", [0, 1, 5, 30, 80])
def test_what_the_market_says_is_true_is_what_a_recount_of_its_events_gives(day: int) -> None:
    said = {key: counts for key, counts in MARKET.days(day).items() if counts != Counts()}
    first = min(key[3] for key in said)
    counted = recount(events(day)).items()
    assert said == {key: counts for key, counts in counted if counts != Counts() and key[3] >= first}
    figures = [sum(getattr(counts, name) for counts in said.values()) for name in Counts.__dataclass_fields__]
    assert day < 45 or all(figures), "every figure has something to count"


def test_a_market_produces_so_many_events_an_order() -> None:
    produced = sum(len(rows) for day in range(50, 60) for rows in MARKET.slices(day))
    assert produced / 10 / MARKET.orders_a_day == pytest.approx(EVENTS_PER_ORDER, rel=0.1)


def test_a_markets_days_last_as_long_as_the_soak_and_end_before_today() -> None:
    market = market_for(minutes=30, rate=20_000)
    assert market.orders_a_day * EVENTS_PER_ORDER * DAYS == pytest.approx(30 * 60 * 20_000, rel=0.01)
    assert (date.today() - market.first_day).days > DAYS  # noqa: DTZ011 - any zone's today


def test_only_a_partition_that_has_records_left_stands_still(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SimpleNamespace(seconds=0.0)
    monkeypatch.setattr(meters, "time", SimpleNamespace(monotonic=lambda: clock.seconds))
    stops = meters.Stops.__new__(meters.Stops)
    stops.longest, stops._committed, stops._moved_at = 0.0, {}, {}
    source = TopicPartition("orders", 0)

    def looked(at: float, end: int, committed: int) -> None:
        clock.seconds = at
        stops._note({source: end}, {source: committed})

    looked(0, end=5, committed=5)
    looked(1, end=5, committed=5)
    looked(2, end=20, committed=10)
    assert stops.take() == 1.0, "it was idle, and then it moved"
    looked(7, end=30, committed=10)
    looked(9, end=30, committed=12)
    assert stops.take() == 7.0


def test_memory_that_grows_while_as_many_orders_leave_as_come_is_seen() -> None:
    def grown(*mib: int) -> float:
        rounds = [Round("fault", 200 + at, [], 0.0, 0.0, 2, 1_000, 100.0 + used) for at, used in enumerate((*mib, 0))]
        return growth(rounds, 50.0, Console(quiet=True))

    assert grown(100, 100, 100) == 1.0
    assert grown(100, 150, 300) == 2.0
    assert grown(100, 900) == 1.0, "too few rounds to tell"
