"""The figures counted from scratch: every test's independent second opinion.

Nothing here is incremental, cached or shared with the product: each function takes all the raw input events there are,
throws away every version that lost, and counts what is left, one order at a time. It is slow and meant to be read.

    events -> latest -> recount -> window_counts -> ratio, headroom, verdict, wilson95
                                                 -> gauges, defects, forecast

An input event is `(topic, value)`: the topic without prefix, the value the JSON object as a dict, already valid.
"""

import math
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from types import MappingProxyType
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from prometheus_client.parser import text_string_to_metric_families

Value = Mapping[str, Any]
InputEvent = tuple[str, Value]
DayKey = tuple[str, str, str, date]  # seller, marketplace, channel, order date
Series = tuple[str, frozenset[tuple[str, str]]]  # a gauge's name and its label items
Row = dict[str, Any]


@dataclass(frozen=True)
class Switches:
    """The decisions that whoever runs the project may take otherwise."""

    claims_policy: str = "current"
    reversed_chargebacks: str = "excluded"


class Thing(NamedTuple):
    """What a record is a version of."""

    topic: str
    seller: str
    order_id: str
    own_id: str


@dataclass(frozen=True)
class Counts:
    """What the orders of one day, or of one window, add up to."""

    orders: int = 0
    defective_orders: int = 0
    negative_feedback_orders: int = 0
    claim_orders: int = 0
    chargeback_orders: int = 0


class Window(NamedTuple):
    """So many order dates, the last of them `lag` days before the evaluation day."""

    days: int
    lag: int


CURRENT = Switches()
UTC_EVERYWHERE: Mapping[str, str] = MappingProxyType({})
OFFICIAL, AHEAD = "official", "ahead"
WINDOWS: Mapping[str, Window] = MappingProxyType({OFFICIAL: Window(60, 15), AHEAD: Window(60, 0)})
ODR_TARGET = Fraction(1, 100)
FORECAST_DAYS = 60

# The field that names a thing of each topic; a topic that is not here is not counted.
OWN_ID = MappingProxyType(
    {"orders": "order_id", "feedback": "feedback_id", "claim-statuses": "claim_id", "chargebacks": "chargeback_id"}
)
KIND = MappingProxyType({"feedback": "feedback", "claim-statuses": "claim", "chargebacks": "chargeback"})

COUNT_GAUGES = MappingProxyType(
    {
        "seller_orders": "orders",
        "seller_defective_orders": "defective_orders",
        "seller_negative_feedback_orders": "negative_feedback_orders",
        "seller_claim_orders": "claim_orders",
        "seller_chargeback_orders": "chargeback_orders",
    }
)
RATIO_GAUGES = MappingProxyType(
    {
        "seller_order_defect_ratio": "defective_orders",
        "seller_negative_feedback_ratio": "negative_feedback_orders",
        "seller_claim_ratio": "claim_orders",
        "seller_chargeback_ratio": "chargeback_orders",
    }
)
HEADROOM_GAUGE = "seller_order_defect_headroom_orders"
ODR_GAUGES = frozenset({*COUNT_GAUGES, *RATIO_GAUGES, HEADROOM_GAUGE})


# --- Times ------------------------------------------------------------------------------------------------------------

RFC3339 = re.compile(
    r"(?P<day>\d{4}-\d\d-\d\d)[Tt ](?P<clock>\d\d:\d\d:\d\d)(?:\.(?P<fraction>\d+))?(?P<offset>[Zz]|[+-]\d\d:\d\d)",
    re.ASCII,
)


def instant(text: str) -> datetime:
    """Return the moment an RFC 3339 text names, in UTC, to the microsecond: further digits are cut, not rounded."""
    found = RFC3339.fullmatch(text)
    if found is None:
        raise ValueError(f"not an RFC 3339 time: {text!r}")
    microseconds = (found["fraction"] or "").ljust(6, "0")[:6]
    offset = found["offset"].replace("Z", "+00:00").replace("z", "+00:00")
    return datetime.fromisoformat(f"{found['day']}T{found['clock']}.{microseconds}{offset}").astimezone(UTC)


