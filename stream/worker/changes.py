"""What is told of an order whose share in the figures changed: the records of `health-changes`."""

from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

import orjson

from stream.accounts import Applied
from stream.events import Event
from stream.figures import figures_in
from stream.health import iso_day, iso_instant
from stream.orders import Contribution


class Cause(NamedTuple):
    """The source record that an event came in."""

    topic: str
    partition: int
    offset: int
    event: Event


class Difference(NamedTuple):
    """The figures that an order entered and left, and all those it is in now."""

    entered: list[str]
    left: list[str]
    now: list[str]


@lru_cache(maxsize=4096)  # of few figures there are few pairs
def difference(before: int, after: int) -> Difference:
    """Return what changing an order's amount from `before` to `after` means by figure."""
    was, now = figures_in(before), figures_in(after)
    return Difference([name for name in now if name not in was], [name for name in was if name not in now], now)


def moves(applied: Applied) -> Iterator[tuple[Contribution, Difference]]:
    """Yield where an event changed its order's figures, and how: nowhere, once, or twice where the order moved."""
    before, after = applied
    if before is None or after is None or before[:3] != after[:3]:
        pairs = [(share, told) for share, told in ((before, _left(before)), (after, _entered(after))) if share]
    else:
        pairs = [(after, difference(before.amount, after.amount))]
    return ((share, told) for share, told in pairs if told.entered or told.left)


def _left(share: Contribution | None) -> Difference:
    return difference(share.amount if share else 0, 0)


def _entered(share: Contribution | None) -> Difference:
    return difference(0, share.amount if share else 0)


def health_changes(cause: Cause, applied: Applied) -> Iterator[bytes]:
    """Yield the values of the records that tell what an event did (contract: `health-changes`).

    `change_id` is the source record's place: the same when the record is written again.
    """
    topic, partition, offset, event = cause
    for number, (share, told) in enumerate(moves(applied)):
        yield orjson.dumps(
            {
                "change_id": f"{topic}-{partition}-{offset}-{number}",
                "event_id": event.thing.event_id,
                "topic": topic,
                "event_time": iso_instant(event.thing.event_time),
                "seller_id": event.seller_id,
                "marketplace_id": share.marketplace_id,
                "channel": share.channel,
                "order_id": event.order_id,
                "order_date": iso_day(share.day),
                "entered": told.entered,
                "left": told.left,
                "now": told.now,
            }
        )
