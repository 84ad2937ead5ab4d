"""Records that are produced at a steady rate in a thread of their own, while faults happen."""

import asyncio
import json
import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import NamedTuple, Self

from aiokafka import AIOKafkaProducer

from stream.topics import partition_for
from tests.broker.harness import PARTITIONS, Cluster, eventually
from tests.recount import InputEvent

RATE = 5_000
_SLICES_A_SECOND = 20
_PATIENCE_SECONDS = 300


class Record(NamedTuple):
    """One record as it is produced; `topic` has no prefix."""

    topic: str
    key: bytes | None
    value: bytes | None

    @property
    def partition(self) -> int:
        return 0 if self.key is None else partition_for(self.key, PARTITIONS)


def records_of(events: Iterable[InputEvent]) -> list[Record]:
    return [Record(topic, value["seller_id"].encode(), json.dumps(value).encode()) for topic, value in events]


class Flow:
    """Produces records at `rate` a second, over and over until it is finished, each of them at least once.

    A broker that is away for minutes is waited for. `produced` counts what has been acknowledged.
    """

    def __init__(self, cluster: Cluster, records: Sequence[Record], rate: int = RATE) -> None:
        self.produced = 0
        self._cluster = cluster
        self._records = records
        self._rate = rate
        self._finishing = threading.Event()
        self._problem: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="flow", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._finishing.set()
        if kind is None:
            self._thread.join(_PATIENCE_SECONDS)
            assert not self._thread.is_alive(), "the flow can't be produced"
            assert self._problem is None, self._problem

    def await_more(self, records: int, seconds: float = 120) -> None:
        """Wait until so many more records are there."""
        wanted = self.produced + records
        eventually(lambda: self._problem or self.produced >= wanted, f"{records} more records produced", seconds)
        assert self._problem is None, self._problem

    def _run(self) -> None:
        try:
            asyncio.run(self._produce())
        except BaseException as problem:  # noqa: BLE001 - told to whoever waits
            self._problem = problem

    async def _produce(self) -> None:
        producer = AIOKafkaProducer(
            bootstrap_servers=self._cluster.bootstrap,
            enable_idempotence=True,
            max_batch_size=512 * 1024,
            max_request_size=64 * 1024 * 1024,
            request_timeout_ms=_PATIENCE_SECONDS * 1000,
        )
        await producer.start()
        try:
            due = time.monotonic()
            while not (self._finishing.is_set() and self.produced >= len(self._records)):
                await self._send(producer, self._next_slice())
                # Not made up for: after a broker's absence the flow goes on at its rate.
                due = max(due + 1 / _SLICES_A_SECOND, time.monotonic() - 1)
                await asyncio.sleep(due - time.monotonic())
        finally:
            await producer.stop()

    def _next_slice(self) -> Sequence[Record]:
        first = self.produced % len(self._records)
        return self._records[first : first + self._rate // _SLICES_A_SECOND]

    async def _send(self, producer: AIOKafkaProducer, records: Sequence[Record]) -> None:
        places: defaultdict[tuple[str, int], list[Record]] = defaultdict(list)
        for record in records:
            places[record.topic, record.partition].append(record)
        sent = []
        for (topic, partition), of_place in places.items():
            batch = producer.create_batch()
            for record in of_place:
                assert batch.append(timestamp=None, key=record.key, value=record.value) is not None
            sent.append(await producer.send_batch(batch, self._cluster.prefix + topic, partition=partition))
        await asyncio.gather(*sent)
        self.produced += len(records)
