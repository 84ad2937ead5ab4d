"""What is measured while the soak runs: resident memory, and how long a partition stood still."""

import asyncio
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from tests.broker.harness import PARTITIONS, Cluster, Worker

_EVERY_SECONDS = 0.25
_MIB = 1024 * 1024


def resident_mib(worker: Worker) -> float:
    """Return a worker's resident memory."""
    assert worker.process is not None
    pages = int(Path(f"/proc/{worker.process.pid}/statm").read_text().split()[1])
    return pages * 4096 / _MIB


class Stops:
    """Watches the group's commits; `longest` is for how many seconds one partition had records left and none done."""

    def __init__(self, cluster: Cluster) -> None:
        self.longest = 0.0
        self._cluster = cluster
        self._sources = [TopicPartition(f"{cluster.prefix}orders", number) for number in range(PARTITIONS)]
        self._committed: dict[TopicPartition, int] = {}
        self._moved_at: dict[TopicPartition, float] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._watch()), name="stops", daemon=True)
        self._thread.start()

    def take(self) -> float:
        """Return the longest stop since the last call, and begin anew."""
        longest, self.longest = self.longest, 0.0
        return longest

    def end(self) -> None:
        self._ended.set()
        self._thread.join(30)

    async def _watch(self) -> None:
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._cluster.bootstrap, group_id=self._cluster.group, enable_auto_commit=False
        )
        await consumer.start()
        while not self._ended.is_set():
            with suppress(KafkaError, TimeoutError):  # the broker is away: for how long shows when it is back
                async with asyncio.timeout(2):
                    ends = await consumer.end_offsets(self._sources)
                    committed = {source: await consumer.committed(source) or 0 for source in self._sources}
                self._note(ends, committed)
            await asyncio.sleep(_EVERY_SECONDS)
        await consumer.stop()

    def _note(self, ends: Mapping[TopicPartition, int], committed: Mapping[TopicPartition, int]) -> None:
        now = time.monotonic()
        for source, offset in committed.items():
            if offset != self._committed.get(source) or offset >= ends[source]:
                self.longest = max(self.longest, now - self._moved_at.get(source, now))
                self._committed[source], self._moved_at[source] = offset, now
