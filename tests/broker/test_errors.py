"""What is wrong is said in one line, with a status, and nothing is half started."""

import asyncio
import socket
from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions

from stream.connection import KafkaError
from stream.settings import Settings
from stream.tools import produce
from stream.tools.kafka import Broker
from tests.broker.harness import Cluster, eventually

pytestmark = pytest.mark.broker


@pytest.fixture
def cluster(broker: Broker, topic_prefix: str, tmp_path: Path) -> Cluster:
    return Cluster(broker.bootstrap, topic_prefix, tmp_path)


def worker_says(cluster: Cluster, **more: str) -> str:
    """Run a worker that can't start; return its one line."""
    ended = cluster.odr("worker", STREAM_HTTP_PORT="0", STREAM_DATA_DIR=str(cluster.directory / "data"), **more)
    assert ended.returncode == 1, ended.stderr
    assert ended.stderr.count("\n") == 1, ended.stderr
    return ended.stderr


def test_an_unreachable_broker_is_one_line(cluster: Cluster) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        brokers = f"127.0.0.1:{nobody.getsockname()[1]}"
        assert f"no broker answers at STREAM_BROKERS={brokers}" in worker_says(cluster, STREAM_BROKERS=brokers)


def test_missing_topics_are_named(cluster: Cluster) -> None:
    said = worker_says(cluster)
    assert f"missing topics: {cluster.prefix}chargebacks, " in said
    assert "`odr topics` creates them" in said


def test_topics_with_different_partition_counts_are_named(cluster: Cluster) -> None:
    async def grow() -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=cluster.bootstrap)
        await admin.start()
        await admin.create_partitions({f"{cluster.prefix}feedback": NewPartitions(5)})
        await admin.close()

    assert cluster.odr("topics").returncode == 0
    asyncio.run(grow())
    said = eventually(lambda: "different" in (line := worker_says(cluster)) and line, "the new partition is known")
    assert f"{cluster.prefix}feedback has 5" in str(said)
    assert cluster.odr("topics").returncode == 1


def test_a_data_directory_in_use_is_refused(cluster: Cluster) -> None:
    assert cluster.odr("topics").returncode == 0
    with cluster.worker("data") as worker:
        worker.await_ready()
        assert "STREAM_DATA_DIR: another worker uses" in worker_says(cluster)
        assert worker.stop() == 0


def test_a_port_in_use_is_refused(cluster: Cluster) -> None:
    assert cluster.odr("topics").returncode == 0
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        ended = cluster.odr("worker", STREAM_HTTP_PORT=port, STREAM_DATA_DIR=str(cluster.directory / "data"))
    assert ended.returncode == 1
    assert f"can't listen on 127.0.0.1:{port}" in ended.stderr
    assert ended.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("variable", "value", "accepts"),
    [
        ("STREAM_HTTP_PORT", "many", "integer"),
        ("STREAM_RETENTION_DAYS", "30", "190"),
        ("STREAM_CLAIMS_POLICY", "none", "'current' or 'all_filed'"),
        ("STREAM_TODAY", "tomorrow", "YYYY-MM-DD"),
        ("STREAM_BROKERS", "nowhere", "host:port"),
        ("STREAM_TARGETS", "missing.toml", "No such file"),
    ],
)
def test_a_wrong_setting_names_its_variable_and_what_it_accepts(
    cluster: Cluster, variable: str, value: str, accepts: str
) -> None:
    ended = cluster.odr("worker", **{variable: value})
    assert ended.returncode == 1
    assert variable in ended.stderr
    assert accepts in ended.stderr
    assert ended.stderr.count("\n") == 1


def test_ingest_tells_of_each_line_it_cannot_use_and_goes_on(cluster: Cluster, tmp_path: Path) -> None:
    assert cluster.odr("topics").returncode == 0
    file = tmp_path / "events.jsonl"
    file.write_text(
        '{"topic": "orders", "key": "S", "value": {"not": "judged here"}}\n'
        "not json\n"
        '{"topic": "nowhere", "key": "S", "value": {}}\n'
        "\n"
        '{"topic": "violations", "key": null, "value": null}\n',
        encoding="utf-8",
    )
    ended = cluster.odr("ingest", "events", str(file))
    assert ended.returncode == 1
    assert ended.stdout == "2 events produced, 2 lines refused\n"
    assert [line.split(": ")[0] for line in ended.stderr.splitlines()] == [f"{file}:2", f"{file}:3"]
    assert [(record.key, record.value) for record in cluster.read("orders")] == [(b"S", b'{"not": "judged here"}')]
    assert [(record.key, record.value) for record in cluster.read("violations")] == [(None, None)]


@pytest.mark.usefixtures("kafka_here")
def test_the_first_group_of_a_new_broker_finds_its_coordinator(tmp_path: Path) -> None:
    # A broker that has never had a consumer has no coordinator, and makes one only when asked: the first worker of a
    # group without a changelog asked once, and ended on the answer.
    with Broker(tmp_path / "kafka") as new:
        cluster = Cluster(new.bootstrap, "", tmp_path, {"STREAM_GROUP": "first"})
        assert cluster.odr("topics", STREAM_GROUP="another").returncode == 0
        with cluster.worker() as worker:
            worker.await_ready()
            assert worker.stop() == 0


@pytest.mark.usefixtures("kafka_here")
def test_a_broker_that_dies_while_a_file_is_ingested_is_told_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The Kafka client tries for ever, and so did `odr ingest`; and then it waited for ever to be closed.
    monkeypatch.setattr(produce, "_STILL_SECONDS", 3.0)

    async def lose(broker: Broker, settings: Settings) -> None:
        async with produce.Producer(settings) as producer:
            await producer.add("orders", b"S", b"1")
            await producer.flush()
            broker.kill()
            await producer.add("orders", b"S", b"2")

    with Broker(tmp_path / "kafka") as broker:
        cluster = Cluster(broker.bootstrap, "", tmp_path)
        assert cluster.odr("topics").returncode == 0
        with pytest.raises(KafkaError, match=r"has taken nothing for 3 s$"):
            asyncio.run(asyncio.wait_for(lose(broker, cluster.settings), 30))
