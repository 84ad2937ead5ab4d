"""A worker that is told to stop stops, whatever its broker does."""

from pathlib import Path

import pytest

from stream.tools.kafka import Broker
from tests.broker.harness import Cluster, history

pytestmark = [pytest.mark.broker, pytest.mark.usefixtures("kafka_here")]


def test_a_worker_whose_broker_is_gone_still_stops_when_it_is_told_to(tmp_path: Path) -> None:
    with Broker(tmp_path / "kafka") as broker:
        cluster = Cluster(broker.bootstrap, "", tmp_path)
        assert cluster.odr("topics").returncode == 0
        with cluster.worker() as worker:
            worker.await_ready()
            cluster.produce(history(2_000, seed=12))
            broker.kill()
            assert worker.stop() == 0  # within 30 seconds
