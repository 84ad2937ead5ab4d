"""The changelog behind the states: what its records are, and how they are read.

Its entries are packed states by packed state key, and one footing in each partition.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, Literal, TypeAlias

import msgspec
from aiokafka import AIOKafkaConsumer

from stream.connection import connection
from stream.settings import Settings
from stream.states import StateKey

Entry: TypeAlias = tuple[bytes, bytes | None]
"""One record of the changelog, and of the local disk: key and value, None where the order has left."""

pack_key = msgspec.msgpack.Encoder().encode
"""Return an `StateKey` as bytes."""

unpack_key = msgspec.msgpack.Decoder(StateKey).decode
"""Return the `StateKey` in what `pack_key` gave; raises msgspec.DecodeError for anything else."""

FOOTING_KEY: Final = b"\x00footing"
"""The footing's key; a packed `StateKey` is an array and never begins like this."""


class Footing(msgspec.Struct, array_like=True, frozen=True):
    """What a partition's states rest on: the day up to which old ones were let go, the settings they were told under.

    `day` is a proleptic ordinal in UTC (`evaluation.KeptDays`), `agreed` an `agreement.Agreement`; `times` counts how
    often the settings have changed.
    """

    day: int
    agreed: dict[str, str]
    times: int = 0


pack_footing = msgspec.msgpack.Encoder().encode
"""Return a footing as bytes."""

unpack_footing = msgspec.msgpack.Decoder(Footing).decode
"""Return the footing in what `pack_footing` gave; raises msgspec.DecodeError for anything else."""

Isolation = Literal["read_committed", "read_uncommitted"]


@asynccontextmanager
async def changelog_reader(settings: Settings, isolation: Isolation) -> AsyncIterator[AIOKafkaConsumer]:
    """Yield a consumer for a changelog, without a group."""
    reader = AIOKafkaConsumer(
        **connection(settings),
        isolation_level=isolation,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=8 * 1024 * 1024,
    )
    await reader.start()
    try:
        yield reader
    finally:
        await reader.stop()
