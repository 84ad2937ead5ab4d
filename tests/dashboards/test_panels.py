"""Every panel's query returns more than zeros from a real Prometheus that watches real workers in trouble."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from stream.metrics import TARGETS
from stream.tools.kafka import Broker
from tests.broker.harness import Cluster, eventually
from tests.dashboards.boards import Asked, every_query, filled
from tests.dashboards.market import REPLAY, SELLER, watched
from tests.watch import Server

pytestmark = pytest.mark.broker

CHOSEN = {
    "seller": SELLER,
    "sellers": ".*",
    "marketplace": ".*",
    "channel": ".*",
    "replay": REPLAY,
    "__rate_interval": "10s",
}
DAY = 86_400
NOT_PROVOKED = frozenset(
    {
        "history: Open violations C",  # the target, which is 0
        "overview: Figures are behind by A",  # now, when everything has been read
        "pipeline: Audit mismatches A",  # a drifted figure, of which test_audit.py tells
        "pipeline: Day unconfirmed A",  # a clock that has leapt, of which tests/faults/test_clocks.py tells
        "pipeline: Left to restore A",  # for a moment that may pass between two scrapes
        "pipeline: Restoring A",
    }
)
"""The queries of which 0 is answer enough."""


@pytest.fixture(scope="module")
def server(broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    cluster = Cluster(broker.bootstrap, "panels.", tmp_path_factory.mktemp("panels"), {"STREAM_TODAY": ""})
    with watched(cluster) as started:
        yield started


def answer(server: Server, asked: Asked) -> list[dict[str, Any]] | None:
    """Return the series that a panel gets, None where there are none."""
    expr, now = filled(asked.target["expr"], CHOSEN), time.time()
    if asked.target["instant"]:
        return server.query(expr) or None
    since, step = (10 * DAY, DAY / 4) if asked.board == "history" else (300, 5)
    return server.query_range(expr, now - since, now, step) or None


def values(series: list[dict[str, Any]]) -> set[str]:
    return {value for one in series for _, value in one.get("values", [one.get("value")])}


@pytest.mark.parametrize("asked", every_query(), ids=lambda asked: asked.id)
def test_a_panel_has_something_to_show(asked: Asked, server: Server) -> None:
    nothing = {"NaN"} if asked.id in NOT_PROVOKED else {"NaN", "0"}
    eventually(lambda: values(answer(server, asked) or []) - nothing or None, asked.target["expr"], 30)


def test_history_shows_what_came_later(server: Server) -> None:
    (gap,) = [asked for asked in every_query() if asked.panel["title"] == "The gap in orders"]
    expr, now = filled(gap.target["expr"], CHOSEN), time.time()
    series = server.query_range(expr, now - 80 * DAY, now, DAY)
    assert any(float(value) != 0 for one in series for _, value in one["values"])


@pytest.mark.parametrize(
    "happened",
    [
        'stream_dead_letters_total{topic="orders", reason="not_json"} > 0',
        'stream_dead_letters_total{topic="feedback", reason="no_value"} > 0',
        'stream_ignored_events_total{topic="orders", reason="redelivered"} > 0',
        'stream_reclassifications_total{figure="defective_orders", direction="left"} > 0',
        'rate(stream_ignored_events_total{topic="orders", reason="too_late"}[10s]) > 0',
        'stream_consumer_lag_seconds{topic="orders"} > 1',
        "stream_left_out_series > 0",
        "stream_rebalances_total > 1",
        "count by (job) (count by (job, instance) (stream_partitions > 0)) == 2",
        'stream_split_sellers > 0 or count without (instance) (seller_orders{window="ahead", seller="SPLIT"}) == 2',
        'ALERTS{alertname="DeadLetters", alertstate="firing"}',
        'ALERTS{alertname="SellerTargetMissed", alertstate="firing", seller="JUST-OVER"}',
        'ALERTS{alertname="SellerViolationCritical", alertstate="firing", seller="ALL-MISSED"}',
        f'seller:seller_missed_metrics:count{{seller="ALL-MISSED"}} == {len(TARGETS)}',
        'ALERTS{alertname="SellerTargetMissedLowVolume", alertstate="firing", seller="TINY-SHOP"}',
    ],
)
def test_what_panels_are_about_has_happened(happened: str, server: Server) -> None:
    eventually(lambda: server.query(f"max_over_time(({happened})[10m:1s])") or None, happened, 30)
