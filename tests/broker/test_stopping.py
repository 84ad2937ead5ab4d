"""A worker whose broker has gone stops when it is told to, and by itself when the broker does not come back."""

from collections.abc import Iterator
from typing import NamedTuple

import pytest

from stream.tools.kafka import Broker
from tests.broker.harness import Cluster, Worker, history
from tests.broker.impatient import COMMAND, PATIENCE_SECONDS
from tests.faults.supervise import await_shared, end_of

pytestmark = pytest.mark.broker


class LeftAlone(NamedTuple):
    """Two workers whose broker has gone while events arrived; one of them waits for it for a few seconds only."""

    brokers: str
    patient: Worker
    impatient: Worker


@pytest.fixture(scope="module")
def left_alone(kafka_here: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LeftAlone]:  # noqa: ARG001 - for its skip
    directory = tmp_path_factory.mktemp("stopping")
    with Broker(directory / "kafka") as broker:
        cluster = Cluster(broker.bootstrap, "", directory)
        assert cluster.odr("topics").returncode == 0
        with cluster.worker("patient") as patient, cluster.worker("impatient", command=COMMAND) as impatient:
            await_shared([patient, impatient])
            cluster.produce(history(2_000, seed=12))
            broker.kill()
            yield LeftAlone(broker.bootstrap, patient, impatient)


def test_a_worker_whose_broker_is_gone_still_stops_when_it_is_told_to(left_alone: LeftAlone) -> None:
    assert left_alone.patient.stop() == 0  # within 30 seconds


def test_a_worker_whose_broker_does_not_come_back_says_so_and_ends(left_alone: LeftAlone) -> None:
    told = end_of(left_alone.impatient, "no broker at")
    assert told == f"odr worker: no broker at {left_alone.brokers} for {PATIENCE_SECONDS:.0f} s"
