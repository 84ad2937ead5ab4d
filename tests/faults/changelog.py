"""What happens to the topic behind the order states: compaction, lost tombstones, and foreign transactions."""

import asyncio
from collections.abc import Iterable
from itertools import pairwise

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.structs import ConsumerRecord

from stream.topics import order_states
from tests.broker.harness import PARTITIONS, Cluster
from tests.faults.brokers import alter

_HANGS_SECONDS = 600


def changelog(cluster: Cluster) -> str:
    """Return the topic's name without prefix."""
    return order_states(cluster.group)


def states_written(cluster: Cluster) -> int:
    """Return how far the changelog reaches: it grows only when states change, not when records change none."""
    sources = [TopicPartition(cluster.prefix + changelog(cluster), number) for number in range(PARTITIONS)]

    async def run() -> int:
        async with AIOKafkaConsumer(bootstrap_servers=cluster.bootstrap) as consumer:
            return sum((await consumer.end_offsets(sources)).values())

    return asyncio.run(run())


def compact_often(cluster: Cluster, tombstones_live_ms: int = 86_400_000) -> None:
    """Have the changelog's records compacted within a second or two of their writing."""
    alter(
        cluster,
        changelog(cluster),
        cleanup_policy="compact",
        message_timestamp_type="LogAppendTime",
        segment_ms="200",
        min_cleanable_dirty_ratio="0.01",
        max_compaction_lag_ms="500",
        delete_retention_ms=str(tombstones_live_ms),
    )


def compacted_away(records: Iterable[ConsumerRecord]) -> int:
    """Return how many records are surely gone from a log that was read uncommitted.

    Between two records of one log stands at most one marker of a transaction's end.
    """
    gone = 0
    for before, after in pairwise(records):
        if before.partition == after.partition:
            gone += max(0, after.offset - before.offset - 2)
    return gone


def leave_hanging(cluster: Cluster, records: Iterable[ConsumerRecord]) -> None:
    """Write copies of these records to the changelog in a transaction that is never ended."""

    async def run() -> None:
        producer = AIOKafkaProducer(
            bootstrap_servers=cluster.bootstrap,
            transactional_id=f"{cluster.prefix}foreign",
            transaction_timeout_ms=_HANGS_SECONDS * 1000,
        )
        await producer.start()
        await producer.begin_transaction()
        for record in records:
            await producer.send_and_wait(
                cluster.prefix + changelog(cluster), key=record.key, value=record.value, partition=record.partition
            )
        await producer.stop()  # which ends no transaction

    asyncio.run(run())


def produce_to(cluster: Cluster, partition: int, key: bytes, value: bytes) -> None:
    """Write a record to the changelog as nobody should."""

    async def run() -> None:
        async with AIOKafkaProducer(bootstrap_servers=cluster.bootstrap) as producer:
            await producer.send_and_wait(cluster.prefix + changelog(cluster), key=key, value=value, partition=partition)

    asyncio.run(run())
