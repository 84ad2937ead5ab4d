"""A market that costs little to simulate, and nothing to remember: everything follows from an order's number.

Simulated days pass in seconds. `Market.slices` says what happens on a day, and `days` counts what must be true at the
end of one, from the same table of kinds but from nothing that was produced.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

from stream.topics import partition_for
from tests.broker.harness import PARTITIONS
from tests.recount import Counts, DayKey

SELLERS = 400
SLICES = 20
_SEEN_DAYS = 75
_MARKETPLACES = ("ATVPDKIKX0DER", "A1PA6795UKMFR9")
_CHANNELS = ("MFN", "AFN")
_HEAD = '{"event_id":"%d-%d","event_time":"%sT%02d:%02d:%02dZ","seller_id":"%s","marketplace_id":"%s","order_id":"%d",'
_PLACED = '"purchase_date":"%sT12:00:00Z","channel":"%s",'


class Kind(NamedTuple):
    """One thing that happens to every `every`th order, `lag` days after its purchase."""

    topic: str
    lag: int
    fields: str
    every: int = 1
    rest: int = 0


class Row(NamedTuple):
    """One record, with the partition of its key."""

    topic: str
    partition: int
    key: bytes
    value: bytes


def _order(lag: int, status: str, every: int = 1, rest: int = 0) -> Kind:
    return Kind("orders", lag, f'"status":"{status}"', every, rest)


EARLY, NEGATIVE, REMOVED, CLAIMED, DENIED = (200, 11), (10, 1), (30, 1), (12, 5), (24, 5)
GRANTED, CHARGED, REVERSED, CANCELLED = (24, 17), (40, 7), (80, 7), (25, 3)
"""Which orders each of these happens to: (every, rest)."""

KINDS = (
    Kind("chargebacks", -1, '"chargeback_id":"E","kind":"service","status":"open"', *EARLY),
    _order(0, "Pending"),
    _order(0, "Unshipped"),
    _order(1, "PartiallyShipped"),
    _order(2, "Shipped"),
    _order(3, "InvoiceUnconfirmed"),
    _order(4, "Shipped"),
    Kind("orders", 5, '"status":"Canceled","cancelled_by":"buyer"', *CANCELLED),
    Kind("feedback", 6, '"rating":%d,"status":"posted"', *NEGATIVE),
    _order(7, "Shipped", 25, 4),
    Kind("feedback", 12, '"rating":1,"status":"removed"', *REMOVED),
    Kind("claim-statuses", 12, '"claim_id":"C","status":"pending"', *CLAIMED),
    Kind("chargebacks", 25, '"chargeback_id":"B","kind":"service","status":"open"', *CHARGED),
    Kind("claim-statuses", 30, '"claim_id":"C","status":"denied"', *DENIED),
    Kind("claim-statuses", 30, '"claim_id":"C","status":"granted"', *GRANTED),
    Kind("chargebacks", 40, '"chargeback_id":"B","kind":"service","status":"reversed"', *REVERSED),
)
REDELIVERED_AFTER_DAYS = 3
"""When the first version of every order comes a second time."""

EVENTS_PER_ORDER = sum(1 / kind.every for kind in KINDS) + 1


def happens(chosen: int, to: tuple[int, int]) -> bool:
    every, rest = to
    return chosen % every == rest


class Order(NamedTuple):
    """What an order's number says of it; `chosen` decides what happens to it."""

    number: int
    seller: str
    marketplace: str
    channel: str
    chosen: int

    @classmethod
    def of(cls, number: int) -> "Order":
        mixed = number * 0x9E3779B97F4A7C15 & 0xFFFFFFFFFFFFFFFF
        seller = (mixed >> 8) % SELLERS
        return cls(number, f"SOAK-{seller}", _MARKETPLACES[seller % 2], _CHANNELS[mixed >> 40 & 1], mixed >> 44)

    @property
    def rating(self) -> int:
        return 1 + self.chosen // 10 % 5


