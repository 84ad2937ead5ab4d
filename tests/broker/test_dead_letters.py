"""Garbage among good records: kept byte for byte, told why, and in nobody's way."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from stream.tools.kafka import Broker
from tests.broker.harness import PARTITIONS, Cluster, assert_exact, eventually, figure, history

pytestmark = pytest.mark.broker

ORDER = {
    "event_id": "e",
    "event_time": "2026-08-01T10:00:00Z",
    "seller_id": "S",
    "marketplace_id": "M",
    "order_id": "1",
    "purchase_date": "2026-08-01T10:00:00Z",
    "channel": "MFN",
    "status": "Shipped",
}
FEEDBACK = {name: ORDER[name] for name in ("event_id", "event_time", "seller_id", "marketplace_id", "order_id")}


def bytes_of(**changed: object) -> bytes:
    return json.dumps(ORDER | changed).encode()


def without(name: str) -> bytes:
    return json.dumps({field: value for field, value in ORDER.items() if field != name}).encode()


FAR_FUTURE = (datetime.now(UTC) + timedelta(days=2)).isoformat()
GARBAGE: list[tuple[str, str, bytes | None, bytes | None]] = [
    ("not_json", "orders", b"S", b"not json"),
    ("not_json", "orders", b"S", b""),
    ("not_json", "orders", b"S", b"\xef\xbb\xbf" + bytes_of()),
    ("not_json", "orders", b"S", bytes_of(unknown=0).replace(b": 0", b": " + b"[" * 100_000)),
    ("invalid_field", "orders", b"S", b"[]"),
    ("invalid_field", "orders", b"S", b"null"),
    ("invalid_field", "orders", b"S", without("order_id")),
    ("invalid_field", "orders", b"S", bytes_of(order_id=None)),
    ("invalid_field", "orders", b"S", bytes_of(order_id="x" * 129)),
    ("invalid_field", "orders", b"S", bytes_of(event_time="2026-08-01T10:00:00")),
    ("invalid_field", "orders", b"S", bytes_of(purchase_date="2026-08-01")),
    ("invalid_field", "orders", b"S", bytes_of(channel="FBA")),
    ("invalid_field", "feedback", b"S", json.dumps(FEEDBACK | {"rating": 6, "status": "posted"}).encode()),
    ("invalid_field", "feedback", b"S", json.dumps(FEEDBACK | {"rating": 3.0, "status": "posted"}).encode()),
    ("invalid_field", "feedback", b"S", json.dumps(FEEDBACK | {"rating": True, "status": "posted"}).encode()),
    ("not_utf8", "orders", b"S", bytes_of().replace(b'"1"', b'"\xff"')),
    ("not_utf8", "orders", b"S", bytes_of(unknown="x").replace(b'"x"', b'"\xff"')),
    ("too_large", "orders", b"S", bytes_of(unknown="x" * 300_000)),
    ("no_value", "orders", b"S", None),
    ("no_value", "orders", None, None),
    ("no_key", "orders", None, bytes_of()),
    ("wrong_key", "orders", b"T", bytes_of()),
    ("wrong_key", "orders", b"\xff\xfe", bytes_of()),
    ("from_the_future", "orders", b"S", bytes_of(event_time=FAR_FUTURE)),
]


def test_garbage_goes_to_the_dead_letters_byte_for_byte_and_changes_no_figure(
    broker: Broker, topic_prefix: str, tmp_path: Path
) -> None:
    cluster = Cluster(broker.bootstrap, topic_prefix, tmp_path)
    assert cluster.odr("topics").returncode == 0
    events = history(300, seed=5)
    good = [(topic, value["seller_id"].encode(), json.dumps(value).encode()) for topic, value in events]
    mixed = good[:100] + [(topic, key, value) for _, topic, key, value in GARBAGE] + good[100:]
    cluster.produce_raw(mixed)
    with cluster.worker() as worker:
        worker.await_ready()
        cluster.await_caught_up()
        assert_exact([worker], events)
        counted = sum(value for (name, _), value in worker.series().items() if name == "stream_dead_letters_total")
        assert counted == len(GARBAGE)
        unknown = figure(worker.series(), "seller_orders", seller="S", marketplace="M", channel="MFN", window="ahead")
        assert unknown is None
        eventually(lambda: worker.get("/api/sellers/S/health")[0] == 404, "nothing of seller S is kept")
    for topic in ("orders", "feedback"):
        letters = cluster.read(f"{topic}.dead-letters")
        sources = {(record.partition, record.offset): record for record in cluster.read(topic)}
        told = []
        for letter in letters:
            headers = {name: value.decode() for name, value in letter.headers}
            source = sources[int(headers["source-partition"]), int(headers["source-offset"])]
            assert (letter.key, letter.value) == (source.key, source.value)
            assert 0 <= source.partition < PARTITIONS
            told.append((headers["reason"], topic, letter.key, letter.value))
        wanted = [letter for letter in GARBAGE if letter[1] == topic]
        assert sorted(told, key=repr) == sorted(wanted, key=repr)
