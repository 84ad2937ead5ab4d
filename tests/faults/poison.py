"""Records that are no valid events, of every kind and for every topic."""

import random

from tests.broker.harness import READ
from tests.faults.flow import Record

_KEY = b"POISONED"
_ORDER = (
    b'{"event_id":"e","event_time":"2026-08-01T10:00:00Z","seller_id":"POISONED","marketplace_id":"M","order_id":"1"}'
)
_KINDS: tuple[tuple[bytes | None, bytes | None], ...] = (
    (_KEY, b"not json"),
    (_KEY, b""),
    (_KEY, None),
    (None, _ORDER),
    (b"SOMEBODY-ELSE", _ORDER),
    (b"\xff\xfe", _ORDER),
    (_KEY, b"[]"),
    (_KEY, _ORDER),  # the fields of its topic are missing
    (_KEY, _ORDER.replace(b"2026-08-01T", b"yesterday ")),
    (_KEY, _ORDER.replace(b'"1"', b'"\xff"')),
    (_KEY, _ORDER.replace(b'"1"', b'"' + b"x" * 129 + b'"')),
)
_TOO_LARGE = _ORDER.replace(b'"1"', b'"' + b"x" * 256 * 1024 + b'"')


def poison(rng: random.Random, records: int) -> list[Record]:
    """Return so many malformed records, one in twenty of them too large."""
    return [
        Record(rng.choice(READ), *((_KEY, _TOO_LARGE) if rng.random() < 0.05 else rng.choice(_KINDS)))
        for _ in range(records)
    ]
