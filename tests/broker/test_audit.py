"""`odr audit` on real workers: what they show is what Kafka has, and where it is not, the audit says so."""

import asyncio
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiokafka import AIOKafkaProducer

from stream.changelog import pack_key
from stream.figures import ONE
from stream.settings import Settings
from stream.states import OrderState, pack
from stream.tools.kafka import Broker
from stream.topics import order_states
from stream.worker.auditor import Auditor
from stream.worker.ground import Ground
from stream.worker.intake import Intake
from stream.worker.telemetry import Telemetry
from tests.broker.harness import Cluster, Worker, eventually, figure, free_port, history
from tests.builders import SELLER, US, after, decoded, held, order, rules_of

broker_test = pytest.mark.broker


@pytest.fixture
def cluster(broker: Broker, topic_prefix: str, tmp_path: Path) -> Cluster:
    cluster = Cluster(broker.bootstrap, topic_prefix, tmp_path)
    assert cluster.odr("topics").returncode == 0
    return cluster


@pytest.fixture
def two_workers(cluster: Cluster) -> Iterator[list[Worker]]:
    with cluster.worker("one") as one, cluster.worker("two") as two:
        eventually(lambda: all(worker.partitions() for worker in (one, two)), "two workers share")
        yield [one, two]


@broker_test
def test_an_audit_of_workers_in_full_flow_finds_no_mismatch(cluster: Cluster, two_workers: list[Worker]) -> None:
    events = history(1_500, seed=20)
    cluster.produce(events[:2_000])
    first = cluster.odr("audit")  # while they still fold
    assert (first.returncode, first.stderr) == (0, "")
    cluster.produce(events[2_000:])
    cluster.await_caught_up()
    told = cluster.odr("audit", "--json")
    assert told.returncode == 0
    report = json.loads(told.stdout)
    sellers = {event["seller_id"] for _, event in events}
    assert (report["workers"], report["partitions"], report["sellers"]) == (2, 4, len(sellers))
    assert (report["orders"], report["mismatches"]) == (1_500, [])
    said = cluster.odr("audit", *(f"--worker=127.0.0.1:{worker.port}" for worker in two_workers))
    assert (
        said.stdout == f"1,500 orders of {len(sellers)} sellers in 4 partitions of 2 workers recounted: 0 mismatches\n"
    )
    for worker in two_workers:
        eventually(
            lambda: (figure(worker.series(), "stream_audited_sellers_total") or 0) > 0,  # noqa: B023 - asked at once
            "the worker audits itself",
        )
        assert figure(worker.series(), "stream_audit_mismatches") == 0


@broker_test
def test_an_order_that_kafka_has_and_the_worker_has_not_is_told(cluster: Cluster) -> None:
    cluster.produce([order("1", seller_id="S")])
    with cluster.worker() as worker:
        worker.await_ready()
        cluster.await_caught_up()
        asyncio.run(smuggle(cluster, OrderState(cast("Any", decoded(order("2", seller_id="S")).thing))))
        cluster.produce([order("3", seller_id="S")])  # moves the worker beyond what was smuggled in
        cluster.await_caught_up()
        ended = cluster.odr("audit", "--json")
        report = json.loads(ended.stdout)
        assert ended.returncode == 3
        found = {mismatch["figure"]: mismatch for mismatch in report["mismatches"]}
        wrong_day = found["day 2026-10-01"]
        assert (wrong_day["seller"], wrong_day["place"]) == ("S", ["orders", US, "MFN"])
        assert (wrong_day["recounted"], wrong_day["live"]) == ({"orders": 3}, {"orders": 2})
        said = cluster.odr("audit", COLUMNS="200").stdout
        assert "day 2026-10-01" in said
        assert said.endswith("recounted: 1 mismatches\n")


async def smuggle(cluster: Cluster, state: OrderState) -> None:
    """Write a state into the changelog beside the worker, into the partition of seller S."""
    number = next(record.partition for record in await asyncio.to_thread(cluster.read, "orders"))
    producer = AIOKafkaProducer(bootstrap_servers=cluster.bootstrap)
    await producer.start()
    key = pack_key(("S", b"o2"))
    await producer.send_and_wait(
        cluster.prefix + order_states(cluster.group), key=key, value=pack(state), partition=number
    )
    await producer.stop()


@broker_test
def test_an_audit_that_cannot_be_made_says_why_in_one_line(cluster: Cluster) -> None:
    nobody = cluster.odr("audit")
    assert nobody.returncode == 1
    assert (
        nobody.stderr == f"odr: group {cluster.group} has no worker; start one, then there are live figures to audit\n"
    )
    with cluster.worker(STREAM_HTTP_TOKEN="s3cret") as worker:
        worker.await_ready()
        refused = cluster.odr("audit")
        assert refused.returncode == 1
        assert refused.stderr == f"odr: the worker at 127.0.0.1:{worker.port} asks for STREAM_HTTP_TOKEN\n"
        assert cluster.odr("audit", STREAM_HTTP_TOKEN="s3cret").returncode == 0


# --- In the background, without Kafka ---------------------------------------------------------------------------------


def test_the_worker_finds_a_figure_that_drifted_and_tells_of_it_until_it_is_right_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    accounts = after(order())
    rules = rules_of()
    telemetry = Telemetry([])
    ground = Ground(Settings.read(http_port=free_port()), rules, held(rules), telemetry, "cluster", 60.0)
    live = [SimpleNamespace(accounts=accounts, live=True)]
    auditor = Auditor(ground, cast("Intake", SimpleNamespace(live=live)))

    def mismatches_after_a_pass() -> float:
        for _ in range(3):  # begins, recounts, ends
            asyncio.run(auditor.slice())
        return telemetry.registry.get_sample_value("stream_audit_mismatches") or 0.0

    assert mismatches_after_a_pass() == 0
    days = accounts.sellers[SELLER].groups["orders", US, "MFN"].days
    (day,) = days
    days[day] += ONE["orders"]
    with caplog.at_level(logging.ERROR):
        assert mismatches_after_a_pass() == 1
    assert "figures of a seller are not those of a recount" in caplog.text
    days[day] -= ONE["orders"]
    mismatches_after_a_pass()
    assert mismatches_after_a_pass() == 0
