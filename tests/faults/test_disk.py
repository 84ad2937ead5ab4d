"""Local state that is gone, damaged, somebody else's, old, or can't be written any more: it costs time, never data."""

import shutil
from pathlib import Path

import pytest

from tests.broker.harness import PARTITIONS, Cluster, history
from tests.faults.disk import age_format, backdate, delete, fill, flip_bytes, replaced_by, small_disk, truncate
from tests.faults.supervise import await_shared, end_of, start_again, stop_all
from tests.faults.trial import SEEDS, Conclude, Trial

pytestmark = pytest.mark.broker


@pytest.fixture
def foreign(cluster: Cluster) -> Path:
    """The data directory of a worker of other topics, where half of the same sellers' orders are others."""
    other = Cluster(cluster.bootstrap, f"{cluster.prefix}other.", cluster.directory)
    assert other.odr("topics").returncode == 0
    other.produce(history(500, seed=99))
    with other.worker("foreign") as worker:
        worker.await_ready()
        other.await_caught_up()
        stop_all([worker])
        return worker.data_dir


def test_local_state_that_is_not_as_it_should_be_is_restored_from_the_changelog(
    trial: Trial, foreign: Path, conclude: Conclude
) -> None:
    damages = [delete, truncate, flip_bytes, age_format, backdate, replaced_by(foreign)]
    (worker,) = trial.begin("one")
    with trial.flow() as flow:
        for _ in range(3 if SEEDS else 2):
            flow.await_more(2_000)
            stop_all([worker])
            for partition in range(PARTITIONS):  # the next damage to each
                damages.append(damages.pop(0))
                damages[-1](worker.data_dir / "partitions" / str(partition), trial.rng)
            start_again(worker)
            await_shared([worker])
        flow.await_more(1_000)
        shutil.rmtree(worker.data_dir)  # under the running worker, which may notice it or not
        flow.await_produced(2_000)
        worker.kill()
        start_again(worker)
        await_shared([worker])
    conclude(
        trial,
        "local state deleted, truncated, with flipped bytes, of another group, of an older format, or too old",
        "data directory deleted under a running worker",
    )


def test_a_worker_whose_disk_is_full_says_so_and_ends_and_goes_on_when_there_is_room(
    trial: Trial, conclude: Conclude
) -> None:
    disk = trial.cluster.directory / "small"
    with small_disk(disk, megabytes=64):
        (worker,) = trial.begin("one", STREAM_DATA_DIR=str(disk / "data"))
        with trial.flow() as flow:
            ballast = fill(disk)
            assert "No space left on device" in end_of(worker, names="STREAM_DATA_DIR")
            ballast.unlink()
            start_again(worker, f"committed:{trial.rng.randint(1, 20)}:full")
            assert "No space left on device" in end_of(worker, names="STREAM_DATA_DIR")
            start_again(worker)
            await_shared([worker])
            flow.await_more(1_000)
        conclude(trial, "disk full")