@dataclass(frozen=True)
class Market:
    """So many orders a day, from `first_day` on; order numbers grow day by day."""

    first_day: date
    orders_a_day: int

    @cached_property
    def _partitions(self) -> dict[str, int]:
        names = [f"SOAK-{number}" for number in range(SELLERS)]
        return {name: partition_for(name.encode(), PARTITIONS) for name in names}

    # What happens.

    def slices(self, day: int) -> Iterator[list[Row]]:
        """Yield what happens on a day (counted from the first one), a twentieth of the orders at a time."""
        bounds = [self.orders_a_day * number // SLICES for number in range(SLICES + 1)]
        for number, (first, end) in enumerate(pairwise(bounds)):
            rows: list[Row] = []
            for at, kind in enumerate(KINDS):
                rows += self._rows(at, kind, day - kind.lag, range(first, end), number)
            rows += self._rows(1, KINDS[1], day - REDELIVERED_AFTER_DAYS, range(first, end), number)
            yield rows

    def _rows(self, at: int, kind: Kind, bought: int, of_day: range, slice_number: int) -> Iterator[Row]:
        """Yield what of one kind happens to some of the orders that were bought on a day."""
        if bought < 0:
            return
        happened = (self.first_day + timedelta(days=bought + kind.lag)).isoformat()
        placed = (self.first_day + timedelta(days=bought)).isoformat()
        for position in of_day:
            order = Order.of(bought * self.orders_a_day + position)
            if order.chosen % kind.every == kind.rest:
                clock = slice_number, at
                yield self._row(at, kind, order, happened, placed, clock)

    def _row(  # noqa: PLR0917 - called for every event
        self, at: int, kind: Kind, order: Order, happened: str, placed: str, clock: tuple[int, int]
    ) -> Row:
        number, seller, marketplace, channel, _ = order
        head = _HEAD % (number, at, happened, clock[0], clock[1], 0, seller, marketplace, number)
        if kind.topic == "orders":
            head += _PLACED % (placed, channel)
        fields = kind.fields % order.rating if "%" in kind.fields else kind.fields
        return Row(kind.topic, self._partitions[seller], seller.encode(), f"{head}{fields}}}".encode())

    # What must be true.

    def days(self, last: int) -> dict[DayKey, Counts]:
        """Return the counts of every order date that a window can hold, when all of day `last` has happened."""
        found: dict[DayKey, Counts] = {}
        for bought in range(max(0, last - _SEEN_DAYS), last + 1):
            order_date = self.first_day + timedelta(days=bought)
            for place, counts in self._counts(bought, last - bought).items():
                found[*place, order_date] = counts
        return found

    def _counts(self, bought: int, age: int) -> dict[tuple[str, str, str], Counts]:
        sums: defaultdict[tuple[str, str, str], list[int]] = defaultdict(lambda: [0] * 5)
        for number in range(bought * self.orders_a_day, (bought + 1) * self.orders_a_day):
            order = Order.of(number)
            if happens(order.chosen, CANCELLED) and age >= 5:
                continue
            early = bought > 0 and happens(order.chosen, EARLY)  # the first day has no day before
            causes = negative(order, age), claimed(order.chosen, age), early or charged(order.chosen, age)
            of_place = sums[order.seller, order.marketplace, order.channel]
            for at, counted in enumerate((True, any(causes), *causes)):
                of_place[at] += counted
        return {place: Counts(*counts) for place, counts in sums.items()}


def negative(order: Order, age: int) -> bool:
    removed = happens(order.chosen, REMOVED) and age >= 12
    return happens(order.chosen, NEGATIVE) and age >= 6 and order.rating <= 2 and not removed


def claimed(chosen: int, age: int) -> bool:
    denied = happens(chosen, DENIED) and age >= 30
    return happens(chosen, CLAIMED) and age >= 12 and not denied


def charged(chosen: int, age: int) -> bool:
    reversed_ = happens(chosen, REVERSED) and age >= 40
    return happens(chosen, CHARGED) and age >= 25 and not reversed_
