"""Events as producers write them, and accounts that have read them: what the examples are told with.

Events are `(topic, value)` as in `tests.recount`, of one seller on Amazon.com unless said otherwise, each with an event
id of its own. Everything goes through `decode`, as bytes do in a worker; clocks are moved by hand.
"""

import itertools
import json
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, time
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

from stream import metrics
from stream.accounts import Accounts, Applied
from stream.decode import CONVERTERS, decode, instant
from stream.evaluation import EvaluationDays
from stream.events import Event, Malformed
from stream.figures import counts
from stream.gauges import Group, Totals
from stream.rules import Marketplace, Rules
from stream.states import OrderState, State, fold
from tests.recount import (
    BUILT_IN,
    UTC_EVERYWHERE,
    WINDOWS,
    Counts,
    InputEvent,
    Settings,
    Switches,
    View,
    groups,
    in_time,
    kept,
    recount,
    window_counts,
)

D = date(2026, 11, 3)
US, DE, JP, INDIA = "ATVPDKIKX0DER", "A1PA6795UKMFR9", "A1VC38T7YXB528", "A21TJRUUN4KGV"
SELLER = "A2SELLER"
RECORDED = 1_900_000_000_000
"""A Kafka timestamp, in milliseconds, that no event's time is ahead of."""

Shown = dict[tuple[str, str, str, str], Counts]
"""Counts by seller, marketplace, channel and window; a window without anything is absent."""

_NUMBERS = itertools.count()


def event(topic: str, **fields: Any) -> InputEvent:
    """Return an event on order o1; later ones win over earlier ones, as their ids grow."""
    common = {
        "event_id": f"e{next(_NUMBERS):09}",
        "event_time": "2026-11-01T00:00:00Z",
        "seller_id": SELLER,
        "marketplace_id": US,
        "order_id": "o1",
    }
    return topic, {**common, **fields}


def order(order_id: str = "o1", purchased: str = "2026-10-01T12:00:00Z", **fields: Any) -> InputEvent:
    """Return a shipped MFN order of D-33, in both windows on D."""
    return event(
        "orders", **{"order_id": order_id, "purchase_date": purchased, "channel": "MFN", "status": "Shipped", **fields}
    )


def feedback(rating: int, order_id: str = "o1", **fields: Any) -> InputEvent:
    """Return a posted feedback."""
    return event("feedback", **{"order_id": order_id, "rating": rating, "status": "posted", **fields})


def claim(status: str, order_id: str = "o1", **fields: Any) -> InputEvent:
    """Return the claim C-1."""
    return event("claim-statuses", **{"order_id": order_id, "claim_id": "C-1", "status": status, **fields})


def chargeback(kind: str, status: str = "open", order_id: str = "o1", **fields: Any) -> InputEvent:
    """Return the chargeback B-1."""
    return event(
        "chargebacks", **{"order_id": order_id, "chargeback_id": "B-1", "kind": kind, "status": status} | fields
    )


def cancelled(by: str | None, order_id: str = "o1", **fields: Any) -> InputEvent:
    """Return a cancelled MFN order of D-4, in the window of cancellations on D."""
    return order(order_id, "2026-10-30T12:00:00Z", **{"status": "Canceled", "cancelled_by": by, **fields})


def shipment(order_id: str = "o1", shipment_id: str = "P-1", **fields: Any) -> InputEvent:
    """Return a package with valid tracking, on time, in the windows of 30 days and of 14 on D.

    It was confirmed on D-19, promised by D-14 and delivered on D-15.
    """
    moments = {
        "confirmed_at": "2026-10-15T12:00:00Z",
        "promised_by": "2026-10-20T12:00:00Z",
        "tracking_confirmed_at": "2026-10-15T12:00:00Z",
        "first_scan_at": "2026-10-16T12:00:00Z",
        "delivered_at": "2026-10-19T12:00:00Z",
    }
    return event("shipments", **{"order_id": order_id, "shipment_id": shipment_id, **moments, **fields})


def message(
    answered: str | None = None, message_id: str = "M-1", received: str = "2026-10-30T12:00:00Z", **fields: Any
) -> InputEvent:
    """Return a buyer's message of D-4, in all windows on D."""
    times = {"received_at": received, "answered_at": answered}
    return event("messages", **{"message_id": message_id, **times, **fields})


def violation(status: str = "open", violation_id: str = "V-1", **fields: Any) -> InputEvent:
    """Return a violation that was detected on D-33."""
    what = {"category": "listing", "severity": "high", "detected_at": "2026-10-01T12:00:00Z", "order_id": None}
    return event("violations", **{"violation_id": violation_id, "status": status, **what, **fields})


