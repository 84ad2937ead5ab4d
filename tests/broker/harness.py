"""Real workers as processes on a real broker, and what a test asks of them."""

import asyncio
import http.client
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.structs import ConsumerRecord

from stream.settings import Settings
from stream.tools.produce import Producer
from tests.recount import ALL_GAUGES, InputEvent, Series, all_gauges, gauge_differences, parse_metrics

DAY = date(2026, 9, 1)
READ = ("orders", "feedback", "claim-statuses", "chargebacks", "shipments", "messages", "violations")
PARTITIONS = 4
ROOT = Path(__file__).parents[2]

_T = TypeVar("_T")


def eventually(ask: Callable[[], _T | None], what: str, seconds: float = 60) -> _T:
    """Return what `ask` gives as soon as it is neither None nor False; fail after a deadline."""
    deadline = time.monotonic() + seconds
    while True:
        answer = ask()
        if answer is not None and answer is not False:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:.0f} s: {what}")
        time.sleep(0.05)


def free_port() -> int:
    """Return a port below those of outgoing connections: a worker that is started again must find it free."""
    while True:
        port = random.SystemRandom().randrange(20_000, 32_000)
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)):
                return port


@dataclass
class Cluster:
    """One set of topics on the broker, and the commands and workers that use it."""

    bootstrap: str
    prefix: str
    directory: Path
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def group(self) -> str:
        """A group of its own: killed workers of another test, members until their sessions end, hold nobody up."""
        return f"{self.prefix}odr"

    @property
    def settings(self) -> Settings:
        return Settings.read(brokers=self.bootstrap, topic_prefix=self.prefix, group=self.group)

    def env(self, **more: str) -> dict[str, str]:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("STREAM_")}
        return clean | {
            "STREAM_BROKERS": self.bootstrap,
            "STREAM_TOPIC_PREFIX": self.prefix,
            "STREAM_GROUP": self.group,
            "STREAM_PARTITIONS": str(PARTITIONS),
            "STREAM_TODAY": DAY.isoformat(),
            **self.environment,
            **more,
        }

    def odr(self, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return subprocess.run(
            [sys.executable, "-m", "stream", *arguments],
            env=self.env(**more),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    @contextmanager
    def worker(
        self, name: str = "a", *, flags: Sequence[str] = (), command: Sequence[str] = (), **more: str
    ) -> Iterator["Worker"]:
        """Run a worker with a data directory of its own; `command` is another module than ours, and its arguments."""
        worker = Worker(self, name, more, flags)
        if command:
            worker.command = ("-m", *command)
        worker.start()
        try:
            yield worker
        finally:
            worker.kill()

    def produce(self, events: Iterable[InputEvent]) -> None:
        self.produce_raw((topic, value["seller_id"].encode(), json.dumps(value).encode()) for topic, value in events)

    def produce_raw(self, records: Iterable[tuple[str, bytes | None, bytes | None]]) -> None:
        async def run() -> None:
            async with Producer(self.settings) as producer:
                for topic, key, value in records:
                    await producer.add(topic, key, value)

        asyncio.run(run())

    def produce_to(
        self,
        topic: str,
        partition: int,
        key: bytes | None,
        value: bytes | None,
        headers: Iterable[tuple[str, bytes | None]] = (),
    ) -> None:
        """Produce one record, such as a dead letter written by hand."""

        async def run() -> None:
            async with Producer(self.settings) as producer:
                await producer.add(topic, key, value, partition=partition, headers=list(headers))

        asyncio.run(run())

    def offsets(self, group: str | None = None) -> list[tuple[int, int]]:
        """Return what the group has committed, and the end, of each partition of the topics that are read."""

        async def run() -> list[tuple[int, int]]:
            consumer = AIOKafkaConsumer(
                bootstrap_servers=self.bootstrap, group_id=group or self.group, enable_auto_commit=False
            )
            await consumer.start()
            try:
                sources = [
                    TopicPartition(self.prefix + topic, number) for topic in READ for number in range(PARTITIONS)
                ]
                ends = await consumer.end_offsets(sources)
                return [(await consumer.committed(source) or 0, end) for source, end in ends.items()]
            finally:
                await consumer.stop()

        return asyncio.run(run())

    def caught_up(self, group: str | None = None) -> bool:
        """Whether the group has committed every record of the topics that are read."""
        return all(committed == end for committed, end in self.offsets(group))

    def await_caught_up(self, group: str | None = None, seconds: float = 90) -> None:
        eventually(lambda: self.caught_up(group), "every record committed", seconds)

    def read(self, topic: str, isolation: str = "read_committed") -> list[ConsumerRecord]:
        """Return every record of a topic that this isolation level shows, by partition and offset."""

        async def run() -> list[ConsumerRecord]:
            consumer = AIOKafkaConsumer(
                bootstrap_servers=self.bootstrap, isolation_level=isolation, enable_auto_commit=False
            )
            await consumer.start()
            try:
                sources = [TopicPartition(self.prefix + topic, number) for number in range(PARTITIONS)]
                consumer.assign(sources)
                await consumer.seek_to_beginning()
                ends = await consumer.end_offsets(sources)
                records: list[ConsumerRecord] = []
                while any([await consumer.position(source) < end for source, end in ends.items()]):
                    for fetched in (await consumer.getmany(timeout_ms=200)).values():
                        records += fetched
                return sorted(records, key=lambda record: (record.partition, record.offset))
            finally:
                await consumer.stop()

        return asyncio.run(run())


class Worker:
    """One `odr worker` process."""

    command: tuple[str, ...] = ("-m", "stream", "worker")

    def __init__(self, cluster: Cluster, name: str, more: Mapping[str, str], flags: Sequence[str] = ()) -> None:
        self.cluster = cluster
        self.name = name
        self.flags = flags
        self.port = free_port()
        self.data_dir = cluster.directory / name
        self.more = more
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        log = (self.cluster.directory / f"{self.name}.log").open("a")
        more = {"STREAM_DATA_DIR": str(self.data_dir), "STREAM_HTTP_PORT": str(self.port), **self.more}
        self.process = subprocess.Popen(
            [sys.executable, *self.command, *self.flags],
            cwd=ROOT,
            env=self.cluster.env(**more),
            stdout=log,
            stderr=log,
            text=True,
        )

    def stop(self) -> int:
        """Stop it as a supervisor does; return its exit status."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def get(self, path: str, **headers: str) -> tuple[int, bytes, Mapping[str, str]]:
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", headers=headers)
        try:
            try:
                with urllib.request.urlopen(request, timeout=10) as answer:
                    return answer.status, answer.read(), dict(answer.headers)
            except urllib.error.HTTPError as refused:
                return refused.code, refused.read(), dict(refused.headers)
        except (OSError, http.client.HTTPException):  # nobody there, or killed while it answered
            return 0, b"", {}

    def json(self, path: str) -> Any:
        status, body, _ = self.get(path)
        assert status == 200, (path, status, body)
        return json.loads(body)

    def series(self) -> dict[Series, float]:
        status, body, _ = self.get("/metrics")
        return parse_metrics(body.decode()) if status == 200 else {}

    def await_ready(self, seconds: float = 60) -> None:
        def ready() -> bool:
            assert self.process is not None
            assert self.process.poll() is None, self.log()
            return self.get("/readyz")[0] == 200

        eventually(ready, f"worker {self.name} ready", seconds)

    def log(self) -> str:
        return (self.cluster.directory / f"{self.name}.log").read_text()

    def partitions(self) -> list[int]:
        """Return its own partitions once they are all restored, none before."""
        status, body, _ = self.get("/readyz")
        return json.loads(body)["partitions"] if status == 200 else []


def figure(series: Mapping[Series, float], name: str, **labels: str) -> float | None:
    return series.get((name, frozenset(labels.items())))


def exposed(workers: Iterable[Worker]) -> dict[Series, float]:
    """Return the sellers' series of all workers; fail where one is exposed twice."""
    merged: dict[Series, float] = {}
    for worker in workers:
        sellers = {
            series: value
            for series, value in worker.series().items()
            if series[0].startswith("seller_") and ("seller" in dict(series[1]))
        }
        assert not merged.keys() & sellers.keys(), "a series is exposed by two workers"
        merged |= sellers
    return merged


def assert_exact(workers: Iterable[Worker], events: Iterable[InputEvent], day: date = DAY, **rules: Any) -> None:
    """Fail unless the workers' gauges are what a recount from scratch gives."""
    expected = all_gauges(list(events), day, **rules)
    assert expected
    assert gauge_differences(exposed(workers), expected, ALL_GAUGES) == []


def history(
    orders: int, seed: int, sellers: int = 12, *, names: Sequence[str] = (), day: date = DAY
) -> list[InputEvent]:
    """Return the events of a small marketplace before `day`, shuffled a little and with redeliveries.

    Its sellers are S0, S1 and so on, unless they have `names`.
    """
    rng = random.Random(seed)
    names = names or [f"S{number}" for number in range(sellers)]
    events = [
        event
        for number in range(orders)
        for event in _order(rng, f"{seed}-{number}", names[rng.randrange(len(names))], day)
    ]
    events += rng.sample(events, len(events) // 20)
    events.sort(key=lambda event: (event[1]["event_time"], rng.random()))
    for _ in range(len(events) // 10):
        here, there = rng.randrange(len(events)), rng.randrange(len(events))
        events[here], events[there] = events[there], events[here]
    return events


def _order(rng: random.Random, order_id: str, seller: str, day: date) -> Iterator[InputEvent]:
    marketplace = rng.choice(("ATVPDKIKX0DER", "A1PA6795UKMFR9"))
    latest = datetime.combine(day, datetime.min.time(), UTC)
    bought = latest - timedelta(seconds=rng.randrange(100 * 86400))
    about = {"seller_id": seller, "marketplace_id": marketplace, "order_id": order_id}
    versions = iter(range(100))

    def event(topic: str, days: float, **fields: Any) -> InputEvent:
        at = min(bought + timedelta(days=days), latest)
        event_id = f"{order_id}-{next(versions)}"
        return topic, {"event_id": event_id, "event_time": at.isoformat(), **about, **fields}

    placed = {"purchase_date": bought.isoformat(), "channel": rng.choice(("MFN", "AFN"))}
    placed["latest_ship_date"] = (bought + timedelta(days=3)).isoformat()
    yield event("orders", 0, status=rng.choice(("Pending", "Unshipped")), **placed)
    yield event("orders", 1, status=rng.choice(("Shipped", "Shipped", "Canceled")), cancelled_by="buyer", **placed)
    if rng.random() < 0.05:
        wished = rng.random() < 0.5
        yield event("orders", 2, status="Canceled", cancelled_by="seller", buyer_requested_cancel=wished, **placed)
    if rng.random() < 0.1:
        for days in (5, 20):
            yield event("feedback", days, rating=rng.randint(1, 5), status=rng.choice(("posted", "posted", "removed")))
    if rng.random() < 0.1:
        for status in rng.sample(("pending", "granted", "denied", "withdrawn", "seller_refunded"), 2):
            yield event("claim-statuses", rng.randint(5, 40), claim_id=f"C-{order_id}", status=status)
    if rng.random() < 0.05:
        yield event("chargebacks", 30, chargeback_id="B", kind="service", status=rng.choice(("open", "reversed")))
    yield from _on_its_way(rng, event, bought)
    if rng.random() < 0.2:
        received = bought + timedelta(days=rng.randrange(30))
        asked = {"message_id": f"M-{order_id}", "received_at": received.isoformat()}
        yield event("messages", 2, **asked)
        answered = received + timedelta(hours=rng.choice((1, 20, 24, 25)))
        yield event("messages", 3, **asked, answered_at=answered.isoformat(), needs_response=rng.random() < 0.9)
    if rng.random() < 0.05:
        found = {"violation_id": f"V-{order_id}", "category": rng.choice(("safety", "listing")), "severity": "high"}
        for days, status in ((4, "open"), (30, rng.choice(("open", "resolved")))):
            yield event("violations", days, **found, status=status, detected_at=bought.isoformat())


def _on_its_way(rng: random.Random, event: Callable[..., InputEvent], bought: datetime) -> Iterator[InputEvent]:
    """Yield up to two packages of an order: confirmed, then delivered or not."""
    for package in range(rng.choice((0, 1, 1, 1, 2))):
        days = rng.choice((1.0, 2.0, 4.0))
        confirmed = {
            "shipment_id": f"P-{package}",
            "confirmed_at": (bought + timedelta(days=days)).isoformat(),
            "promised_by": (bought + timedelta(days=6)).isoformat(),
        }
        yield event("shipments", days, **confirmed)
        way = {"first_scan_at": (bought + timedelta(days=days, hours=5)).isoformat()} if rng.random() < 0.9 else {}
        delivered = (bought + timedelta(days=rng.choice((4, 6, 8)))).isoformat()
        yield event("shipments", 9, **confirmed, **way, delivered_at=delivered)
