"""Records that are produced at a steady rate in a thread of their own, while faults happen."""

import asyncio
import json
import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from types import TracebackType
from typing import NamedTuple, Self

from aiokafka import AIOKafkaProducer

from stream.topics import partition_for
from tests.broker.harness import PARTITIONS, Cluster, eventually
from tests.faults.changelog import states_written
from tests.recount import InputEvent

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
    """Produces records at `rate` a second, as long as there are any or until it is finished.

    A broker that is away for minutes is waited for. `sent` has been acknowledged, in `seconds` with all waiting.
    """

    def __init__(self, cluster: Cluster, records: Iterator[Record], rate: int) -> None:
        self.sent: list[Record] = []
        self.seconds = 0.0
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
        """Wait until so many more records are there, and until workers have changed states meanwhile.

        So no fault comes at a time at which there is nothing to lose.
        """
        written = states_written(self._cluster)
        self.await_produced(records, seconds)
        eventually(lambda: states_written(self._cluster) > written, "states that change", seconds)

    def await_produced(self, records: int, seconds: float = 120) -> None:
        """Wait until so many more records are there, whether or not anybody reads them."""
        wanted = len(self.sent) + records
        eventually(lambda: self._problem or len(self.sent) >= wanted, f"{records} more records produced", seconds)
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
            began = due = time.monotonic()
            while not self._finishing.is_set():
                await self._send(producer, list(islice(self._records, self._rate // _SLICES_A_SECOND)))
                self.seconds = time.monotonic() - began
                # Not made up for: after a broker's absence the flow goes on at its rate.
                due = max(due + 1 / _SLICES_A_SECOND, time.monotonic() - 1)
                await asyncio.sleep(due - time.monotonic())
        finally:
            await producer.stop()

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
        self.sent += records
