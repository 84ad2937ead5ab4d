"""Workers of one group agree on their settings; other settings apply to all that is kept, and are told of."""

import json
from collections import Counter
from collections.abc import Iterable
from datetime import date
from pathlib import Path

import pytest
from aiokafka.structs import ConsumerRecord

from stream.tools.kafka import Broker
from tests.broker.harness import DAY, Cluster, assert_exact, eventually, history
from tests.recount import Counts, DayKey, Switches, recount

pytestmark = pytest.mark.broker

ALL_FILED = {"STREAM_CLAIMS_POLICY": "all_filed", "STREAM_REVERSED_CHARGEBACKS": "counted"}
ZONES = {"ATVPDKIKX0DER": "America/Los_Angeles", "A1PA6795UKMFR9": "Europe/Berlin"}


@pytest.fixture
def cluster(broker: Broker, topic_prefix: str, tmp_path: Path) -> Cluster:
    cluster = Cluster(broker.bootstrap, topic_prefix, tmp_path)
    assert cluster.odr("topics").returncode == 0
    return cluster


def counted_by_last_records(changes: Iterable[ConsumerRecord]) -> dict[DayKey, Counts]:
    """Return what the last record of each order, day and channel says it is counted in."""
    last: dict[tuple[DayKey, str], list[str]] = {}
    for record in changes:
        change = json.loads(record.value)
        day = (change["seller_id"], change["marketplace_id"], change["channel"], _date(change["order_date"]))
        last[day, change["order_id"]] = change["now"]
    figures: dict[DayKey, Counter[str]] = {}
    for (day, _), now in last.items():
        figures.setdefault(day, Counter()).update(now)
    return {day: Counts(**found) for day, found in figures.items() if found}


def _date(text: str) -> date:
    return date.fromisoformat(text)


def test_a_worker_with_other_settings_refuses_to_join_and_says_which(cluster: Cluster) -> None:
    events = history(300, seed=30)
    cluster.produce(events)
    with cluster.worker("one") as one:
        one.await_ready()
        for setting, value in ALL_FILED.items():
            data = str(cluster.directory / "other")
            other = cluster.odr("worker", STREAM_DATA_DIR=data, STREAM_HTTP_PORT="0", **{setting: value})
            assert other.returncode == 1
            assert f"{setting} is {value} here and " in other.stderr.splitlines()[-1]
            assert "stop them all to change a setting" in other.stderr.splitlines()[-1]
        eventually(lambda: one.partitions() == [0, 1, 2, 3], "the first worker goes on alone")
        cluster.await_caught_up()
        assert_exact([one], events)
        with cluster.worker("two") as two:  # one that agrees may join
            eventually(lambda: one.partitions() and two.partitions(), "two workers share")
            assert_exact([one, two], events)


@pytest.mark.parametrize("disk", ["with its disk", "with an empty disk"])
def test_other_settings_apply_to_everything_kept_and_the_health_changes_tell_of_it(cluster: Cluster, disk: str) -> None:
    events = history(600, seed=31)
    cluster.produce(events)
    targets = cluster.directory / "targets.toml"
    targets.write_text("".join(f'[marketplaces.{name}]\ntime_zone = "{zone}"\n' for name, zone in ZONES.items()))
    with cluster.worker("before") as worker:
        worker.await_ready()
        cluster.await_caught_up()
        assert worker.stop() == 0
    told = len(cluster.read("health-changes"))
    name = "before" if disk == "with its disk" else "after"
    others = ALL_FILED | {"STREAM_TARGETS": str(targets)}
    switches = Switches(claims_policy="all_filed", reversed_chargebacks="counted")
    with cluster.worker(name, **others) as worker:
        worker.await_ready()
        assert_exact([worker], events, DAY, switches=switches, zones=ZONES)
        changes = cluster.read("health-changes")
        assert counted_by_last_records(changes) == recount(events, switches=switches, zones=ZONES)
        assert {json.loads(record.value)["topic"] for record in changes[:]} > {"settings"}
        assert len(changes) > told
        assert len({json.loads(record.value)["change_id"] for record in changes}) == len(changes)
        assert worker.stop() == 0
        worker.start()  # the same settings once more change nothing
        worker.await_ready()
        assert len(cluster.read("health-changes")) == len(changes)
        assert worker.stop() == 0
    with cluster.worker("back again") as worker:
        worker.await_ready()
        assert_exact([worker], events)
        assert counted_by_last_records(cluster.read("health-changes")) == recount(events)
