"""A steady load over many sellers, from a process of its own, so that it slows nobody who measures."""

import asyncio
import itertools
import multiprocessing
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from multiprocessing.sharedctypes import Synchronized
from multiprocessing.synchronize import Event
from typing import NamedTuple

from stream.tools.produce import Producer
from tests.broker.harness import Cluster

MARKETPLACE = "ATVPDKIKX0DER"
DAYS_BACK = 70  # orders lie up to so many days back: some in both windows, some in one
TROUBLED = 20  # one seller in so many has defects at all,
DEFECTIVE = 40  # one in so many of its orders
SLICES = 50  # a second

Record = tuple[str, bytes, bytes]


class Placed(NamedTuple):
    """An order of the load: which one of all, whose, and how many days back."""

    number: int
    seller: int
    days_back: int
    defective: bool


class Load(NamedTuple):
    """The records of so many sellers, all of them true since one moment: the same ones whenever it is asked."""

    sellers: int
    moment: datetime

    @property
    def day(self) -> str:
        """The evaluation day that `expected` is about."""
        return self.moment.date().isoformat()

    def placed(self) -> Iterator[Placed]:
        """Yield orders for ever, of one seller after the other: between two scrapes every seller's counts change."""
        for number in itertools.count():
            turn, seller = divmod(number, self.sellers)
            defective = seller % TROUBLED == 0 and (turn + seller) % DEFECTIVE == 0
            yield Placed(number, seller, turn % DAYS_BACK, defective)

    def records(self) -> Iterator[Record]:
        """Yield the records of the orders: each order's own, and then what belongs to it."""
        for order in self.placed():
            number = order.number
            key = b"S%05d" % order.seller
            about = (
                f'"event_time":"{self.moment.isoformat()}","seller_id":"{key.decode()}",'
                f'"marketplace_id":"{MARKETPLACE}","order_id":"{number}"'
            )
            purchased = (self.moment - timedelta(days=order.days_back)).isoformat()
            told = {
                "orders": f'"purchase_date":"{purchased}","channel":"MFN","status":"Shipped"',
                "shipments": f'"shipment_id":"{number}","confirmed_at":"{purchased}","promised_by":"{purchased}",'
                f'"first_scan_at":"{purchased}","delivered_at":"{purchased}"',
                "messages": f'"message_id":"{number}","received_at":"{purchased}","answered_at":"{purchased}"',
                "feedback": '"rating":1,"status":"posted"',
            }
            for topic in topics_of(order):
                yield topic, key, f'{{"event_id":"{topic}-{number}",{about},{told[topic]}}}'.encode()

    def expected(self, number_of_records: int) -> Counter[str]:
        """Return what the first so many records add up to.

        That is orders kept, the counts of the `ahead` window, and orders confirmed shipped in the last 30 days.
        """
        counts: Counter[str] = Counter()
        told = ((order, topic) for order in self.placed() for topic in topics_of(order))
        for order, topic in itertools.islice(told, number_of_records):
            counts["kept"] += topic == "orders"
            counts["orders"] += topic == "orders" and order.days_back < 60
            counts["defective_orders"] += topic == "feedback" and order.days_back < 60
            counts["confirmed_orders"] += topic == "shipments" and order.days_back < 30
        return counts


def topics_of(order: Placed) -> Iterator[str]:
    """Yield the topics that tell of an order, in order: each has a package, every tenth a message."""
    yield "orders"
    yield "shipments"
    if order.number % 10 == 0:
        yield "messages"
    if order.defective:
        yield "feedback"


@contextmanager
def loaded(cluster: Cluster, load: Load, rate: int, after: int) -> Iterator["Synchronized[int]"]:
    """Produce `rate` records a second, but for the first `after`; yields the number produced."""
    context = multiprocessing.get_context("spawn")
    produced: Synchronized[int] = context.Value("q", 0)
    over = context.Event()
    told = {"produced": produced, "over": over}
    process = context.Process(target=_produce, args=(cluster, load, rate, after), kwargs=told)
    process.start()
    try:
        yield produced
    finally:
        over.set()
        process.join(60)
        process.kill()


def _produce(
    cluster: Cluster, load: Load, rate: int, after: int, *, produced: "Synchronized[int]", over: Event
) -> None:
    asyncio.run(_steadily(cluster, itertools.islice(load.records(), after, None), rate, produced, over))


async def _steadily(
    cluster: Cluster, following: Iterator[Record], rate: int, produced: "Synchronized[int]", over: Event
) -> None:
    async with Producer(cluster.settings) as producer:
        due = time.monotonic()
        while not over.is_set():
            for record in itertools.islice(following, rate // SLICES):
                await producer.add(*record)
            await producer.flush()
            produced.value += rate // SLICES
            due = max(due + 1 / SLICES, time.monotonic() - 1)  # more than a second behind is given up
            await asyncio.sleep(max(0.0, due - time.monotonic()))
