"""The changelog from which everything is restored: compacted, with tombstones gone, and with transactions that hang."""

from datetime import timedelta
from itertools import count

import pytest
from aiokafka.structs import ConsumerRecord

from stream.changelog import FOOTING_KEY
from stream.states import OrderState, unpack
from tests.broker.harness import DAY, PARTITIONS, Cluster, Worker, eventually, figure, history
from tests.faults.changelog import changelog, compact_often, compacted_away, leave_hanging
from tests.faults.supervise import stop_all
from tests.faults.trial import QUIET, Conclude, Trial
from tests.recount import latest, order_date

pytestmark = pytest.mark.broker

SLOW_RESTORE = ("restoring:1:sleep=0.7",) * 8


def assert_restoring(worker: Worker) -> None:
    eventually(lambda: figure(worker.series(), "stream_partitions", state="restoring"), f"{worker.name} restores")


def committed_records(cluster: Cluster) -> list[ConsumerRecord]:
    return cluster.read(changelog(cluster))


def every_record(cluster: Cluster) -> list[ConsumerRecord]:
    return cluster.read(changelog(cluster), "read_uncommitted")


def await_assignments(worker: Worker, times: int) -> None:
    eventually(
        lambda: figure(worker.series(), "stream_rebalances_total") == times, f"{worker.name}: {times} assignments"
    )


def test_a_restore_from_a_compacted_changelog_survives_two_rebalances(trial: Trial, conclude: Conclude) -> None:
    (first,) = trial.begin("first")
    compact_often(trial.cluster)
    with trial.flow() as flow:
        flow.await_more(12_000)
        eventually(lambda: compacted_away(every_record(trial.cluster)) > 100, "records are gone")
        slow = trial.worker("slow", *SLOW_RESTORE)
        stop_all([first])
        for joining, assignments in (("second", 2), ("third", 3)):
            assert_restoring(slow)
            trial.worker(joining)
            await_assignments(slow, assignments)
        assert_restoring(slow)
    conclude(trial, "changelog compacted, then restored", "two rebalances during one restore")


def test_a_transaction_that_hangs_on_the_changelog_hides_nothing_from_a_restore(
    trial: Trial, conclude: Conclude
) -> None:
    (worker,) = trial.begin("one")
    with trial.flow() as flow:
        flow.await_more(3_000)
        last = {record.partition: record for record in committed_records(trial.cluster)}
        assert len(last) == PARTITIONS
        leave_hanging(trial.cluster, last.values())
        flow.await_more(6_000)
        assert len(committed_records(trial.cluster)) < len(every_record(trial.cluster)) - 1_000
    conclude(trial, "foreign transaction that hangs on the changelog")
    assert worker.log().count("records in doubt") == PARTITIONS


def test_orders_that_have_left_do_not_come_back_when_their_tombstones_are_gone(cluster: Cluster) -> None:
    assert cluster.odr("topics").returncode == 0
    events = history(400, seed=8)
    cluster.produce(events)
    later = DAY + timedelta(days=150)
    dates = [order_date(order, {}) for thing, order in latest(events).items() if thing.topic == "orders"]
    kept = sum(day > later - timedelta(days=200) for day in dates) + PARTITIONS
    with cluster.worker("offline") as offline:
        offline.await_ready()
        cluster.await_caught_up()
        stop_all([offline])
        compact_often(cluster, tombstones_live_ms=1_000)
        with cluster.worker("meanwhile", STREAM_TODAY=later.isoformat()) as meanwhile:
            meanwhile.await_ready()
            touch_every_partition(cluster, 0)
            eventually(lambda: figure(meanwhile.series(), "stream_orders") == kept, "the old orders leave")
            versions = count(1)
            eventually(lambda: has_no_trace(cluster, kept, next(versions)), "their tombstones are gone")
            stop_all([meanwhile])
        offline.more = {"STREAM_TODAY": later.isoformat()}
        offline.start()
        offline.await_ready()
        assert figure(offline.series(), "stream_orders") == kept


def touch_every_partition(cluster: Cluster, version: int) -> None:
    """Write something to every partition: the last records of a log are not compacted before others follow."""
    at = f"2026-08-01T00:00:{version:02}Z"
    fields = {"marketplace_id": "M", "order_id": "1", "purchase_date": at, "channel": "MFN", "status": "Shipped"}
    events = [{"event_id": str(version), "event_time": at, "seller_id": seller, **fields} for seller in QUIET]
    cluster.produce([("orders", event) for event in events])


def has_no_trace(cluster: Cluster, kept: int, version: int) -> bool:
    """Whether the changelog has nothing of other orders than those that are kept."""
    touch_every_partition(cluster, version)
    return len({record.key for record in committed_records(cluster) if tells_of_an_order(record)}) == kept


def tells_of_an_order(record: ConsumerRecord) -> bool:
    """Whether a record of the changelog holds an order, or its tombstone; feedback outlives its order."""
    if record.key == FOOTING_KEY:
        return False
    state = None if record.value is None else unpack(record.value)
    return state is None or (isinstance(state, OrderState) and state.order is not None)
