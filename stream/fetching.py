"""Fetching records that nobody's odd header keeps from being read.

A header's name is text, and aiokafka decodes it as UTF-8. A producer may write other bytes all the same: aiokafka then
raises in the middle of a fetch, at every try, and loses what it had unpacked before. No record may stop a reader, so
such a fetch is made once more with aiokafka's own parser in Python, which is slow, and is told to decode anything.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.consumer import fetcher
from aiokafka.record.default_records import _DefaultRecordBatchPy
from aiokafka.record.memory_records import _MemoryRecordsPy
from aiokafka.structs import ConsumerRecord

Fetched = dict[TopicPartition, list[ConsumerRecord]]


async def fetch(
    consumer: AIOKafkaConsumer,
    offsets: Mapping[TopicPartition, int],
    *,
    timeout_ms: int,
    max_records: int | None = None,
) -> Fetched:
    """Return the next records of these partitions; `offsets` are their next ones, as far as the caller has read.

    A header's name that is no UTF-8 has escapes in it.
    """
    try:
        fetched: Fetched = await consumer.getmany(*offsets, timeout_ms=timeout_ms, max_records=max_records)
    except UnicodeDecodeError:
        with _decoding_anything():
            for source, offset in offsets.items():
                consumer.seek(source, offset)  # drops what is unpacked half-way
            fetched = await consumer.getmany(*offsets, timeout_ms=timeout_ms, max_records=max_records)
    return fetched


@contextmanager
def _decoding_anything() -> Iterator[None]:
    usual = fetcher.MemoryRecords
    fetcher.MemoryRecords = _Records
    try:
        yield
    finally:
        fetcher.MemoryRecords = usual


class _Text(bytearray):
    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:  # noqa: ARG002 - aiokafka's is strict
        return super().decode(encoding, "backslashreplace")


class _Buffer(bytearray):
    """Bytes whose slices can be decoded whatever they are."""

    def __getitem__(self, at: Any) -> Any:
        found = super().__getitem__(at)
        return _Text(found) if isinstance(at, slice) else found


class _Batch(_DefaultRecordBatchPy):  # type: ignore[misc]
    def _maybe_uncompress(self) -> None:
        super()._maybe_uncompress()
        unpacked: Any = vars(self)["_buffer"]
        self._buffer = unpacked if isinstance(unpacked, _Buffer) else _Buffer(unpacked)


class _Records(_MemoryRecordsPy):  # type: ignore[misc]
    def next_batch(self) -> Any:
        slice_ = self._next_slice
        batch = super().next_batch()
        return batch if batch is None or batch.magic < 2 else _Batch(slice_)
