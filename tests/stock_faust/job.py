"""The job in stock Faust, as its user would first write it: an agent over four topics and two tables.

The topics are keyed by seller, so tables and topics are co-partitioned as Faust asks for.
"""

from typing import Any

import faust
from faust.web import Request, Response, View

from stream.decode import CONVERTERS, decode
from stream.events import Malformed
from stream.settings import Settings
from tests.stock_faust.tables import TOPICS, apply, nothing, shown

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

events = app.topic(*map(SETTINGS.topic, TOPICS), key_type=bytes, value_type=bytes)
orders = app.Table("orders", key_type=str, value_type=bytes)
days = app.Table("days", key_type=str, default=nothing)


@app.agent(events)  # type: ignore[untyped-decorator]
async def count(stream: Any) -> None:
    """Fold each event into its order, and let the days' counts follow."""
    async for record in stream.events():
        message = record.message
        topic = message.topic.removeprefix(SETTINGS.topic_prefix)
        event = decode(CONVERTERS[topic], message.key, message.value, int(message.timestamp * 1_000))
        if not isinstance(event, Malformed):
            apply(orders, days, event, f"{topic}-{message.partition}-{message.offset}", RULES)


@app.page("/readyz")  # type: ignore[untyped-decorator]
async def ready(self: View, _: Request) -> Response:
    """Answer with the partitions, as soon as they are assigned and recovered."""
    if app.rebalancing or not app.rebalancing_count:
        return self.json({}, status=503)
    numbers = {source.partition for source in app.consumer.assignment() if source.topic in events.topics}
    return self.json({"partitions": sorted(numbers)})


@app.page("/tables")  # type: ignore[untyped-decorator]
async def tables(self: View, _: Request) -> Response:
    """Answer with what both tables show."""
    return self.json(shown(orders, days))