def decoded(told: InputEvent, timestamp: int = RECORDED) -> Event:
    """Return what a worker makes of an event that is valid."""
    topic, value = told
    read = decode(CONVERTERS[topic], value["seller_id"].encode(), json.dumps(value).encode(), timestamp)
    assert not isinstance(read, Malformed), read
    return read


def folded(*told: InputEvent, state: State | None = None) -> State | None:
    """Return the state after these versions of one key's things, in this order."""
    for one in told:
        after_it = fold(state, decoded(one).thing)
        state = state if isinstance(after_it, str) else after_it
    return state


def order_state(*told: InputEvent) -> OrderState:
    """Return the state of an order after these versions, in this order."""
    state = folded(*told, state=OrderState())
    assert isinstance(state, OrderState)
    return state


@cache
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def rules_of(
    switches: Switches | None = None,
    zones: Mapping[str, str] = UTC_EVERYWHERE,
    retention_days: int = 200,
    settings: Settings = BUILT_IN,
) -> Rules:
    """Return the product's rules for what the oracle is told."""
    switches = switches or Switches()
    marketplaces = sorted({*zones, *settings.targets, *settings.minimums})
    return Rules(
        claims_policy="all_filed" if switches.claims_policy == "all_filed" else "current",
        reversed_chargebacks="counted" if switches.reversed_chargebacks == "counted" else "excluded",
        buyer_requested_cancellations=(
            "counted" if switches.buyer_requested_cancellations == "counted" else "excluded"
        ),
        retention_days=retention_days,
        marketplaces={
            marketplace: Marketplace(
                _zone(zones.get(marketplace, "UTC")),
                settings.minimums.get(marketplace),
                settings.targets.get(marketplace, {}),
            )
            for marketplace in marketplaces
        },
    )


def held(rules: Rules, day: date = D) -> EvaluationDays:
    """Return evaluation days that are `day` everywhere, for ever."""
    return EvaluationDays(rules, 0, day.toordinal())


def midnight(day: date) -> int:
    """Return the instant at which `day` begins in UTC."""
    return instant(datetime.combine(day, time(), UTC).isoformat())


def accounts_on(day: date = D, rules: Rules | None = None) -> Accounts:
    """Return accounts without anybody, on a day that is held still."""
    rules = rules or Rules()
    return Accounts(rules, held(rules, day))


def apply(accounts: Accounts, *told: InputEvent) -> list[Applied | str]:
    """Fold events in the order given; return what each did."""
    return [accounts.apply(decoded(one)) for one in told]


def after(*told: InputEvent, day: date = D, switches: Switches | None = None) -> Accounts:
    """Return accounts that have read these events, in this order."""
    accounts = accounts_on(day, rules_of(switches))
    apply(accounts, *told)
    return accounts


def shown(accounts: Accounts) -> Shown:
    """Return what every window of every group has at this moment."""
    return {
        (seller_id, marketplace_id, channel, window.name): Counts(*counts(amount))
        for seller_id, account in accounts.sellers.items()
        for (_, marketplace_id, channel), group in account.in_ledger("orders")
        for window, amount in zip(metrics.WINDOWS["orders"], group.totals, strict=True)
        if window in metrics.ORDER_WINDOWS and any(counts(amount))
    }


def recounted(
    told: Iterable[InputEvent],
    day: date,
    *,
    switches: Switches | None = None,
    zones: Mapping[str, str] = UTC_EVERYWHERE,
    retention_days: int = 200,
) -> Shown:
    """Return what the oracle counts, in the same form."""
    view = View(day, switches or Switches(), zones, retention_days)
    days = kept(recount(in_time(told, view), switches=view.switches, zones=zones), day, retention_days)
    found = {(*group, window): window_counts(days, *group, day, window) for group in groups(days) for window in WINDOWS}
    return {key: value for key, value in found.items() if value != Counts()}


def states(accounts: Accounts) -> dict[tuple[str, bytes], bytes]:
    """Return every packed state."""
    return {
        (seller_id, state_id): packed
        for seller_id, account in accounts.sellers.items()
        for state_id, packed in account.states.items()
    }


def totals_of(accounts: Accounts) -> dict[Group, Totals]:
    """Return what every window of every ledger has, as a page is rendered from it."""
    return {
        Group(seller_id, place): tuple(counts.totals)
        for seller_id, account in accounts.sellers.items()
        for place, counts in account.groups.items()
    }


def official(accounts: Accounts, seller: str = SELLER, marketplace: str = US, channel: str = "MFN") -> Counts:
    """Return the counts of the official window."""
    return shown(accounts).get((seller, marketplace, channel, "official"), Counts())


def ahead(accounts: Accounts, seller: str = SELLER, marketplace: str = US, channel: str = "MFN") -> Counts:
    """Return the counts of the window that warns early."""
    return shown(accounts).get((seller, marketplace, channel, "ahead"), Counts())
