"""The whole program on a real broker, from `odr topics` to the gauges."""

import json
from collections.abc import Iterator
from datetime import timedelta
from itertools import chain
from pathlib import Path

import pytest

from stream.tools.kafka import Broker
from tests.broker.harness import DAY, Cluster, Worker, assert_exact, eventually, exposed, figure, history
from tests.faults.oracle import judge_changes, judge_told_days
from tests.recount import (
    canonical_defects,
    canonical_forecast,
    defects,
    forecast,
    gauge_differences,
    gauges,
    instant,
    latest,
    order_date,
)

pytestmark = pytest.mark.broker


@pytest.fixture
def cluster(broker: Broker, topic_prefix: str, tmp_path: Path) -> Cluster:
    cluster = Cluster(broker.bootstrap, topic_prefix, tmp_path)
    made = cluster.odr("topics")
    assert made.returncode == 0, made.stderr
    return cluster


def test_a_sellers_figures_are_those_of_a_recount(cluster: Cluster) -> None:
    events = history(2_000, seed=1)
    cluster.produce(events)
    with cluster.worker() as worker:
        worker.await_ready()
        cluster.await_caught_up()
        assert_exact([worker], events)
        for stage in ("decode_and_fold", "changelog", "disk"):
            assert (figure(worker.series(), "stream_round_seconds_count", stage=stage) or 0) > 0
        for seller in ("S1", "S2"):
            listed = worker.json(f"/api/sellers/{seller}/defects")["defects"]
            assert canonical_defects(listed) == defects(events, seller, DAY)
            told = worker.json(f"/api/sellers/{seller}/forecast")["forecast"]
            assert canonical_forecast(told) == canonical_forecast(forecast(events, seller, DAY))
        assert worker.stop() == 0


def test_a_claim_withdrawn_weeks_later_takes_its_defect_back_within_a_second(cluster: Cluster) -> None:
    about = {"seller_id": "S", "marketplace_id": "M", "order_id": "1"}
    order = {"purchase_date": "2026-07-20T10:00:00Z", "channel": "MFN", "status": "Shipped"}
    claim = about | {"claim_id": "C"}
    cluster.produce(
        [
            ("orders", {"event_id": "1", "event_time": "2026-07-20T10:00:00Z"} | about | order),
            ("claim-statuses", {"event_id": "2", "event_time": "2026-08-01T10:00:00Z", "status": "pending"} | claim),
        ]
    )
    labels = {"seller": "S", "marketplace": "M", "channel": "MFN", "window": "official"}
    with cluster.worker() as worker:
        worker.await_ready()
        eventually(lambda: figure(worker.series(), "seller_order_defect_ratio", **labels) == 1.0, "the claim counts")
        cluster.produce(
            [("claim-statuses", {"event_id": "3", "event_time": "2026-08-30T10:00:00Z", "status": "withdrawn"} | claim)]
        )
        eventually(lambda: figure(worker.series(), "seller_order_defect_ratio", **labels) == 0.0, "the claim is gone")
        cluster.await_caught_up()
    changes = [json.loads(record.value) for record in cluster.read("health-changes")]
    claim_orders = ["defective_orders", "claim_orders"]
    assert changes[-2]["now"] == ["orders", *claim_orders]
    assert changes[-1]["left"] == claim_orders
    assert changes[-1]["now"] == ["orders"]
    assert changes[-1]["order_date"] == "2026-07-20"


def test_a_worker_restarts_from_its_local_state_and_from_the_changelog_alone(cluster: Cluster) -> None:
    events = history(1_500, seed=2)
    cluster.produce(events[:2_000])
    with cluster.worker("first") as worker:
        worker.await_ready()
        cluster.await_caught_up()
        assert worker.stop() == 0
        cluster.produce(events[2_000:])
        worker.start()
        worker.await_ready()
        cluster.await_caught_up()
        assert_exact([worker], events)
        worker.kill()
    with cluster.worker("with-an-empty-disk") as worker:
        worker.await_ready()
        assert_exact([worker], events)
        read = figure(worker.series(), "stream_events_total", topic="orders")
        assert read == 0, "restored, not read again"


