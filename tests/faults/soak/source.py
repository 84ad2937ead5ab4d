"""The process that produces the market's days at a steady rate, as far as it is told to."""

import asyncio
import logging
import multiprocessing
import time
from collections import defaultdict
from collections.abc import Iterable
from multiprocessing.connection import Connection
from typing import Any

from aiokafka import AIOKafkaProducer

from tests.faults.soak.market import Market, Row

_PATIENCE_SECONDS = 300


class Source:
    """Produces in a process of its own, so that the figures of the rest are not disturbed."""

    def __init__(self, bootstrap: str, prefix: str, market: Market, rate: int) -> None:
        self.events = 0
        self.seconds = 0.0
        context = multiprocessing.get_context("spawn")
        self._ours, theirs = context.Pipe()
        arguments = (theirs, bootstrap, prefix, market, rate)
        self._process = context.Process(target=_run, args=arguments, daemon=True, name="source")
        self._process.start()

    def go_on(self, until: int) -> None:
        """Begin to produce everything up to the end of that day."""
        self._ours.send(until)

    @property
    def is_done(self) -> bool:
        """Whether everything that was asked for has been produced, and acknowledged."""
        if not self._ours.poll():
            assert self._process.is_alive(), "the source has ended"
            return False
        events, seconds = self._ours.recv()
        self.events += events
        self.seconds += seconds
        return True

    def end(self) -> None:
        self._process.kill()
        self._process.join()


def _run(told: Connection, bootstrap: str, prefix: str, market: Market, rate: int) -> None:
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    asyncio.run(_produce(told, bootstrap, prefix, market, rate))


async def _produce(told: Connection, bootstrap: str, prefix: str, market: Market, rate: int) -> None:
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap,
        enable_idempotence=True,
        max_batch_size=1024 * 1024,
        max_request_size=64 * 1024 * 1024,
        request_timeout_ms=_PATIENCE_SECONDS * 1000,
    )
    await producer.start()
    day = 0
    while True:
        until = await asyncio.to_thread(told.recv)
        began, events = time.monotonic(), 0
        while day <= until:
            for rows in market.slices(day):
                await send(producer, prefix, rows)
                events += len(rows)
                await asyncio.sleep(began + events / rate - time.monotonic())
            day += 1
        told.send((events, time.monotonic() - began))


async def send(producer: AIOKafkaProducer, prefix: str, rows: Iterable[Row]) -> None:
    """Produce rows, and await their acknowledgements."""
    places: defaultdict[tuple[str, int], list[Row]] = defaultdict(list)
    for row in rows:
        places[row.topic, row.partition].append(row)
    sent: list[Any] = []
    for (topic, partition), of_place in places.items():
        batch = producer.create_batch()
        for row in of_place:
            if batch.append(timestamp=None, key=row.key, value=row.value) is None:
                sent.append(await producer.send_batch(batch, prefix + topic, partition=partition))
                batch = producer.create_batch()
                batch.append(timestamp=None, key=row.key, value=row.value)
        sent.append(await producer.send_batch(batch, prefix + topic, partition=partition))
    await asyncio.gather(*sent)
