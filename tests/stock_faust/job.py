"""The job in stock Faust, as its user would first write it: an agent over the four topics and two tables.

Decoding, the fold and what an order adds to the counts are the program's own, so that the only difference is who keeps
the offsets and the state. The topics are keyed by seller, so tables and topics are co-partitioned as Faust asks for.
"""

from collections import defaultdict
from typing import Any

import faust
import msgspec
from faust.web import Request, Response, View

from stream.decode import CONVERTERS, decode
from stream.events import Event, Malformed
from stream.figures import FIGURES, counts
from stream.settings import Settings
from stream.shares import order_share, shares
from stream.states import State, fold, state_id
from stream.topics import CHARGEBACKS, CLAIM_STATUSES, FEEDBACK, ORDERS

TOPICS = (ORDERS, FEEDBACK, CLAIM_STATUSES, CHARGEBACKS)
SETTINGS = Settings.read()
RULES = SETTINGS.rules

# Everything else is as Faust has it; PROCESSING_GUARANTEE it reads from the environment itself.
app = faust.App(
    SETTINGS.group,
    broker=f"kafka://{SETTINGS.brokers}",
    topic_partitions=SETTINGS.partitions,  # of the changelogs: they must have as many as the topics
    store="rocksdb://",  # the documentation: "you should not use the memory:// store in production"
    datadir=SETTINGS.data_dir,
    web_bind=SETTINGS.http_host,
    web_port=SETTINGS.http_port,
)


class Kept(msgspec.Struct):
    """An order's state, and the place of every record that was applied to it: what is counted at the end."""

    state: State | None = None
    applied: list[str] = []


pack = msgspec.msgpack.Encoder().encode
unpack = msgspec.msgpack.Decoder(Kept).decode

events = app.topic(*map(SETTINGS.topic, TOPICS), key_type=bytes, value_type=bytes)
orders = app.Table("orders", key_type=str, value_type=bytes)
days = app.Table("days", key_type=str, default=lambda: [0] * len(FIGURES))


@app.agent(events)  # type: ignore[untyped-decorator]
async def count(stream: Any) -> None:
    """Fold each event into its order, and let the days' counts follow."""
    async for record in stream.events():
        message = record.message
        topic = message.topic.removeprefix(SETTINGS.topic_prefix)
        event = decode(CONVERTERS[topic], message.key, message.value, int(message.timestamp * 1_000))
        if not isinstance(event, Malformed):
            apply(event, f"{topic}-{message.partition}-{message.offset}")


def apply(event: Event, place: str) -> None:
    """Put the event into both tables."""
    order = f"{event.seller_id}/{state_id(event).decode()}"
    packed = orders.get(order)
    kept = Kept() if packed is None else unpack(packed)
    folded = fold(kept.state, event.thing)
    after = kept.state if isinstance(folded, str) else folded
    orders[order] = pack(Kept(after, [*kept.applied, place]))
    if after is not kept.state:
        add(event.seller_id, kept.state, -1)
        add(event.seller_id, after, 1)


def add(seller: str, state: State | None, sign: int) -> None:
    """Add what an order's state adds to its day, or take it back."""
    share = order_share(shares(state, RULES))
    if share is not None:
        _, marketplace, channel = share.place
        day = f"{seller}/{marketplace}/{channel}/{share.day}"
        days[day] = [had + sign * more for had, more in zip(days[day], counts(share.amount), strict=True)]


@app.page("/readyz")  # type: ignore[untyped-decorator]
async def ready(self: View, _: Request) -> Response:
    """Answer with the partitions, as soon as they are assigned and recovered."""
    if app.rebalancing or not app.rebalancing_count:
        return self.json({}, status=503)
    numbers = {source.partition for source in app.consumer.assignment() if source.topic in events.topics}
    return self.json({"partitions": sorted(numbers)})


@app.page("/tables")  # type: ignore[untyped-decorator]
async def tables(self: View, _: Request) -> Response:
    """Answer with the counts of each day, and the place of each record that was applied, by seller."""
    applied: defaultdict[str, list[str]] = defaultdict(list)
    for order, packed in orders.items():
        applied[order.split("/")[0]] += unpack(packed).applied
    return self.json({"days": dict(days.items()), "applied": applied})
