"""What a replay costs: months of history into blocks for Prometheus, beside the live path on the same topics.

The replay's last day is asserted to be what the worker shows. Machines differ and are shared: compare ratios.
"""

import asyncio
import csv
import itertools
import logging
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from stream.tools.kafka import Broker
from stream.tools.produce import Producer
from stream.tools.simulate import EVENTS_PER_ORDER, MarketSettings, history
from tests.benchmarks.bench import caught_up_rate
from tests.broker.harness import Cluster, Worker, exposed, figure
from tests.recount import ACCOUNT_GAUGES

UNTIL = datetime(2026, 9, 1, tzinfo=UTC)
DAYS = 180


def preload(cluster: Cluster, events: int) -> None:
    """Fill the topics with a simulated history."""
    market = MarketSettings(sellers=500, days=DAYS, orders_per_day=1.1 * events / EVENTS_PER_ORDER / DAYS)

    async def run() -> None:
        async with Producer(cluster.settings) as producer:
            for record in itertools.islice(history(market, UNTIL), events):
                await producer.add(record.topic, record.key, record.value)

    asyncio.run(run())


def replay_seconds(cluster: Cluster, *arguments: str) -> float:
    """Return how long `odr replay` takes, process start included."""
    began = time.perf_counter()
    command = [sys.executable, "-m", "stream", "replay", *arguments]
    environment = cluster.env(STREAM_DATA_DIR=str(cluster.directory / "replay"))
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def assert_shown(worker: Worker, cluster: Cluster) -> None:
    """Fail unless the replay's last day, as known now, is what the worker shows."""
    file = cluster.directory / "last.csv"
    replay_seconds(cluster, "--csv", str(file), "--from", UNTIL.date().isoformat())
    shown = exposed([worker])
    with file.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert {row["metric"] for row in rows} > {"order_defect", "late_shipment", "contact_response"}
    for row in rows:
        labels = {name: row[name] for name in ("seller", "marketplace", "window")}
        if row["metric"] == "order_defect":
            labels |= {"channel": row["channel"]}
            assert (figure(shown, "seller_orders", **labels) or 0) == int(row["denominator_now"]), labels
            assert (figure(shown, "seller_defective_orders", **labels) or 0) == int(row["numerator_now"]), labels
        elif f"seller_{row['metric']}_numerator" in ACCOUNT_GAUGES:
            for of in ("numerator", "denominator"):
                assert (figure(shown, f"seller_{row['metric']}_{of}", **labels) or 0) == int(row[f"{of}_now"]), labels


def measure(cluster: Cluster, events: int) -> Iterator[tuple[str, str]]:
    """Yield rows of the table: what was measured, and its figure."""
    preload(cluster, events)
    with cluster.worker("live") as worker:
        live = caught_up_rate(cluster, cluster.group, events)
        orders = figure(worker.series(), "stream_orders") or 0
        yield "one worker, durably", f"{live:,.0f} events/s, {orders:,.0f} orders"
        assert_shown(worker, cluster)
        assert worker.stop() == 0
    processes = os.cpu_count() or 1
    for what, *flags in (
        ("into blocks for Prometheus", "--prometheus", str(cluster.directory / "blocks")),
        ("into CSV", "--csv", str(cluster.directory / "days.csv")),
    ):
        took = replay_seconds(cluster, *flags)
        told = f"{took:,.0f} s, {events / took:,.0f} events/s, {events / took / live:.2f} of the live path"
        yield f"{DAYS} days replayed twice {what}, {processes} processes", told


@click.command()
@click.option("--events", type=click.IntRange(10_000), default=4_000_000, show_default=True)
def main(events: int) -> None:
    """Measure and print the table."""
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    table = Table("measured", "figure", title=f"{events:,} events, {sys.platform}")
    with ExitStack() as open_:
        directory = Path(open_.enter_context(tempfile.TemporaryDirectory()))
        broker = open_.enter_context(Broker(directory / "kafka"))
        cluster = Cluster(broker.bootstrap, "bench.", directory, {"STREAM_TODAY": UNTIL.date().isoformat()})
        made = cluster.odr("topics")
        assert made.returncode == 0, made.stderr
        for what, reached in measure(cluster, events):
            Console(stderr=True).print(f"{what}: {reached}")
            table.add_row(what, reached)
    Console().print(table)


if __name__ == "__main__":
    main()
