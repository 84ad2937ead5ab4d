"""`make bench`: what the program reaches on this machine, each figure beside the limit measured in the same run.

The figures of every worker are asserted exact against a recount from scratch. Machines differ and are shared: compare
ratios, not figures.
"""

import asyncio
import gc
import itertools
import json
import logging
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import click
import orjson
from aiokafka import AIOKafkaConsumer, TopicPartition
from rich.console import Console
from rich.table import Table

from stream.accounts import Accounts
from stream.decode import CONVERTERS, decode
from stream.evaluation import EvaluationDays
from stream.events import Malformed
from stream.rules import Rules
from stream.tools.kafka import Broker
from stream.tools.produce import Producer
from stream.tools.simulate import EVENTS_PER_ORDER, MarketSettings, history
from stream.worker.run import GC_THRESHOLDS
from tests.broker.harness import PARTITIONS, READ, Cluster, Worker, eventually, exposed, figure
from tests.recount import ALL_GAUGES, InputEvent, all_gauges, gauge_differences

UNTIL = datetime(2026, 9, 1, tzinfo=UTC)
DAYS = 90
PROBES = 300
OF_ORDER_DEFECTS = ("orders", "feedback", "claim-statuses", "chargebacks")
BACKGROUND_RATE = 1_000


def preload(cluster: Cluster, events: int) -> list[InputEvent]:
    """Fill the topics with a simulated history; return its events."""
    market = MarketSettings(sellers=500, days=DAYS, orders_per_day=1.1 * events / EVENTS_PER_ORDER / DAYS)
    made: list[InputEvent] = []

    async def run() -> None:
        async with Producer(cluster.settings) as producer:
            for record in itertools.islice(history(market, UNTIL), events):
                await producer.add(record.topic, record.key, record.value)
                made.append((record.topic, orjson.loads(record.value)))

    asyncio.run(run())
    return made


def in_memory(cluster: Cluster, events: int, *, fold: bool, topics: Sequence[str] = READ) -> float:
    """Return the events per second of fetching and decoding alone, or of folding too, without any durability.

    `events` is how many there are in the topics.
    """
    sources = {TopicPartition(cluster.prefix + topic, at): topic for topic in topics for at in range(PARTITIONS)}
    rules = Rules()
    evaluation = EvaluationDays(rules, 0, UNTIL.toordinal())
    accounts = [Accounts(rules, evaluation) for _ in range(PARTITIONS)]

    async def run() -> float:
        consumer = AIOKafkaConsumer(
            bootstrap_servers=cluster.bootstrap, enable_auto_commit=False, max_partition_fetch_bytes=1024 * 1024
        )
        await consumer.start()
        consumer.assign(list(sources))
        await consumer.seek_to_beginning()
        read, began = 0, 0.0
        while read < events:
            for source, records in (await consumer.getmany(timeout_ms=1_000, max_records=5_000)).items():
                began = began or time.perf_counter()
                convert, apply = CONVERTERS[sources[source]], accounts[source.partition].apply
                for record in records:
                    event = decode(convert, record.key, record.value, record.timestamp)
                    if fold and not isinstance(event, Malformed):
                        apply(event)
                read += len(records)
        took = time.perf_counter() - began
        await consumer.stop()
        return events / took

    return asyncio.run(run())


def caught_up_rate(cluster: Cluster, group: str, events: int) -> float:
    """Return the events per second from the group's first commit to its last, by its committed offsets."""
    sources = [TopicPartition(cluster.prefix + topic, at) for topic in READ for at in range(PARTITIONS)]

    async def run() -> float:
        consumer = AIOKafkaConsumer(bootstrap_servers=cluster.bootstrap, group_id=group, enable_auto_commit=False)
        await consumer.start()
        first: tuple[float, int] | None = None
        while True:
            offsets = [await consumer.committed(source) or 0 for source in sources]
            done, at = sum(offsets), time.perf_counter()
            if done and first is None:
                first = at, done
            if done >= events and first is not None:
                await consumer.stop()
                return (done - first[1]) / (at - first[0])
            await asyncio.sleep(0.1)

    return asyncio.run(run())


