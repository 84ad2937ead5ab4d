"""A worker that can't go on ends, soon, with a status and one line that says why."""

from contextlib import ExitStack

import pytest

from stream.changelog import pack_key
from tests.broker.harness import PARTITIONS, Cluster, assert_exact, eventually, history
from tests.faults.brokers import asked
from tests.faults.changelog import changelog, produce_to
from tests.faults.supervise import end_of, stop_all

pytestmark = pytest.mark.broker

EVENTS = history(200, seed=1)


def begun(cluster: Cluster, suffix: str = "") -> Cluster:
    """Return a cluster of its own, with topics and some events."""
    own = Cluster(cluster.bootstrap, cluster.prefix + suffix, cluster.directory)
    assert own.odr("topics").returncode == 0
    own.produce(EVENTS)
    return own


def delete_topic(cluster: Cluster, topic: str) -> None:
    asked(cluster, lambda admin: admin.delete_topics([cluster.prefix + topic]))


def test_a_worker_whose_topic_is_deleted_says_so_and_ends(cluster: Cluster) -> None:
    # It went on for ever: there was nothing to read from a topic that was gone, and nothing to write.
    clusters = [begun(cluster, f"{number}.") for number in range(5)]
    topics = ["orders", "chargebacks", changelog(clusters[2]), "health-changes", "orders.dead-letters"]
    with ExitStack() as open_:
        workers = [open_.enter_context(own.worker(own.prefix + "worker")) for own in clusters]
        for own, worker, topic in zip(clusters, workers, topics, strict=True):
            worker.await_ready()
            own.await_caught_up()
            delete_topic(own, topic)
        for own, worker, topic in zip(clusters, workers, topics, strict=True):
            assert own.prefix + topic in end_of(worker, names="")


def test_a_topic_that_is_deleted_and_made_again_is_read_from_its_beginning(cluster: Cluster) -> None:
    own = begun(cluster)
    more = history(50, seed=2)
    with own.worker() as worker:
        worker.await_ready()
        own.await_caught_up()
        delete_topic(own, "orders")
        eventually(lambda: own.odr("topics").returncode == 0, "made again")
        own.produce(more)
        worker.await_ready()
        own.await_caught_up()
        assert_exact([worker], EVENTS + more)


def test_a_worker_that_meets_garbage_in_the_changelog_says_where_and_ends(cluster: Cluster) -> None:
    clusters = [begun(cluster, f"{number}.") for number in range(2)]
    garbage = [(b"garbage", b""), (pack_key(("S", b"1")), b"garbage")]
    with ExitStack() as open_:
        workers = [open_.enter_context(own.worker(own.prefix + "worker")) for own in clusters]
        for own, worker in zip(clusters, workers, strict=True):
            worker.await_ready()
            own.await_caught_up()
        stop_all(workers)
        for own, worker, (key, value) in zip(clusters, workers, garbage, strict=True):
            produce_to(own, PARTITIONS - 1, key, value)
            worker.start()
            where = f"{own.prefix}{changelog(own)}, partition {PARTITIONS - 1}, offset "
            assert where in end_of(worker, names="no worker of this version wrote")
