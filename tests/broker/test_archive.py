"""Topics into a file and back: everything comes back, also what is no valid event, and into its own partition."""

import asyncio
import gzip
import json
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer

from stream.tools.kafka import Broker
from tests.broker.harness import Cluster, history
from tests.broker.test_dead_letters import GARBAGE

pytestmark = pytest.mark.broker


def new_cluster(broker: Broker, prefix: str, directory: Path) -> Cluster:
    cluster = Cluster(broker.bootstrap, prefix, directory)
    assert cluster.odr("topics").returncode == 0
    return cluster


def records(cluster: Cluster, topic: str) -> list[tuple[int, bytes | None, bytes | None]]:
    return [(record.partition, record.key, record.value) for record in cluster.read(topic)]


async def misplace(cluster: Cluster) -> None:
    """Write records where our own producers would not."""
    producer = AIOKafkaProducer(bootstrap_servers=cluster.bootstrap)
    await producer.start()
    for partition in range(4):
        await producer.send_and_wait(f"{cluster.prefix}violations", b"{}", b"S", partition=partition)
        await producer.send_and_wait(f"{cluster.prefix}violations", b"not json", None, partition=partition)
    await producer.stop()


def test_an_archive_that_is_ingested_gives_the_same_topics_and_the_same_archive(
    broker: Broker, topic_prefix: str, tmp_path: Path
) -> None:
    one = new_cluster(broker, f"{topic_prefix}a.", tmp_path)
    other = new_cluster(broker, f"{topic_prefix}b.", tmp_path)
    good = [(topic, value["seller_id"].encode(), json.dumps(value).encode()) for topic, value in history(200, seed=40)]
    one.produce_raw([*good[:50], *((topic, key, value) for _, topic, key, value in GARBAGE), *good[50:]])
    asyncio.run(misplace(one))
    first, second = tmp_path / "first.jsonl.gz", tmp_path / "second.jsonl.gz"
    written = one.odr("archive", str(first))
    assert written.stdout == f"{len(good) + len(GARBAGE) + 8} records written\n"
    assert other.odr("ingest", "events", str(first)).returncode == 0
    for topic in ("orders", "feedback", "claim-statuses", "chargebacks", "violations"):
        assert records(other, topic) == records(one, topic)
    assert other.odr("archive", str(second)).returncode == 0
    assert second.read_bytes() == first.read_bytes()
    assert all(json.loads(line)["topic"] for line in gzip.decompress(first.read_bytes()).splitlines())


def test_an_archive_takes_the_topics_that_are_asked_for_and_replaces_no_file_unasked(
    broker: Broker, topic_prefix: str, tmp_path: Path
) -> None:
    cluster = new_cluster(broker, topic_prefix, tmp_path)
    cluster.produce(event for event in history(50, seed=41) if event[0] != "messages")
    file = tmp_path / "orders.jsonl"
    assert cluster.odr("archive", str(file), "--topic", "orders").returncode == 0
    lines = file.read_text(encoding="utf-8").splitlines()
    assert {json.loads(line)["topic"] for line in lines} == {"orders"}
    assert len(lines) == len(cluster.read("orders"))
    refused = cluster.odr("archive", str(file))
    assert refused.returncode == 1
    assert refused.stderr == f"Error: {file} is there already: give another name, or --overwrite\n"
    assert cluster.odr("archive", str(file), "--overwrite", "--topic", "messages").returncode == 0
    assert file.read_bytes() == b""
    nowhere = cluster.odr("archive", str(tmp_path / "no" / "such" / "folder.jsonl"))
    assert nowhere.returncode == 1
    assert "No such file or directory" in nowhere.stderr
    assert nowhere.stderr.count("\n") == 1


def test_a_line_for_a_partition_that_is_not_there_is_told(broker: Broker, topic_prefix: str, tmp_path: Path) -> None:
    cluster = new_cluster(broker, topic_prefix, tmp_path)
    file = tmp_path / "events.jsonl"
    file.write_text('{"topic":"orders","partition":4,"key":"S","value":{}}\n', encoding="utf-8")
    ended = cluster.odr("ingest", "events", str(file))
    assert ended.returncode == 1
    assert ended.stderr == f"{file}:1: there is no partition 4: the topics have 4\n"