def probes(cluster: Cluster, worker: Worker) -> list[float]:
    """Return seconds from producing an order to seeing it in its seller's figures, beside steady other events."""

    def order(number: int, seller: str) -> tuple[str, bytes, bytes]:
        at = UNTIL.isoformat()
        about = {"event_id": str(number), "event_time": at, "seller_id": seller, "marketplace_id": "BENCH"}
        placed = {"order_id": str(number), "purchase_date": at, "channel": "MFN", "status": "Shipped"}
        return "orders", seller.encode(), json.dumps(about | placed).encode()

    async def background(producer: Producer) -> None:
        for number in itertools.count():
            await producer.add(*order(number, f"BACKGROUND-{number % 50}"))
            if number % (BACKGROUND_RATE // 50) == 0:
                await producer.flush()
                await asyncio.sleep(1 / 50)

    async def probe(producer: Producer, number: int) -> float:
        seller = f"PROBE-{number}"
        began = time.perf_counter()
        await producer.add(*order(number, seller))
        await producer.flush()
        while (await asyncio.to_thread(worker.get, f"/api/sellers/{seller}/health"))[0] != 200:  # noqa: ASYNC110 - it polls
            await asyncio.sleep(0.001)
        return time.perf_counter() - began

    async def run() -> list[float]:
        async with Producer(cluster.settings) as steady, Producer(cluster.settings) as probing:
            noise = asyncio.ensure_future(background(steady))
            taken = [await probe(probing, number) for number in range(PROBES)]
            noise.cancel()
            await asyncio.gather(noise, return_exceptions=True)
            return sorted(taken)

    return asyncio.run(run())


class Size(NamedTuple):
    """How many orders are kept, in how many bytes of resident memory."""

    orders: float
    resident: float

    def bytes_per_order_over(self, smaller: "Size") -> float:
        """Return what each order takes that the smaller one doesn't have."""
        return (self.resident - smaller.resident) / (self.orders - smaller.orders)


def size_of(worker: Worker) -> Size:
    series = worker.series()
    return Size(figure(series, "stream_orders") or 0, figure(series, "process_resident_memory_bytes") or 0)


def mean_of(one: Size, two: Size) -> Size:
    return Size((one.orders + two.orders) / 2, (one.resident + two.resident) / 2)


def ready_seconds(worker: Worker) -> float:
    """Return how long a worker that has just been started takes to be ready."""
    began = time.perf_counter()
    worker.await_ready(120)
    return time.perf_counter() - began


def shared_out(one: Worker, two: Worker) -> bool:
    """Whether both have partitions to show, and together all of them."""
    ones, twos = one.partitions(), two.partitions()
    return bool(ones and twos) and sorted(ones + twos) == list(range(PARTITIONS))


def measure(cluster: Cluster, events: int, say: Console) -> Iterator[tuple[str, str]]:
    """Yield rows of the table: what was measured, and its figure."""
    say.print(f"preloading {events:,} events")
    made = preload(cluster, events)
    expected = all_gauges(made, UNTIL.date())
    of_orders = sum(topic in OF_ORDER_DEFECTS for topic, _ in made)
    decoded = in_memory(cluster, events, fold=False)
    folded = in_memory(cluster, events, fold=True)
    yield "fetch and decode alone (the limit)", f"{decoded:,.0f} events/s"
    yield "fetch, decode and fold in memory", f"{folded:,.0f} events/s, {folded / decoded:.2f} of the limit"
    fewer = in_memory(cluster, of_orders, fold=True, topics=OF_ORDER_DEFECTS)
    yield (
        "the same of the Order Defect Rate's four topics alone",
        f"{fewer:,.0f} events/s, {folded / fewer:.2f} is all seven",
    )

    def assert_exact(*workers: Worker) -> None:
        assert gauge_differences(exposed(workers), expected, ALL_GAUGES) == []

    with cluster.worker("alone", STREAM_GROUP="alone") as worker:
        rate = caught_up_rate(cluster, "alone", events)
        yield "one worker, durably", f"{rate:,.0f} events/s, {rate / folded:.2f} of the fold in memory"
        assert_exact(worker)
        whole = size_of(worker)
        assert worker.stop() == 0
    with cluster.worker("one", STREAM_GROUP="two") as one, cluster.worker("two", STREAM_GROUP="two") as two:
        rate = caught_up_rate(cluster, "two", events)
        yield "two workers, durably", f"{rate:,.0f} events/s, {rate / folded:.2f} of the fold in memory"
        eventually(lambda: shared_out(one, two), "two workers share the partitions")
        assert_exact(one, two)
        half = mean_of(size_of(one), size_of(two))
    with cluster.worker("alone", STREAM_GROUP="alone") as worker:
        restored = whole.orders / ready_seconds(worker)
        yield "restart from the local disk", f"{restored:,.0f} orders/s, process start included"
        assert_exact(worker)
        assert worker.stop() == 0
    with cluster.worker("empty", STREAM_GROUP="alone") as worker:
        restored = whole.orders / ready_seconds(worker)
        yield "restart from the changelog", f"{restored:,.0f} orders/s, process start included"
        assert_exact(worker)
        taken = probes(cluster, worker)  # the last that reads these topics: what is probed with is not in `expected`
        yield (
            f"produced to visible at {BACKGROUND_RATE:,} events/s",
            f"p50 {taken[len(taken) // 2] * 1000:.0f} ms, p99 {taken[len(taken) * 99 // 100] * 1000:.0f} ms",
        )
    with cluster.worker("nothing", STREAM_GROUP="nothing", STREAM_TOPIC_PREFIX=cluster.prefix + "none.") as worker:
        worker.await_ready()
        each = whole.bytes_per_order_over(size_of(worker))
        yield "memory per order kept", f"{each:,.0f} bytes resident over an idle worker, {whole.orders:,.0f} orders"
    further = whole.bytes_per_order_over(half)
    yield "memory per further order", f"{further:,.0f} bytes resident, from {half.orders:,.0f} orders on"


@click.command()
@click.option("--events", type=click.IntRange(10_000), default=1_000_000, show_default=True)
def main(events: int) -> None:
    """Measure and print the table."""
    gc.set_threshold(*GC_THRESHOLDS)
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    say = Console(stderr=True)
    table = Table("measured", "figure", title=f"{events:,} events, {sys.platform}")
    with ExitStack() as open_:
        directory = Path(open_.enter_context(tempfile.TemporaryDirectory()))
        broker = open_.enter_context(Broker(directory / "kafka"))
        cluster = Cluster(broker.bootstrap, "bench.", directory, {"STREAM_TODAY": UNTIL.date().isoformat()})
        for prefix in ("bench.", "bench.none."):
            made = cluster.odr("topics", STREAM_TOPIC_PREFIX=prefix)
            assert made.returncode == 0, made.stderr
        for what, reached in measure(cluster, events, say):
            say.print(f"{what}: {reached}")
            table.add_row(what, reached)
    Console().print(table)


if __name__ == "__main__":
    main()
