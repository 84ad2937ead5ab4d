"""Figures stay exact when a worker freezes, and when the broker dies."""

import signal
from pathlib import Path

import pytest

from stream.tools.kafka import Broker
from tests.broker.harness import Cluster, Worker, assert_exact, eventually, history

pytestmark = [pytest.mark.broker, pytest.mark.usefixtures("kafka_here")]


def shared_out(workers: list[Worker]) -> bool:
    owned = [worker.partitions() for worker in workers]
    return all(owned) and sum(len(numbers) for numbers in owned) == 4


def test_a_worker_that_froze_shows_no_seller_that_it_may_have_lost(
    broker: Broker, topic_prefix: str, tmp_path: Path
) -> None:
    cluster = Cluster(broker.bootstrap, topic_prefix, tmp_path)
    assert cluster.odr("topics").returncode == 0
    events = history(1_500, seed=10)
    third = len(events) // 3
    with cluster.worker("one") as one, cluster.worker("two") as two:
        eventually(lambda: shared_out([one, two]), "two workers share")
        cluster.produce(events[:third])
        assert one.process is not None
        one.process.send_signal(signal.SIGSTOP)
        cluster.produce(events[third : 2 * third])
        eventually(lambda: len(two.partitions()) == 4, "the other worker has taken over")
        one.process.send_signal(signal.SIGCONT)
        assert not [name for name, _ in one.series() if name.startswith("seller_")]
        cluster.produce(events[2 * third :])
        eventually(lambda: shared_out([one, two]), "two workers share again")
        cluster.await_caught_up()
        assert_exact([one, two], events)


def test_workers_outlive_a_broker_that_is_killed_and_comes_back(tmp_path: Path) -> None:
    with Broker(tmp_path / "kafka") as broker:
        cluster = Cluster(broker.bootstrap, "", tmp_path)
        assert cluster.odr("topics").returncode == 0
        events = history(1_500, seed=11)
        half = len(events) // 2
        with cluster.worker() as worker:
            worker.await_ready()
            cluster.produce(events[:half])
            broker.kill()
            eventually(lambda: worker.get("/readyz")[0] == 503, "the worker says that it is not ready")
            assert worker.get("/healthz")[0] == 200
            broker.start()
            cluster.produce(events[half:])
            worker.await_ready()
            cluster.await_caught_up()
            assert_exact([worker], events)
            assert worker.stop() == 0


def test_a_worker_whose_broker_is_gone_still_stops_when_it_is_told_to(tmp_path: Path) -> None:
    with Broker(tmp_path / "kafka") as broker:
        cluster = Cluster(broker.bootstrap, "", tmp_path)
        assert cluster.odr("topics").returncode == 0
        with cluster.worker() as worker:
            worker.await_ready()
            cluster.produce(history(2_000, seed=12))
            broker.kill()
            assert worker.stop() == 0  # within 30 seconds
