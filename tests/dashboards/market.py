"""A simulated marketplace that is watched for real, with everything in it that a panel may be about.

Two workers, one of which comes later; garbage, a seller in two partitions, records that come twice; sellers that miss
whatever can be missed; and a replay of one seller.
"""

import asyncio
import json
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
    first, second = Worker(cluster, "first", {}), Worker(cluster, "second", {})
    directory = cluster.directory / "prometheus"
    directory.mkdir()
    write_replay(cluster, directory / "data")
    config = watching(directory, PROMPT, [first.port, second.port])
    try:
        first.start()
        first.await_ready()
        with prometheus(directory, config, "--storage.tsdb.retention.time=400d") as server:
            eventually(lambda: server.query("stream_events_total") or None, "the worker is scraped")
            fill(cluster)
            cluster.await_caught_up()
            second.start()
            eventually(lambda: second.partitions() or None, "the other worker has partitions")
            yield server
    finally:
        for worker in (first, second):
            worker.kill()


def fill(cluster: Cluster) -> None:
    simulate(cluster)
    for seller in (SELLER, misses.SELLER):
        cluster.produce(misses.misses(seller))
    cluster.produce(misses.about_to_miss())
    again = ("orders", b"S", order("S", "again"))
    cluster.produce_raw([("orders", b"S", b"not json"), ("feedback", b"S", None), again, again])
    asyncio.run(split(cluster))


def simulate(cluster: Cluster) -> None:
    history = ("--only-history", "--days", "90", "--orders-per-day", "300", "--sellers", "12")
    simulated = cluster.odr("simulate", *history)
    assert simulated.returncode == 0, simulated.stderr


def order(seller: str, order_id: str) -> bytes:
    at = (datetime.now(UTC) - timedelta(days=30)).isoformat()
    told = {"event_id": order_id, "event_time": at, "seller_id": seller, "marketplace_id": "ATVPDKIKX0DER"}
    placed = {"order_id": order_id, "purchase_date": at, "channel": "MFN", "status": "Shipped"}
    return json.dumps(told | placed).encode()


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
