"""Events that flow at a steady rate while workers come and go."""

import asyncio
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from itertools import islice
from types import TracebackType
from typing import Self

from stream.tools.produce import Producer
from stream.tools.simulate import MarketSettings, Record, history
from tests.broker.harness import DAY, Cluster
from tests.stock_faust.tables import TOPICS

DAYS = 90
SELLERS = 100
EVENTS_PER_ORDER = 2.4  # of `TOPICS` alone
TICKS_PER_SECOND = 20


def simulated(events: int) -> list[Record]:
    """Return the first so many events of a simulated marketplace's history up to `DAY`, in order of arrival.

    They are of `TOPICS` alone: what the job doesn't read must count neither as lost nor as not committed.
    """
    market = MarketSettings(sellers=SELLERS, days=DAYS, orders_per_day=1.25 * events / EVENTS_PER_ORDER / DAYS)
    everything = history(market, datetime.combine(DAY, datetime.min.time(), UTC))
    return list(islice((record for record in everything if record.topic in TOPICS), events))


class Load:
    """Sends records at a steady rate from a thread of its own; leaving the context ends it, finished or not."""

    def __init__(self, cluster: Cluster, records: Sequence[Record], rate: int) -> None:
        self.sent = 0
        self._cluster = cluster
        self._records = records
        self._rate = rate
        self._given_up = threading.Event()
        self._thread = ThreadPoolExecutor(1)
        self._sending: Future[None] | None = None

    def __enter__(self) -> Self:
        self._sending = self._thread.submit(lambda: asyncio.run(self._send()))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._given_up.set()
        self._thread.shutdown()

    def has_sent(self, share: float) -> bool:
        """Return whether that share of the records is on the broker; raises what sending raised."""
        assert self._sending is not None
        if self._sending.done():
            self._sending.result()
        return self.sent >= share * len(self._records)

    async def _send(self) -> None:
        async with Producer(self._cluster.settings) as producer:
            began = time.monotonic()
            while self.sent < len(self._records) and not self._given_up.is_set():
                tick = self._records[self.sent : self.sent + max(1, self._rate // TICKS_PER_SECOND)]
                for record in tick:
                    await producer.add(record.topic, record.key, record.value)
                await producer.flush()
                self.sent += len(tick)
                await asyncio.sleep(max(0.0, began + self.sent / self._rate - time.monotonic()))