def order_date(order: Value, zones: Mapping[str, str]) -> date:
    """Return the calendar day, in the marketplace's zone, of the order's purchase."""
    zone = ZoneInfo(zones.get(order["marketplace_id"], "UTC"))
    return instant(order["purchase_date"]).astimezone(zone).date()


def window_days(evaluation_day: date, window: str) -> list[date]:
    """Return the order dates of a window on a day, oldest first: D-lag-days+1 .. D-lag, both included."""
    days, lag = WINDOWS[window]
    return [evaluation_day - timedelta(days=back) for back in range(lag + days - 1, lag - 1, -1)]


# --- What is true in the end ------------------------------------------------------------------------------------------


def thing_of(topic: str, value: Value) -> Thing:
    """Return the name of what an event is a version of; a feedback without an id is its order's."""
    own_id = value.get(OWN_ID[topic])
    return Thing(topic, value["seller_id"], value["order_id"], value["order_id"] if own_id is None else own_id)


def version_of(value: Value) -> tuple[datetime, str]:
    """Return what decides between two versions of a thing: Python compares text by code points."""
    return instant(value["event_time"]), value["event_id"]


def latest(events: Iterable[InputEvent]) -> dict[Thing, Value]:
    """Return the winning version of each thing."""
    winners: dict[Thing, Value] = {}
    for topic, value in events:
        if topic not in OWN_ID:
            continue
        thing = thing_of(topic, value)
        if thing not in winners or version_of(value) > version_of(winners[thing]):
            winners[thing] = value
    return winners


# --- What counts ------------------------------------------------------------------------------------------------------


def order_counts(order: Value) -> bool:
    """Whether the order is in the denominator (rules.md, "Counted orders")."""
    if order["status"] in ("Pending", "PendingAvailability"):
        return False
    return not (order["status"] == "Canceled" and order.get("cancelled_by") == "buyer")


def feedback_counts(feedback: Value) -> bool:
    """Whether the feedback is negative and stands."""
    return feedback["rating"] in (1, 2) and feedback["status"] == "posted"


def claim_counts(claim: Value, switches: Switches) -> bool:
    """Whether the claim is a defect (rules.md, "A-to-Z claims")."""
    if switches.claims_policy == "all_filed":
        return True
    if claim.get("odr_impact") is not None:
        return bool(claim["odr_impact"] == "counts")
    if claim["status"] == "granted":
        return claim.get("funded_by") != "amazon"
    return claim["status"] in ("pending", "seller_refunded", "order_cancelled")


def chargeback_counts(chargeback: Value, switches: Switches) -> bool:
    """Whether the chargeback is a defect: never a fraud, and a reversed one only by the switch."""
    if chargeback["kind"] == "fraud":
        return False
    return chargeback["status"] != "reversed" or switches.reversed_chargebacks == "counted"


def thing_counts(topic: str, value: Value, switches: Switches) -> bool:
    """Whether a thing makes its order defective, if its order counts."""
    if topic == "feedback":
        return feedback_counts(value)
    if topic == "claim-statuses":
        return claim_counts(value, switches)
    return chargeback_counts(value, switches)


@dataclass(frozen=True)
class JudgedOrder:
    """A counted order, and the things that count against it."""

    day: DayKey
    order_id: str
    causes: tuple[tuple[Thing, Value], ...]


def judged_orders(
    events: Iterable[InputEvent], *, switches: Switches = CURRENT, zones: Mapping[str, str] = UTC_EVERYWHERE
) -> list[JudgedOrder]:
    """Return every counted order, on the day, marketplace and channel of its winning version."""
    winners = latest(events)
    defects_of: defaultdict[tuple[str, str], list[tuple[Thing, Value]]] = defaultdict(list)
    for thing, value in winners.items():
        if thing.topic != "orders" and thing_counts(thing.topic, value, switches):
            defects_of[thing.seller, thing.order_id].append((thing, value))
    judged = []
    for thing, order in winners.items():
        if thing.topic != "orders" or not order_counts(order):
            continue
        causes = tuple(defects_of[thing.seller, thing.order_id])
        day = (thing.seller, order["marketplace_id"], order["channel"], order_date(order, zones))
        judged.append(JudgedOrder(day, thing.order_id, causes))
    return judged


