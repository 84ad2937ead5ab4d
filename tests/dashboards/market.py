"""A simulated marketplace that is watched for real, with everything in it that a panel may be about.

Two workers, one of which comes later and shows only sellers at risk; garbage, a seller in two partitions, records that
come twice or too late, or are kept back; sellers that miss whatever can be missed; and a replay of one seller.
"""

import asyncio
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from aiokafka import AIOKafkaProducer

from tests.broker.harness import Cluster, Worker, eventually
from tests.dashboards import misses
from tests.watch import Server, prometheus, tool, watching

SELLER: Final = "JUST-OVER"
REPLAY: Final = "r1"
PROMPT: Final = dict.fromkeys(("1m", "2m", "5m", "10m", "15m", "1h"), "1s")


@contextmanager
def watched(cluster: Cluster) -> Iterator[Server]:
    """Run everything; yield Prometheus once it knows what there is to know."""
    tool("promtool")
    assert cluster.odr("topics").returncode == 0
    first, second = Worker(cluster, "first", {}), Worker(cluster, "second", {"STREAM_EXPORT": "at_risk"})
    directory = cluster.directory / "prometheus"
    directory.mkdir()
    write_replay(cluster, directory / "data")
    config = watching(directory, PROMPT, [first.port, second.port])
    try:
        first.start()
        first.await_ready()
        with prometheus(directory, config, "--storage.tsdb.retention.time=400d") as server:
            eventually(lambda: server.query("stream_events_total") or None, "the worker is scraped")
            fill(cluster, server)
            cluster.await_caught_up()
            second.start()
            eventually(lambda: second.partitions() or None, "the other worker has partitions")
            yield server
    finally:
        for worker in (first, second):
            worker.kill()


def fill(cluster: Cluster, server: Server) -> None:
    simulate(cluster)
    for seller in (SELLER, misses.SELLER):
        cluster.produce(misses.misses(seller))
    cluster.produce(misses.about_to_miss())
    asyncio.run(keep_back(cluster, server))
    again, too_late = (("orders", b"S", order("S", name, days)) for name, days in (("again", 30), ("too late", 300)))
    cluster.produce_raw([("orders", b"S", b"not json"), ("feedback", b"S", None), again, again, too_late])
    asyncio.run(split(cluster))


def simulate(cluster: Cluster) -> None:
    history = ("--only-history", "--days", "90", "--orders-per-day", "300", "--sellers", "12")
    simulated = cluster.odr("simulate", *history)
    assert simulated.returncode == 0, simulated.stderr


def order(seller: str, order_id: str, days: float = 30) -> bytes:
    at = (datetime.now(UTC) - timedelta(days=days)).isoformat()
    told = {"event_id": order_id, "event_time": at, "seller_id": seller, "marketplace_id": "ATVPDKIKX0DER"}
    placed = {"order_id": order_id, "purchase_date": at, "channel": "MFN", "status": "Shipped"}
    return json.dumps(told | placed).encode()


async def keep_back(cluster: Cluster, server: Server) -> None:
    """Produce a record that is late already, and leave its transaction open until a worker is seen to wait for it."""
    producer = AIOKafkaProducer(bootstrap_servers=cluster.bootstrap, transactional_id=f"{cluster.prefix}slow")
    minutes_ago = int(time.time() * 1000) - 120_000
    behind = "topic:stream_consumer_lag_seconds:max > 1"
    await producer.start()
    try:
        async with producer.transaction():
            await producer.send_and_wait(
                f"{cluster.prefix}orders", order("S", "kept back"), key=b"S", timestamp_ms=minutes_ago
            )
            await asyncio.to_thread(eventually, lambda: server.query(behind) or None, "the worker is behind")
    finally:
        await producer.stop()


async def split(cluster: Cluster) -> None:
    """Send a seller's orders to two partitions, as two producers do that partition differently."""
    producer = AIOKafkaProducer(bootstrap_servers=cluster.bootstrap)
    await producer.start()
    try:
        for partition in (0, 1):
            record = order("SPLIT", f"o{partition}")
            await producer.send_and_wait(f"{cluster.prefix}orders", record, key=b"SPLIT", partition=partition)
    finally:
        await producer.stop()


def write_replay(cluster: Cluster, data: Path) -> None:
    """Replay the same market, from topics of its own, into a data directory that no Prometheus reads yet.

    One that reads it already would notice within a minute only.
    """
    past = Cluster(cluster.bootstrap, f"{cluster.prefix}past.", cluster.directory, cluster.environment)
    assert past.odr("topics").returncode == 0
    simulate(past)
    past.produce(misses.misses(SELLER))
    flags = ("--seller", SELLER, "--prometheus", str(data), "--name", REPLAY)
    replayed = past.odr("replay", *flags, STREAM_DATA_DIR=str(past.directory / "past"))
    assert replayed.returncode == 0, replayed.stderr
