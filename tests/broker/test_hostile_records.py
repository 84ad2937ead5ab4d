"""Records that somebody made to stop a worker: it goes on, keeps them, and counts everything else exactly."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.structs import ConsumerRecord

from stream.states import MOST_ATTACHED
from stream.tools.kafka import Broker
from stream.tools.topics import wanted
from tests.broker.harness import Cluster, Worker, assert_exact, figure, history

pytestmark = pytest.mark.broker

TOPIC_LIMIT = 1_048_588  # what a topic takes, unless it is set: a record with all that is around it
AROUND = 100
Record = tuple[str, bytes | None, bytes | None]


@pytest.fixture
def cluster(broker: Broker, topic_prefix: str, tmp_path: Path) -> Cluster:
    cluster = Cluster(broker.bootstrap, topic_prefix, tmp_path)
    assert cluster.odr("topics").returncode == 0
    return cluster


def produce(cluster: Cluster, records: Iterable[Record], **producer: Any) -> None:
    """Produce each record in a batch of its own, as a stranger's producer would: compressed, and of any size."""

    async def run() -> None:
        limits = {"max_request_size": 2**30, "max_batch_size": 2**20}
        async with AIOKafkaProducer(bootstrap_servers=cluster.bootstrap, **limits, **producer) as stranger:
            for topic, key, value in records:
                await stranger.send_and_wait(cluster.prefix + topic, key=key, value=value)

    asyncio.run(run())


def dead_letters(cluster: Cluster, topic: str) -> list[tuple[str, ConsumerRecord]]:
    letters = cluster.read(f"{topic}.dead-letters")
    return [(dict(letter.headers)["reason"].decode(), letter) for letter in letters]


def counted(worker: Worker, name: str, **labels: str) -> float:
    return figure(worker.series(), name, **labels) or 0


