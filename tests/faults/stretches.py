"""Events that change what is true for as long as one likes: stretch after stretch, and none like another.

An event that came again would change nothing, and would put right what had been lost of it: a fault at that time could
not be seen.
"""

import random
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from itertools import count
from types import MappingProxyType
from typing import Any, Final

from tests.broker.harness import history
from tests.recount import InputEvent

_STRETCHES_OF_A_SEED: Final = 100_000
_NEWS, _AGAIN = 5, 10
"""How many orders of a stretch there are for each news of earlier ones, and for each redelivery."""

_OTHERWISE: Final[Mapping[str, Sequence[Mapping[str, Any]]]] = MappingProxyType(
    {
        "orders": (
            {"status": "Shipped"},
            {"status": "Canceled", "cancelled_by": "buyer"},
            {"status": "Canceled", "cancelled_by": "seller"},
            {"channel": "MFN"},
            {"channel": "AFN"},
        ),
        "feedback": ({"status": "removed"}, {"status": "posted", "rating": 1}, {"status": "posted", "rating": 5}),
        "claim-statuses": ({"status": "withdrawn"}, {"status": "granted"}, {"status": "denied"}),
        "chargebacks": ({"status": "reversed"}, {"status": "open"}),
        "shipments": ({"excused": True}, {"excused": False}, {"delivered_at": None}),
        "messages": ({"needs_response": False}, {"needs_response": True}, {"answered_at": None}),
        "violations": ({"status": "resolved"}, {"status": "open"}),
    }
)
"""What may become of a thing later."""

_DEFECTS: Final[Sequence[tuple[str, Mapping[str, Any]]]] = (
    ("feedback", {"rating": 1, "status": "posted"}),
    ("claim-statuses", {"claim_id": "C-LATER", "status": "granted"}),
    ("chargebacks", {"chargeback_id": "B-LATER", "kind": "service", "status": "open"}),
)
"""What may happen to an order later."""


def stretches(seed: int, orders: int, day: date) -> Iterator[list[InputEvent]]:
    """Yield events before `day` for ever: so many new orders in each stretch, and something of those before.

    That is news, which move earlier orders and things from figure to figure, and redeliveries.
    """
    rng = random.Random(seed)
    told_at = datetime.combine(day, datetime.min.time(), UTC).isoformat()
    earlier: list[InputEvent] = []
    for number in count():
        new = history(orders, seed=(seed + 1) * _STRETCHES_OF_A_SEED + number, day=day)
        news = [
            _news(rng, known, {"event_id": f"~{number:05}-{at}", "event_time": told_at})
            for at, known in enumerate(_some(rng, earlier, orders // _NEWS))
        ]
        yield _mixed(rng, new, news + _some(rng, earlier, orders // _AGAIN))
        earlier = _some(rng, earlier, orders) + _some(rng, new, orders)


def _some(rng: random.Random, events: Sequence[InputEvent], most: int) -> list[InputEvent]:
    return rng.sample(events, min(most, len(events)))


def _news(rng: random.Random, known: InputEvent, version: Mapping[str, str]) -> InputEvent:
    """Return a later version of what is known, or a defect of an order; its id is above that of all earlier ones."""
    topic, value = known
    if topic == "orders" and rng.random() < 0.5:
        defect, fields = rng.choice(_DEFECTS)
        about = {name: value[name] for name in ("seller_id", "marketplace_id", "order_id")}
        return defect, {**about, **fields, **version}
    return topic, {**value, **rng.choice(_OTHERWISE[topic]), **version}


def _mixed(rng: random.Random, events: Sequence[InputEvent], more: Sequence[InputEvent]) -> list[InputEvent]:
    """Return the events in their order, with more of them anywhere in between."""
    placed = [(at / len(events), event) for at, event in enumerate(events)]
    placed += [(rng.random(), event) for event in more]
    return [event for _, event in sorted(placed, key=lambda place: place[0])]
