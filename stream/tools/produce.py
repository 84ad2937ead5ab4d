"""Producing at speed: records gathered into batches, each to the partition that Kafka's Java client would choose."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any, Final, Self

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError as ClientError

from stream.connection import KafkaError, connection, failed
from stream.settings import Settings
from stream.tools.topics import input_partitions
from stream.topics import partition_for

_BATCH_BYTES: Final = 512 * 1024
_REQUEST_BYTES: Final = 64 * 1024 * 1024
_MOST_IN_FLIGHT: Final = 64
_STOP_SECONDS: Final = 5.0
_STILL_SECONDS: Final = 60.0
"""How long a broker may take nothing before that is told as an error."""


class Producer:
    """An idempotent producer as an async context; leaving it normally sends and awaits everything.

    Entering checks the topics and raises KafkaError where the broker or a topic is missing; so does leaving where the
    broker has refused a record, or gone.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._batches: dict[tuple[str, int], Any] = {}
        self._in_flight: set[asyncio.Future[Any]] = set()
        self.partitions = 0
        self._chosen: dict[bytes, int] = {}

    async def __aenter__(self) -> Self:
        self.partitions = await input_partitions(self._settings)
        self._producer = AIOKafkaProducer(
            **connection(self._settings),
            enable_idempotence=True,
            max_batch_size=_BATCH_BYTES,
            max_request_size=_REQUEST_BYTES,
        )
        await self._producer.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                await self.flush()
        except ClientError as failure:
            raise failed(self._settings, failure) from None
        finally:
            with suppress(TimeoutError):  # where the broker has gone, it would wait for it for ever
                await asyncio.wait_for(self._producer.stop(), _STOP_SECONDS)
            self._hear_out()
        if isinstance(problem, ClientError):
            raise failed(self._settings, problem) from None

    def _hear_out(self) -> None:
        for sent in self._in_flight:
            if sent.done() and not sent.cancelled():
                sent.exception()  # else asyncio tells of each of them, once nobody else can ask

    async def add(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        *,
        partition: int | None = None,
        headers: Sequence[tuple[str, bytes | None]] = (),
    ) -> None:
        """Add a record to `topic` (without prefix); it is sent when its batch is full, or by `flush`.

        It goes to the partition that Kafka's Java client would choose for its key, unless one is given.
        """
        place = topic, self._partition(key) if partition is None else partition
        batch = self._batches.get(place)
        if batch is None:
            batch = self._batches[place] = self._producer.create_batch()
        if batch.append(timestamp=None, key=key, value=value, headers=list(headers)) is None:
            await self._send(place)
            await self.add(topic, key, value, partition=partition, headers=headers)

    async def flush(self) -> None:
        """Send every batch and await all acknowledgements; raises what a delivery raised."""
        for place in list(self._batches):
            await self._send(place)
        while self._in_flight:
            await self._some_acknowledged()

    async def _some_acknowledged(self) -> None:
        done, self._in_flight = await asyncio.wait(
            self._in_flight, timeout=_STILL_SECONDS, return_when=asyncio.FIRST_COMPLETED
        )
        if not done:
            broker = f"the broker at STREAM_BROKERS={self._settings.brokers}"
            raise KafkaError(f"{broker} has taken nothing for {_STILL_SECONDS:.0f} s")
        for sent in done:
            sent.result()

    def _partition(self, key: bytes | None) -> int:
        if key is None:
            return 0
        partition = self._chosen.get(key)
        if partition is None:
            partition = self._chosen[key] = partition_for(key, self.partitions)
        return partition

    async def _send(self, place: tuple[str, int]) -> None:
        topic, partition = place
        batch = self._batches.pop(place)
        self._in_flight.add(await self._producer.send_batch(batch, self._settings.topic(topic), partition=partition))
        if len(self._in_flight) >= _MOST_IN_FLIGHT:
            await self._some_acknowledged()