@pytest.fixture
def two_workers(cluster: Cluster) -> Iterator[list[Worker]]:
    with cluster.worker("one") as one, cluster.worker("two") as two:
        yield [one, two]


def shared_out(workers: list[Worker]) -> bool:
    numbers = [worker.partitions() for worker in workers]
    return all(numbers) and sorted(chain.from_iterable(numbers)) == [0, 1, 2, 3]


def test_two_workers_share_the_partitions_and_a_third_joins(cluster: Cluster, two_workers: list[Worker]) -> None:
    events = history(3_000, seed=3)
    eventually(lambda: shared_out(two_workers), "two workers share")
    cluster.produce(events[:5_000])
    with cluster.worker("three") as three:
        workers = [*two_workers, three]
        cluster.produce(events[5_000:])
        eventually(lambda: shared_out(workers), "three workers share")
        cluster.await_caught_up()
        assert_exact(workers, events)
        sellers = {event["seller_id"] for _, event in events}
        for seller in sellers:  # any worker answers for every seller, by asking its owner
            answers = [worker.json(f"/api/sellers/{seller}/health") for worker in workers]
            assert answers[0] == answers[1] == answers[2]
        totals = [worker.json("/api/sellers?limit=1000") for worker in workers]
        assert totals[0] == totals[1] == totals[2]
        assert {row["seller"] for row in totals[0]["sellers"]} == sellers


def test_nothing_is_lost_or_doubled_when_one_of_two_workers_is_killed(
    cluster: Cluster, two_workers: list[Worker]
) -> None:
    events = history(4_000, seed=4)
    eventually(lambda: shared_out(two_workers), "two workers share")
    third = len(events) // 3
    cluster.produce(events[:third])
    two_workers[0].kill()
    cluster.produce(events[third : 2 * third])
    eventually(lambda: len(two_workers[1].partitions()) == 4, "taken over")
    two_workers[0].start()
    cluster.produce(events[2 * third :])
    eventually(lambda: shared_out(two_workers), "shared again")
    cluster.await_caught_up()
    assert_exact(two_workers, events)
    changes = cluster.read("health-changes")
    assert judge_changes(changes, exposed(two_workers), DAY).problems == []
    assert judge_told_days(changes, events).problems == []


def test_an_order_leaves_disk_changelog_and_counts_when_its_day_is_no_longer_kept(cluster: Cluster) -> None:
    events = history(400, seed=8)
    cluster.produce(events)
    later = DAY + timedelta(days=150)  # of the 100 days before DAY, the older half is gone by then
    with cluster.worker("kept") as worker:
        worker.await_ready()
        cluster.await_caught_up()
        assert figure(worker.series(), "stream_orders") == 400
        assert worker.stop() == 0
    orders = [order for thing, order in latest(events).items() if thing.topic == "orders"]
    kept = sum(order_date(order, {}) > later - timedelta(days=200) for order in orders)
    assert 0 < kept < 300
    with cluster.worker("kept", STREAM_TODAY=later.isoformat()) as worker:
        worker.await_ready()
        eventually(lambda: figure(worker.series(), "stream_orders") == kept, "the old orders leave")
        cluster.produce(events)  # an event about a day that is no longer kept changes nothing
        cluster.await_caught_up()
        assert (figure(worker.series(), "stream_ignored_events_total", topic="orders", reason="too_late") or 0) > 0
        assert figure(worker.series(), "stream_orders") == kept
        assert worker.stop() == 0
    with cluster.worker("with-an-empty-disk", STREAM_TODAY=later.isoformat()) as worker:
        worker.await_ready()
        assert figure(worker.series(), "stream_orders") == kept


def test_the_evaluation_day_can_follow_the_events(cluster: Cluster) -> None:
    events = history(300, seed=9)
    cluster.produce(events)
    newest = max(instant(event["event_time"]) for _, event in events).date()
    with cluster.worker(STREAM_TODAY="events") as worker:
        worker.await_ready()
        cluster.await_caught_up()
        eventually(lambda: not gauge_differences(exposed([worker]), gauges(events, newest)), "the windows follow")