def test_records_as_large_as_their_topic_takes_are_kept_byte_for_byte(cluster: Cluster) -> None:
    room = TOPIC_LIMIT - AROUND
    hostile: list[Record] = [
        ("orders", b"S", os.urandom(room)),
        ("orders", os.urandom(room), b"{}"),
        ("feedback", os.urandom(room // 2), os.urandom(room // 2)),
        ("orders", b"S", b"[" * room),
        ("orders", b"S", b"9" * room),
        ("orders", b"S", b'"' + b"\\u0000" * (room // 6 - 1) + b'"'),
    ]
    events = history(100, seed=30)
    with cluster.worker() as worker:
        worker.await_ready()
        produce(cluster, hostile)
        cluster.produce(events)
        cluster.await_caught_up()
        assert_exact([worker], events)
        assert worker.stop() == 0
    for topic in ("orders", "feedback"):
        wanted = [(key, value) for on, key, value in hostile if on == topic]
        kept = [(letter.key, letter.value) for _, letter in dead_letters(cluster, topic)]
        assert sorted(kept, key=repr) == sorted(wanted, key=repr)


def test_a_record_that_is_larger_than_its_topic_takes_until_it_is_compressed_stops_no_worker(cluster: Cluster) -> None:
    # The dead letter was written as it came out of its compressed batch: the broker refused it, the worker ended, and
    # so did every worker after it.
    bombs: list[Record] = [("orders", b"S", b" " * 50_000_000), ("claim-statuses", b"\x00" * 3_000_000, b"null")]
    events = history(100, seed=31)
    with cluster.worker() as worker:
        worker.await_ready()
        produce(cluster, bombs, compression_type="gzip")
        cluster.produce(events)
        cluster.await_caught_up()
        assert_exact([worker], events)
        assert counted(worker, "stream_dead_letters_total", topic="orders", reason="too_large") == 1
        assert worker.stop() == 0
    for topic, key, value in bombs:
        ((_, letter),) = dead_letters(cluster, topic)
        assert (letter.key, letter.value) == (key, value)
        assert dict(letter.headers)["source-offset"] == b"0"


def test_a_dead_letter_that_nothing_takes_ends_a_worker_with_one_line_that_says_what_to_do(cluster: Cluster) -> None:
    set_limit(cluster, "orders.dead-letters", 1_000)
    with cluster.worker() as worker:
        worker.await_ready()
        produce(cluster, [("orders", b"S", b"7" * 2_000_000)], compression_type="gzip")
        assert worker.process is not None
        assert worker.process.wait(60) == 1
        told = worker.log().splitlines()[-1]
    assert told.startswith("odr worker: a dead letter of 2000001 bytes doesn't fit into ")
    assert f"{cluster.prefix}orders.dead-letters, even compressed: raise its max.message.bytes" in told


def set_limit(cluster: Cluster, topic: str, limit: int) -> None:
    configs = wanted(cluster.settings)[topic] | {"max.message.bytes": str(limit)}

    async def alter() -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=cluster.bootstrap)
        await admin.start()
        resource = ConfigResource(ConfigResourceType.TOPIC, cluster.prefix + topic, configs=configs)
        await admin.alter_configs([resource])
        await admin.close()

    asyncio.run(alter())


def test_whatever_producers_compress_with_is_read(cluster: Cluster) -> None:
    # All but gzip ended every worker that met them: what reads them was not installed.
    events = history(60, seed=32)
    records = [(topic, value["seller_id"].encode(), json.dumps(value).encode()) for topic, value in events]
    for part, codec in enumerate(("gzip", "snappy", "lz4", "zstd")):
        produce(cluster, records[part::4], compression_type=codec)
    with cluster.worker() as worker:
        worker.await_ready()
        cluster.await_caught_up()
        assert_exact([worker], events)


def test_an_order_with_more_defects_than_a_record_has_room_for_stops_no_worker(cluster: Cluster) -> None:
    # A source that gave one order id to everything made a state that no broker takes: every worker that read it ended,
    # and before that each event took longer than the one before.
    letters = "\U0001f600" * 123
    about = {"seller_id": "S", "marketplace_id": letters, "order_id": "N/A", "event_time": "2026-08-20T10:00:00Z"}
    placed = {"event_id": "e", "purchase_date": "2026-08-01T10:00:00Z", "channel": "MFN", "status": "Shipped"}
    claims = [
        {"event_id": f"{letters}{at:05}", "claim_id": f"{letters}{at:05}", "status": "denied"} for at in range(750)
    ]
    first = {"event_id": "last", "claim_id": " ", "status": "pending"}
    events = [("orders", about | placed), *(("claim-statuses", about | claim) for claim in (*claims, first))]
    with cluster.worker() as worker:
        worker.await_ready()
        cluster.produce(events)
        cluster.await_caught_up()
        labels = {"seller": "S", "marketplace": letters, "channel": "MFN", "window": "official"}
        assert counted(worker, "seller_claim_orders", **labels) == 1
        ignored = counted(worker, "stream_ignored_events_total", topic="claim-statuses", reason="too_many")
        assert ignored == len(claims) - MOST_ATTACHED
        assert worker.stop() == 0
    with cluster.worker("with-an-empty-disk") as worker:
        worker.await_ready()
        assert counted(worker, "seller_claim_orders", **labels) == 1


def test_a_record_that_a_topic_does_not_take_fails_an_ingest_in_one_line(cluster: Cluster, tmp_path: Path) -> None:
    # It was a trace of twenty lines; and one line above 1 MiB in a file took everything behind it along.
    set_limit(cluster, "orders", 2_000)
    file = tmp_path / "events.jsonl"
    file.write_text(
        json.dumps({"topic": "orders", "key": "S", "value": {"x": os.urandom(2_000).hex()}}), encoding="utf-8"
    )
    ended = cluster.odr("ingest", "events", str(file))
    assert (ended.returncode, ended.stdout) == (1, "")
    assert (
        ended.stderr
        == f"odr: the broker at STREAM_BROKERS={cluster.bootstrap} says: [Error 10] MessageSizeTooLargeError\n"
    )


def test_a_hostile_line_of_a_file_is_told_in_one_line_and_the_rest_goes_on(cluster: Cluster, tmp_path: Path) -> None:
    good = json.dumps({"topic": "orders", "key": "S", "value": {}})
    lines = [
        good,
        json.dumps({"topic": "orders", "key": "S", "value": "x" * 1_100_000}),
        json.dumps({"topic": "orders\n\x1b[2J\u2028", "key": "S", "value": {}}, ensure_ascii=False),
        json.dumps({"topic": "t" * 100_000, "key": "S", "value": {}}),
        '{"topic": "orders", "key": "\\ud800", "value": {}}',
        '{"topic": "orders", "key": "S", "value": ' + "[" * 100_000 + "}",
        '{"topic": "orders", "key": 5, "value": {}}',
        "[]",
        "\x00\x1b[31m",
        good,
    ]
    file = tmp_path / "events\x1b[31m\u202e.jsonl"
    file.write_text("\n".join(lines), encoding="utf-8")
    with file.open("ab") as more:
        more.write(b'\n\xff\xfe\n{"topic": "orders", "key": "\xff", "value": {}}\n')
    ended = cluster.odr("ingest", "events", str(file))
    assert (ended.returncode, ended.stdout) == (1, "2 events produced, 10 lines refused\n")
    told = ended.stderr.splitlines()
    assert len(told) == 10
    assert all(line.isprintable() and len(line) < 1_000 for line in told)
    assert [int(line.split(".jsonl:")[1].split(":")[0]) for line in told] == [2, 3, 4, 5, 6, 7, 8, 9, 11, 12]
    assert told[0].endswith(": key and value are 1100003 bytes; Kafka takes no record above 1 MiB")


ODD_HEADERS = """
import asyncio, sys
from aiokafka import AIOKafkaProducer

class Name(str):
    def encode(self, *_):
        return b"\\xff\\xfe"

async def run():
    bootstrap, topic, key, value = sys.argv[1:]
    async with AIOKafkaProducer(bootstrap_servers=bootstrap) as producer:
        await producer.send_and_wait(topic, value.encode(), key.encode(), headers=[(Name(".."), b"1")])

asyncio.run(run())
"""


def produce_with_an_odd_header(cluster: Cluster, topic: str, key: str, value: str) -> None:
    """Produce a record with a header whose name is no UTF-8; only the client's own Python can be made to."""
    environment = os.environ | {"AIOKAFKA_NO_EXTENSIONS": "1"}
    subprocess.run(
        [sys.executable, "-c", ODD_HEADERS, cluster.bootstrap, cluster.prefix + topic, key, value],
        env=environment,
        check=True,
    )


def test_a_header_whose_name_is_no_utf_8_is_no_reason_to_stop(cluster: Cluster) -> None:
    # aiokafka decodes headers' names while it fetches, and raises: one such record ended every worker of its partition,
    # after every restart.
    events = history(200, seed=61)
    odd = history(3, seed=62)
    cluster.produce(events[:200])
    for topic, value in odd:
        produce_with_an_odd_header(cluster, topic, value["seller_id"], json.dumps(value))
    produce_with_an_odd_header(cluster, "orders", "S1", "not json")
    cluster.produce(events[200:])
    with cluster.worker() as worker:
        worker.await_ready()
        cluster.await_caught_up()
        assert_exact([worker], [*events, *odd])
        file = cluster.directory / "archive.jsonl"
        assert cluster.odr("archive", str(file)).returncode == 0
        assert len(file.read_bytes().splitlines()) == len(events) + len(odd) + 1
    assert [reason for reason, _ in dead_letters(cluster, "orders")] == ["not_json"]
    assert cluster.odr("dead-letters", "requeue").stdout.startswith("1 put back")