def counts_of(orders: Iterable[JudgedOrder]) -> Counts:
    """Return what some orders add up to: each is in each figure once, however many causes it has."""
    topics = [{thing.topic for thing, _ in order.causes} for order in orders]
    return Counts(
        orders=len(topics),
        defective_orders=sum(1 for found in topics if found),
        negative_feedback_orders=sum(1 for found in topics if "feedback" in found),
        claim_orders=sum(1 for found in topics if "claim-statuses" in found),
        chargeback_orders=sum(1 for found in topics if "chargebacks" in found),
    )


def recount(
    events: Iterable[InputEvent], *, switches: Switches = CURRENT, zones: Mapping[str, str] = UTC_EVERYWHERE
) -> dict[DayKey, Counts]:
    """Return the counts of each seller, marketplace, channel and order date that has a counted order."""
    orders_of: defaultdict[DayKey, list[JudgedOrder]] = defaultdict(list)
    for order in judged_orders(events, switches=switches, zones=zones):
        orders_of[order.day].append(order)
    return {day: counts_of(orders) for day, orders in orders_of.items()}


def window_counts(  # noqa: PLR0917 - four of them are the key of a day
    days: Mapping[DayKey, Counts], seller: str, marketplace: str, channel: str, evaluation_day: date, window: str
) -> Counts:
    """Return what the days of a window add up to."""
    found = [
        days[seller, marketplace, channel, day]
        for day in window_days(evaluation_day, window)
        if (seller, marketplace, channel, day) in days
    ]
    return Counts(
        orders=sum(counts.orders for counts in found),
        defective_orders=sum(counts.defective_orders for counts in found),
        negative_feedback_orders=sum(counts.negative_feedback_orders for counts in found),
        claim_orders=sum(counts.claim_orders for counts in found),
        chargeback_orders=sum(counts.chargeback_orders for counts in found),
    )


# --- What a pair of counts means --------------------------------------------------------------------------------------


def ratio(numerator: int, denominator: int) -> float | None:
    """Return the share, or None where there is nothing to divide by."""
    return None if denominator == 0 else numerator / denominator


def misses(defective: int, counted: int, target: Fraction = ODR_TARGET) -> bool:
    """Whether the share is not strictly below the target; no orders miss nothing."""
    return counted > 0 and not Fraction(defective, counted) < target


def headroom(defective: int, counted: int, target: Fraction = ODR_TARGET) -> int | None:
    """Return the largest whole k, negative too, with (defective + k) / counted < target; None without orders."""
    if counted == 0:
        return None
    k = -defective  # no defective order at all is below every target
    while Fraction(defective + k + 1, counted) < target:
        k += 1
    return k


def low_volume(counted: int, target: Fraction = ODR_TARGET, minimum: int | None = None) -> bool:
    """Whether one failure alone would miss the target, or whether the orders are fewer than a configured minimum."""
    if minimum is not None:
        return counted < minimum
    return counted == 0 or misses(1, counted, target)


def verdict(
    defective: int,
    counted: int,
    *,
    target: Fraction = ODR_TARGET,
    ahead: tuple[int, int] | None = None,
    minimum: int | None = None,
) -> str:
    """Return `no_data`, `missed`, `at_risk` or `good` (rules.md, "Verdict").

    `ahead` is the ahead window's (defective, counted), given for ODR's official figure only: any other figure is judged
    by its own counts. `minimum` is the marketplace's configured `minimum_denominator`.
    """
    if counted == 0:
        return "no_data"
    if misses(defective, counted, target):
        return "missed"
    if defective == 0 and low_volume(counted, target, minimum):
        return "good"
    if misses(defective + 1, counted, target):
        return "at_risk"
    if ahead is not None and misses(ahead[0], ahead[1], target):
        return "at_risk"
    return "good"


def wilson95(numerator: int, denominator: int) -> tuple[float, float] | None:
    """Return the Wilson score interval at 95 %, within 0..1; None without a denominator."""
    if denominator == 0:
        return None
    z = 1.959963984540054
    n = denominator
    p = numerator / n
    centre = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half_width = z / (1 + z**2 / n) * math.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    return max(0.0, centre - half_width), min(1.0, centre + half_width)


