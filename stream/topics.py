"""The topics: their names, and where a record with a key belongs."""

from typing import Final

ORDERS = "orders"
FEEDBACK = "feedback"
CLAIM_STATUSES = "claim-statuses"
CHARGEBACKS = "chargebacks"
SHIPMENTS = "shipments"
MESSAGES = "messages"
VIOLATIONS = "violations"

INPUT_TOPICS = (ORDERS, FEEDBACK, CLAIM_STATUSES, CHARGEBACKS, SHIPMENTS, MESSAGES, VIOLATIONS)
"""Every input topic, without prefix."""

HEALTH_CHANGES = "health-changes"

REQUEUED_FROM = "requeued-from"
"""The header of a record that was put back: the `partition/offset` of its dead letter. It stays with its next one."""


def dead_letters(topic: str) -> str:
    """Return the topic that keeps what was malformed in `topic`."""
    return f"{topic}.dead-letters"


_FOR_EVER: Final = {"cleanup.policy": "delete", "retention.ms": "-1"}
# A record as large as its topic takes, and headers; or a compressed one, which may be larger when compressed by us.
_ROOM: Final = {"max.message.bytes": str(8 * 1024 * 1024)}
# What workers write is dated by the broker: their own clocks may be wrong.
_DATED_BY_BROKER: Final = {"message.timestamp.type": "LogAppendTime"}
COMPACTED: Final = {"cleanup.policy": "compact", **_DATED_BY_BROKER}
"""The settings of a changelog."""

CONFIGURATION: Final = {
    **dict.fromkeys(INPUT_TOPICS, _FOR_EVER),
    **{dead_letters(topic): _FOR_EVER | _ROOM | _DATED_BY_BROKER for topic in INPUT_TOPICS},
    HEALTH_CHANGES: _FOR_EVER | _DATED_BY_BROKER,
}
"""The settings of every topic that is not one group's own."""


def order_states(group: str) -> str:
    """Return the compacted changelog topic behind the order states of one consumer group."""
    return f"{group}.order-states"


_MASK = 0xFFFFFFFF
_SEED = 0x9747B28C
_M = 0x5BD1E995


def murmur2(key: bytes) -> int:
    """Return Kafka's 32-bit murmur2 hash of `key`, unsigned.

    The variant of Kafka's Java client (seed 0x9747b28c), so that our producers put a seller where everyone else's do.
    """
    length = len(key)
    h = (_SEED ^ length) & _MASK
    whole = length & ~3
    for at in range(0, whole, 4):
        k = (int.from_bytes(key[at : at + 4], "little") * _M) & _MASK
        k = ((k ^ (k >> 24)) * _M) & _MASK
        h = ((h * _M) & _MASK) ^ k
    if length > whole:
        h = ((h ^ int.from_bytes(key[whole:], "little")) * _M) & _MASK
    h = ((h ^ (h >> 13)) * _M) & _MASK
    return h ^ (h >> 15)


def partition_for(key: bytes, partitions: int) -> int:
    """Return the partition that Kafka's Java client would choose for `key` (0-based)."""
    return (murmur2(key) & 0x7FFFFFFF) % partitions
