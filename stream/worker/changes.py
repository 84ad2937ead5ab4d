"""What is told of an order whose share in the figures changed: the records of `health-changes`."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final, NamedTuple

import msgspec
import orjson

from stream.accounts import Accounts, Applied
from stream.days import iso_day
from stream.events import Event
from stream.figures import figures_in
from stream.health import iso_instant
from stream.rules import Rules
from stream.shares import Share, order_share, shares
from stream.states import OrderState

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Cause(msgspec.Struct, frozen=True, gc=False):
    """The source record that an event came in; `offset` says where, also where it is no record but new settings."""

    topic: str
    partition: int
    offset: int | str
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


def moves(applied: Applied) -> list[tuple[Share, Difference]]:
    """Return where an event changed its order's figures, and how: nowhere, once, or twice where the order moved."""
    before, after = order_share(applied.before), order_share(applied.after)
    if before is not None and after is not None and before.place == after.place and before.day == after.day:
        moved = [(after, difference(before.amount, after.amount))]
    else:
        moved = [] if before is None else [(before, difference(before.amount, 0))]
        if after is not None:
            moved.append((after, difference(0, after.amount)))
    return [(share, told) for share, told in moved if told.entered or told.left]


def health_changes(cause: Cause, applied: Applied) -> list[bytes]:
    """Return the values of the records that tell what an event did (contract: `health-changes`).

    `change_id` is the source record's place: the same when the record is written again.
    """
    return [_health_change(cause, number, share, told) for number, (share, told) in enumerate(moves(applied))]


def _health_change(cause: Cause, number: int, share: Share, told: Difference) -> bytes:
    event = cause.event
    _, marketplace_id, channel = share.place
    return orjson.dumps(
        {
            "change_id": f"{cause.topic}-{cause.partition}-{cause.offset}-{number}",
            "event_id": event.thing.event_id,
            "topic": cause.topic,
            "event_time": _told(event.thing.event_time),
            "seller_id": event.seller_id,
            "marketplace_id": marketplace_id,
            "channel": channel,
            "order_id": event.subject_id,
            "order_date": iso_day(share.day),
            "entered": told.entered,
            "left": told.left,
            "now": told.now,
        },
        option=orjson.OPT_UTC_Z,
    )


SETTINGS: Final = "settings"
"""The `topic` of a change that no event caused, but other settings than before."""


class NewRules(NamedTuple):
    """Other rules than the ones that a partition's changes were told under; `times` numbers them."""

    partition: int
    times: int
    before: Rules
    after: Rules

    def told(self, accounts: Accounts) -> Iterator[tuple[bytes, bytes]]:
        """Yield key and value of the records that tell how the new rules change the figures of the orders kept."""
        for seller_id, account in accounts.sellers.items():
            for order_id, state in account.orders():
                for value in self._of_order(seller_id, order_id, state):
                    yield seller_id.encode(), value

    def _of_order(self, seller_id: str, order_id: str, state: OrderState) -> list[bytes]:
        order = state.order
        applied = Applied(shares(state, self.before), shares(state, self.after))
        if order is None or applied.before == applied.after:
            return []
        # The order's own event stands for it, so that the record has an event's fields; `topic` tells the cause.
        event = Event(seller_id, order_id, order)
        return health_changes(Cause(SETTINGS, self.partition, f"{self.times}-{seller_id}-{order_id}", event), applied)


def _told(instant: int) -> datetime | str:
    """Return what orjson writes as `iso_instant(instant)`: a datetime, which is many times as quick to write."""
    try:
        return _EPOCH + timedelta(0, 0, instant)
    except OverflowError:
        return iso_instant(instant)