# --- What is shown ----------------------------------------------------------------------------------------------------


def kept(days: Mapping[DayKey, Counts], evaluation_day: date, retention_days: int) -> dict[DayKey, Counts]:
    """Return the days that are not too old: the last `retention_days` up to the evaluation day, and later ones."""
    oldest_gone = evaluation_day - timedelta(days=retention_days)
    return {key: counts for key, counts in days.items() if key[3] > oldest_gone}


def groups(days: Mapping[DayKey, Counts]) -> list[tuple[str, str, str]]:
    """Return each seller, marketplace and channel that has a counted order, in order."""
    return sorted({(seller, marketplace, channel) for seller, marketplace, channel, _ in days})


def gauges(
    events: Iterable[InputEvent],
    evaluation_day: date,
    *,
    switches: Switches = CURRENT,
    zones: Mapping[str, str] = UTC_EVERYWHERE,
    retention_days: int = 200,
) -> dict[Series, float]:
    """Return every ODR series that /metrics must show, every marketplace being at `evaluation_day`.

    Counts of 0 are not among them (they may be shown or absent); ratios and headroom are, wherever there are orders.
    """
    days = recount(events, switches=switches, zones=zones)
    return gauges_of_days(kept(days, evaluation_day, retention_days), evaluation_day)


def gauges_of_days(days: Mapping[DayKey, Counts], evaluation_day: date) -> dict[Series, float]:
    """Return every ODR series that follows from the counts of these days."""
    shown: dict[Series, float] = {}
    for seller, marketplace, channel in groups(days):
        for window in WINDOWS:
            labels = frozenset(
                {"seller": seller, "marketplace": marketplace, "channel": channel, "window": window}.items()
            )
            counts = window_counts(days, seller, marketplace, channel, evaluation_day, window)
            for name, value in shown_values(counts):
                shown[name, labels] = value
    return shown


def shown_values(counts: Counts) -> Iterator[tuple[str, float]]:
    """Yield the gauges that must be there for one window's counts."""
    for name, field in COUNT_GAUGES.items():
        if getattr(counts, field) != 0:
            yield name, float(getattr(counts, field))
    for name, field in RATIO_GAUGES.items():
        share = ratio(getattr(counts, field), counts.orders)
        if share is not None:
            yield name, share
    room = headroom(counts.defective_orders, counts.orders)
    if room is not None:
        yield HEADROOM_GAUGE, float(room)


def gauge_differences(scraped: Mapping[Series, float], expected: Mapping[Series, float]) -> list[str]:
    """Return, in words, where a scraped page's ODR gauges are not what they must be; an empty list is agreement.

    Series of other names are none of its business. A count that is not expected may be shown as 0, nothing else may.
    """
    found = [
        f"{name}{sorted(labels)}: {scraped.get((name, labels), 'absent')}, not {value}"
        for (name, labels), value in expected.items()
        if scraped.get((name, labels)) != value
    ]
    found += [
        f"{name}{sorted(labels)}: {value}, not absent"
        for (name, labels), value in scraped.items()
        if name in ODR_GAUGES and (name, labels) not in expected and not (name in COUNT_GAUGES and value == 0)
    ]
    return sorted(found)


def defects(
    events: Iterable[InputEvent],
    seller: str,
    as_of: date,
    *,
    switches: Switches = CURRENT,
    zones: Mapping[str, str] = UTC_EVERYWHERE,
) -> list[Row]:
    """Return what /api/sellers/{seller}/defects lists, every marketplace being at `as_of`, in canonical form.

    Canonical: rows by (order_date, order_id), causes by (kind, id), windows `official` first, and a cause's
    `event_time` as the instant it names, in UTC. `canonical_defects` brings an answer's rows to the same form.
    """
    rows = []
    for order in judged_orders(events, switches=switches, zones=zones):
        order_seller, marketplace, channel, day = order.day
        drops_off = day + timedelta(days=75)
        if order_seller != seller or not order.causes or drops_off <= as_of:
            continue
        rows.append(
            {
                "order_id": order.order_id,
                "order_date": day.isoformat(),
                "marketplace": marketplace,
                "channel": channel,
                "windows": [window for window in WINDOWS if day in window_days(as_of, window)],
                "enters": (day + timedelta(days=15)).isoformat(),
                "drops_off": drops_off.isoformat(),
                "causes": [
                    {
                        "kind": KIND[thing.topic],
                        "id": thing.own_id,
                        "status": value["status"],
                        "reason": value.get("reason"),
                        "event_time": value["event_time"],
                    }
                    for thing, value in order.causes
                ],
            }
        )
    return canonical_defects(rows)


