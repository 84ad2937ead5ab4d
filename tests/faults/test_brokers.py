"""Brokers that hang, die and come back while events flow."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from stream.tools.kafka import Broker
from tests.broker.harness import Cluster, Worker, eventually
from tests.faults.brokers import PROPERTIES, await_in_sync, partitions_of, three_brokers
from tests.faults.changelog import changelog
from tests.faults.supervise import await_shared, is_running
from tests.faults.trial import SEEDS, Conclude, Trial

pytestmark = [pytest.mark.broker, pytest.mark.usefixtures("kafka_here")]

HANGS_SECONDS = 60 if SEEDS else 20


@pytest.fixture
def lone(tmp_path: Path) -> Iterator[Broker]:
    with Broker(tmp_path / "kafka", properties=PROPERTIES) as broker:
        yield broker


@contextmanager
def hanging(broker: Broker) -> Iterator[None]:
    """Freeze a broker meanwhile: its connections stay, and nobody answers."""
    os.kill(broker.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(broker.pid, signal.SIGCONT)


def assert_waits(workers: list[Worker]) -> None:
    """Workers whose broker is away live, and say that they are not ready."""
    assert all(is_running(worker) for worker in workers)
    eventually(lambda: all(worker.get("/readyz")[0] == 503 for worker in workers), "not ready")
    assert all(worker.get("/healthz")[0] == 200 for worker in workers)


def test_a_lone_broker_that_hangs_and_dies_in_full_flow_loses_nothing(
    lone: Broker, seed: int, tmp_path: Path, conclude: Conclude
) -> None:
    with Trial(Cluster(lone.bootstrap, "", tmp_path), seed) as trial:
        workers = trial.begin("one", "two")
        with trial.flow() as flow:
            since = time.monotonic()
            with hanging(lone):
                assert_waits(workers)
                eventually(lambda: time.monotonic() - since > HANGS_SECONDS, "it hangs on", 2 * HANGS_SECONDS)
                assert_waits(workers)
            for _ in range(3 if SEEDS else 1):
                await_shared(workers, 120)
                flow.await_more(trial.rng.randrange(500, 8_000))
                lone.kill()
                assert_waits(workers)
                lone.start()
            await_shared(workers, 120)
            flow.await_more(2_000)
        conclude(trial, f"lone broker unreachable for {HANGS_SECONDS} s", "lone broker killed and restarted")


@pytest.fixture
def three(tmp_path: Path) -> Iterator[dict[int, Broker]]:
    with three_brokers(tmp_path / "kafka") as brokers:
        yield brokers


def test_a_leader_of_three_brokers_killed_in_full_flow_loses_and_doubles_nothing(
    three: dict[int, Broker], seed: int, tmp_path: Path, conclude: Conclude
) -> None:
    bootstrap = ",".join(broker.bootstrap for broker in three.values())
    cluster = Cluster(bootstrap, "", tmp_path, {"STREAM_REPLICATION": "3"})
    with Trial(cluster, seed) as trial:
        workers = trial.begin("one", "two")
        with trial.flow() as flow:
            for topic in [changelog(cluster), "orders", "health-changes"][: 3 if SEEDS else 1]:
                flow.await_more(trial.rng.randrange(500, 5_000))
                leader = three[trial.rng.choice(partitions_of(cluster, topic))["leader"]]
                leader.kill()
                flow.await_more(2_000)
                leader.start()
                await_in_sync(cluster, topic, 3)
            await_shared(workers, 120)
        conclude(trial, "a leader of three brokers killed and restarted")