def canonical_defects(rows: Iterable[Mapping[str, Any]]) -> list[Row]:
    """Return an answer's `defects` in the form that `defects` returns: what the contract leaves free is made equal."""
    canonical = []
    for row in rows:
        causes = [{**cause, "event_time": instant(cause["event_time"])} for cause in row["causes"]]
        canonical.append(
            {
                **row,
                "windows": sorted(row["windows"], key=list(WINDOWS).index),
                "causes": sorted(causes, key=lambda cause: (cause["kind"], cause["id"])),
            }
        )
    return sorted(canonical, key=lambda row: (row["order_date"], row["order_id"]))


def forecast(
    events: Iterable[InputEvent],
    seller: str,
    evaluation_day: date,
    *,
    switches: Switches = CURRENT,
    zones: Mapping[str, str] = UTC_EVERYWHERE,
    retention_days: int = 200,
) -> list[Row]:
    """Return the seller's official window on D+1 .. D+60, from what is known: no further orders, no further defects.

    All 60 days for each marketplace and channel with a counted order kept, by (marketplace, channel, day). `expected`
    and the bounds are None: they are a model's, not a count.
    """
    days = kept(recount(events, switches=switches, zones=zones), evaluation_day, retention_days)
    rows = []
    for of_seller, marketplace, channel in groups(days):
        if of_seller != seller:
            continue
        for days_ahead in range(1, FORECAST_DAYS + 1):
            day = evaluation_day + timedelta(days=days_ahead)
            counts = window_counts(days, seller, marketplace, channel, day, OFFICIAL)
            rows.append(
                {
                    "day": day.isoformat(),
                    "marketplace": marketplace,
                    "channel": channel,
                    "orders": counts.orders,
                    "defective_orders": counts.defective_orders,
                    "ratio": ratio(counts.defective_orders, counts.orders),
                    **dict.fromkeys(("expected", "low_80", "high_80", "low_95", "high_95")),
                }
            )
    return rows


def canonical_forecast(rows: Iterable[Mapping[str, Any]]) -> list[Row]:
    """Return only what two forecasts must agree on: the counts of days with orders, by (marketplace, channel, day).

    A marketplace and channel without any counted order may have rows of no data, or none.
    """
    fields = ("marketplace", "channel", "day", "orders", "defective_orders", "ratio")
    with_orders = [{field: row[field] for field in fields} for row in rows if row["orders"] != 0]
    return sorted(with_orders, key=lambda row: (row["marketplace"], row["channel"], row["day"]))


def parse_metrics(text: str) -> dict[Series, float]:
    """Return every series of a page in the Prometheus text format.

    Stricter than the client library's parser, as Prometheus itself is: the last line ends, each family has a type and
    is in one piece, and no series is there twice; else a ValueError.
    """
    if not text.endswith("\n"):
        raise ValueError("the last line doesn't end")
    series: dict[Series, float] = {}
    families: set[tuple[str, str]] = set()  # a counter's name has lost its _total: a gauge may have the rest of it
    for family in text_string_to_metric_families(text):
        if family.type in ("untyped", "unknown"):
            raise ValueError(f"{family.name} has no type")
        if (family.name, family.type) in families:
            raise ValueError(f"{family.name} is there in two pieces")
        families.add((family.name, family.type))
        for sample in family.samples:
            key = (sample.name, frozenset(sample.labels.items()))
            if key in series:
                raise ValueError(f"{sample.name}{sorted(key[1])} is there twice")
            series[key] = float(sample.value)
    return series
