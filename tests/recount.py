"""The figures counted from scratch: every test's independent second opinion.

Nothing here is incremental or shared with the product, and nothing is cached but how times read: each function takes
all the raw input events there are, throws away every version that lost, and counts what is left, one order at a time.
It is slow and meant to be read.

    events -> latest -> recount -> window_counts -> ratio, headroom, verdict, wilson95
                                                 -> gauges, defects, forecast
    events -> in_time -> known -> parts -> shares -> account_gauges, account_rows

The first line is the Order Defect Rate, the second the rest of account health.

An input event is `(topic, value)`: the topic without prefix, the value the JSON object as a dict, already valid.
"""

import gzip
import json
import math
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from functools import lru_cache
from operator import itemgetter
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from prometheus_client.parser import text_string_to_metric_families

Value = Mapping[str, Any]
InputEvent = tuple[str, Value]
DayKey = tuple[str, str, str, date]  # seller, marketplace, channel, order date
Series = tuple[str, frozenset[tuple[str, str]]]  # a gauge's name and its label items
Row = dict[str, Any]
EvaluationDay = date | Callable[[str], date]  # one day everywhere, or each marketplace's own


@dataclass(frozen=True)
class Switches:
    """The decisions that whoever runs the project may take otherwise."""

    claims_policy: str = "current"
    reversed_chargebacks: str = "excluded"
    buyer_requested_cancellations: str = "excluded"


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
    """So many days, the last of them `lag` days before the evaluation day."""

    days: int
    lag: int


class Metric(NamedTuple):
    """A share of account health: its windows by label, and what it is judged by, if by anything."""

    windows: Mapping[str, Window]
    target: Fraction | None = None
    condition: str | None = None


@dataclass(frozen=True)
class Settings:
    """What the targets' file says over the built-in tables: targets and minimum denominators, by marketplace."""

    targets: Mapping[str, Mapping[str, Fraction]] = field(default_factory=dict)
    minimums: Mapping[str, int] = field(default_factory=dict)


CURRENT = Switches()
UTC_EVERYWHERE: Mapping[str, str] = MappingProxyType({})
OFFICIAL, AHEAD = "official", "ahead"
WINDOWS: Mapping[str, Window] = MappingProxyType({OFFICIAL: Window(60, 15), AHEAD: Window(60, 0)})
ODR_TARGET = Fraction(1, 100)
FORECAST_DAYS = 60
BUILT_IN = Settings()

# The field that names a thing of each topic; a topic that is not here is not counted.
OWN_ID = MappingProxyType(
    {
        "orders": "order_id",
        "feedback": "feedback_id",
        "claim-statuses": "claim_id",
        "chargebacks": "chargeback_id",
        "shipments": "shipment_id",
        "messages": "message_id",
        "violations": "violation_id",
    }
)
OF_NO_ORDER = frozenset({"messages", "violations"})
# The field whose day decides what is too old to be kept; what belongs to an order goes by its order.
KEYED_BY = MappingProxyType({"orders": "purchase_date", "messages": "received_at", "violations": "detected_at"})
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

# The rest of account health (rules.md, "The other account-health metrics").
OPEN_VIOLATIONS, FEEDBACK_RECEIVED = "open_violations", "feedback_received_negative"
ACCOUNT_METRICS: Mapping[str, Metric] = MappingProxyType(
    {
        "cancellation": Metric({"7d": Window(7, 1)}, Fraction("0.025"), "less_than"),
        "late_shipment": Metric({"30d": Window(30, 0), "10d": Window(10, 0)}, Fraction("0.04"), "less_than"),
        "valid_tracking": Metric({"30d": Window(30, 10)}, Fraction("0.95"), "greater_than"),
        "on_time_delivery": Metric({"30d": Window(30, 10)}, Fraction("0.97"), "greater_than"),
        "contact_response": Metric(
            {"7d": Window(7, 2), "30d": Window(30, 2), "90d": Window(90, 2)}, Fraction("0.90"), "at_least"
        ),
        OPEN_VIOLATIONS: Metric({"180d": Window(180, 0)}, Fraction(0), "equals"),
        FEEDBACK_RECEIVED: Metric({"30d": Window(30, 0), "90d": Window(90, 0), "365d": Window(365, 0)}),
    }
)
OF_MFN_ORDERS = frozenset({"cancellation", "late_shipment", "valid_tracking", "on_time_delivery"})
UNITED_STATES, INDIA = "ATVPDKIKX0DER", "A21TJRUUN4KGV"
OWN_TARGETS: Mapping[str, Mapping[str, Fraction]] = MappingProxyType(
    {
        UNITED_STATES: {"on_time_delivery": Fraction("0.90")},
        INDIA: {"cancellation": Fraction("0.02"), "late_shipment": Fraction("0.02")},
    }
)
OWN_WINDOWS: Mapping[str, Mapping[str, Mapping[str, Window]]] = MappingProxyType(
    {UNITED_STATES: {"on_time_delivery": {"14d": Window(14, 8)}}}
)
OPEN_VIOLATIONS_GAUGE = "seller_open_violations"
SHARES = tuple(metric for metric in ACCOUNT_METRICS if metric != OPEN_VIOLATIONS)
ACCOUNT_COUNT_GAUGES = frozenset(
    {OPEN_VIOLATIONS_GAUGE, *(f"seller_{share}_{of}" for share in SHARES for of in ("numerator", "denominator"))}
)
ACCOUNT_GAUGES = ACCOUNT_COUNT_GAUGES | {f"seller_{share}_ratio" for share in SHARES}
ALL_GAUGES = ODR_GAUGES | ACCOUNT_GAUGES


# --- Times ------------------------------------------------------------------------------------------------------------

RFC3339 = re.compile(
    r"(?P<day>\d{4}-\d\d-\d\d)[Tt ](?P<clock>\d\d:\d\d:\d\d)(?:\.(?P<fraction>\d+))?(?P<offset>[Zz]|[+-]\d\d:\d\d)",
    re.ASCII,
)


@lru_cache(2**18)
def instant(text: str) -> datetime:
    """Return the moment an RFC 3339 text names, in UTC, to the microsecond: further digits are cut, not rounded."""
    found = RFC3339.fullmatch(text)
    if found is None:
        raise ValueError(f"not an RFC 3339 time: {text!r}")
    microseconds = (found["fraction"] or "").ljust(6, "0")[:6]
    offset = found["offset"].replace("Z", "+00:00").replace("z", "+00:00")
    return datetime.fromisoformat(f"{found['day']}T{found['clock']}.{microseconds}{offset}").astimezone(UTC)


def day_in(moment: datetime, marketplace: str, zones: Mapping[str, str]) -> date:
    """Return the calendar day that a moment falls on in the marketplace's zone."""
    return moment.astimezone(ZoneInfo(zones.get(marketplace, "UTC"))).date()


def today(moment: datetime, zones: Mapping[str, str] = UTC_EVERYWHERE) -> Callable[[str], date]:
    """Return what tells each marketplace's evaluation day at a moment."""
    return lambda marketplace: day_in(moment, marketplace, zones)


def day_of(evaluation_day: EvaluationDay, marketplace: str) -> date:
    """Return the evaluation day of a marketplace."""
    return evaluation_day if isinstance(evaluation_day, date) else evaluation_day(marketplace)


def order_date(order: Value, zones: Mapping[str, str]) -> date:
    """Return the calendar day, in the marketplace's zone, of the order's purchase."""
    return day_in(instant(order["purchase_date"]), order["marketplace_id"], zones)


def is_kept(day: date, evaluation_day: date, retention_days: int) -> bool:
    """Whether a day is not too old: one of the last `retention_days` up to the evaluation day, or a later one."""
    return day > evaluation_day - timedelta(days=retention_days)


def window_edges(evaluation_day: date, window: Window) -> tuple[date, date]:
    """Return a window's first and last day, both included: D-lag-days+1 .. D-lag."""
    last = evaluation_day - timedelta(days=window.lag)
    return last - timedelta(days=window.days - 1), last


def window_days(evaluation_day: date, window: str) -> list[date]:
    """Return the order dates of a window on a day, oldest first: D-lag-days+1 .. D-lag, both included."""
    days, lag = WINDOWS[window]
    return [evaluation_day - timedelta(days=back) for back in range(lag + days - 1, lag - 1, -1)]


# --- What is true in the end ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class View:
    """From where one looks: the evaluation day, the switches, the zones that cut days, and how many days are kept."""

    evaluation_day: EvaluationDay
    switches: Switches = CURRENT
    zones: Mapping[str, str] = field(default_factory=dict)
    retention_days: int = 200

    def day(self, moment: datetime, marketplace: str) -> date:
        """Return the day of a moment in the marketplace."""
        return day_in(moment, marketplace, self.zones)

    def keeps(self, day: date, marketplace: str) -> bool:
        """Whether a day of the marketplace is kept."""
        return is_kept(day, day_of(self.evaluation_day, marketplace), self.retention_days)


def in_time(events: Iterable[InputEvent], view: View) -> Iterator[InputEvent]:
    """Yield the events that are not too late: one about an older day than is kept changes no figure.

    Each by what it says itself: a version that moves an order off what is kept leaves the order where it was.
    """
    for topic, value in events:
        keyed_by, marketplace = KEYED_BY.get(topic), value["marketplace_id"]
        if keyed_by is None or view.keeps(view.day(instant(value[keyed_by]), marketplace), marketplace):
            yield topic, value


def thing_of(topic: str, value: Value) -> Thing:
    """Return the name of what an event is a version of; a feedback without an id is its order's.

    A message or a violation goes by its own id alone, whatever order a message speaks of.
    """
    order_id = "" if topic in OF_NO_ORDER else value["order_id"]
    own_id = value.get(OWN_ID[topic])
    return Thing(topic, value["seller_id"], order_id, order_id if own_id is None else own_id)


def version_of(value: Value) -> tuple[datetime, str]:
    """Return what decides between two versions of a thing: Python compares text by code points."""
    return instant(value["event_time"]), value["event_id"]


def latest(events: Iterable[InputEvent]) -> dict[Thing, Value]:
    """Return the winning version of each thing."""
    return known(events).winners


@dataclass(frozen=True)
class Known:
    """What is true in the end: the winning version of each thing, and the event time of its earliest one."""

    winners: dict[Thing, Value]
    first_heard: dict[Thing, datetime]


def known(events: Iterable[InputEvent]) -> Known:
    """Return what the events come to."""
    versions_of: defaultdict[Thing, list[tuple[tuple[datetime, str], Value]]] = defaultdict(list)
    for topic, value in events:
        if topic in OWN_ID:
            versions_of[thing_of(topic, value)].append((version_of(value), value))
    return Known(
        winners={thing: max(versions, key=itemgetter(0))[1] for thing, versions in versions_of.items()},
        first_heard={thing: min(moment for (moment, _), _ in versions) for thing, versions in versions_of.items()},
    )


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
    return topic == "chargebacks" and chargeback_counts(value, switches)


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
        if thing.topic in KIND and thing_counts(thing.topic, value, switches):
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


# --- The rest of account health ---------------------------------------------------------------------------------------


class Part(NamedTuple):
    """What one thing adds to a metric on its day: one to the denominator, and to the numerator if it `hits`.

    `kind` is the category and severity of a violation.
    """

    metric: str
    seller: str
    marketplace: str
    day: date
    hits: bool
    kind: tuple[str, str] | None = None


Share = tuple[int, int]  # numerator, denominator
ShareKey = tuple[str, str, str, str]  # seller, marketplace, metric, window


def moment_of(value: Value, field: str) -> datetime | None:
    """Return the moment that an optional field names, or None."""
    return None if value.get(field) is None else instant(value[field])


def is_cancellation(order: Value, packages: Iterable[Value], switches: Switches) -> bool:
    """Whether a counted order is a cancellation of the seller's making, none of whose packages was confirmed."""
    if list(packages) or order.get("excused"):
        return False
    if order.get("buyer_requested_cancel") and switches.buyer_requested_cancellations == "excluded":
        return False
    canceller = order.get("cancelled_by") if order["status"] == "Canceled" else None
    not_shipped = canceller == "amazon" and order.get("cancel_reason") == "not_shipped"
    an_item = any(item.get("cancelled_by") == "seller" for item in order.get("items") or ())
    return canceller == "seller" or not_shipped or an_item


def is_late_shipment(order: Value, packages: Iterable[Value]) -> bool:
    """Whether an order was confirmed after its latest ship date, unless a package confirmed first is excused."""
    confirmed = confirmed_at(packages)
    latest_ship_date = moment_of(order, "latest_ship_date")
    if latest_ship_date is None or confirmed <= latest_ship_date:
        return False
    return not any(package.get("excused") for package in packages if instant(package["confirmed_at"]) == confirmed)


def confirmed_at(packages: Iterable[Value]) -> datetime:
    """Return when an order was confirmed: when its first package was."""
    return min(instant(package["confirmed_at"]) for package in packages)


def has_valid_tracking(package: Value) -> bool:
    """Whether the package has a carrier's scan, and its tracking was not first given after delivery."""
    given, delivered = moment_of(package, "tracking_confirmed_at"), moment_of(package, "delivered_at")
    given_after_delivery = given is not None and delivered is not None and given > delivered
    return package.get("first_scan_at") is not None and not given_after_delivery


def is_answered_in_time(message: Value) -> bool:
    """Whether the message was answered no later than 24 hours after it was received."""
    answered = moment_of(message, "answered_at")
    return answered is not None and answered - instant(message["received_at"]) <= timedelta(hours=24)


def parts(
    events: Iterable[InputEvent],
    evaluation_day: EvaluationDay,
    *,
    switches: Switches = CURRENT,
    zones: Mapping[str, str] = UTC_EVERYWHERE,
    retention_days: int = 200,
) -> list[Part]:
    """Return what each thing that is kept adds to the metrics, whatever windows its day is in."""
    view = View(evaluation_day, switches, zones, retention_days)
    return parts_of(known(in_time(events, view)), view)


def parts_of(what: Known, view: View) -> list[Part]:
    """Return the parts of what is known from events that were in time."""
    orders = {(thing.seller, thing.order_id): order for thing, order in what.winners.items() if thing.topic == "orders"}
    packages: defaultdict[tuple[str, str], list[Value]] = defaultdict(list)
    for thing, value in what.winners.items():
        if thing.topic == "shipments":
            packages[thing.seller, thing.order_id].append(value)
    found = [
        part
        for (seller, order_id), order in orders.items()
        if order["channel"] == "MFN"
        for part in parts_of_order(seller, order, packages[seller, order_id], view)
    ]
    for thing, value in what.winners.items():
        if thing.topic == "feedback" and value["status"] == "posted":
            # Its own marketplace until its order is known, and again when the order has grown too old.
            marketplace = orders.get((thing.seller, thing.order_id), value)["marketplace_id"]
            day = view.day(what.first_heard[thing], marketplace)
            if view.keeps(day, marketplace):
                found.append(Part(FEEDBACK_RECEIVED, thing.seller, marketplace, day, feedback_counts(value)))
        elif thing.topic == "messages" and value.get("needs_response") is not False:
            found.append(part_of_message(thing.seller, value, view))
        elif thing.topic == "violations" and value["status"] == "open":
            found.append(part_of_violation(thing.seller, value, view))
    return found


def parts_of_order(seller: str, order: Value, packages: list[Value], view: View) -> Iterator[Part]:
    """Yield what a seller-fulfilled order and its packages add, all of it in the order's marketplace."""
    marketplace = order["marketplace_id"]
    if order_counts(order):
        cancelled = is_cancellation(order, packages, view.switches)
        yield Part("cancellation", seller, marketplace, order_date(order, view.zones), cancelled)
    if packages:
        day = view.day(confirmed_at(packages), marketplace)
        yield Part("late_shipment", seller, marketplace, day, is_late_shipment(order, packages))
    for package in packages:
        promised = moment_of(package, "promised_by")
        if promised is None or package.get("excused"):
            continue
        day, valid = view.day(promised, marketplace), has_valid_tracking(package)
        yield Part("valid_tracking", seller, marketplace, day, valid)
        if valid:
            delivered = moment_of(package, "delivered_at")
            on_time = delivered is not None and view.day(delivered, marketplace) <= day
            yield Part("on_time_delivery", seller, marketplace, day, on_time)


def part_of_message(seller: str, message: Value, view: View) -> Part:
    """Return what a message that needs an answer adds on the day on which it was received."""
    marketplace = message["marketplace_id"]
    day = view.day(instant(message["received_at"]), marketplace)
    return Part("contact_response", seller, marketplace, day, is_answered_in_time(message))


def part_of_violation(seller: str, violation: Value, view: View) -> Part:
    """Return what an open violation adds on the day on which it was detected."""
    marketplace = violation["marketplace_id"]
    day = view.day(instant(violation["detected_at"]), marketplace)
    kind = (violation["category"], violation["severity"])
    return Part(OPEN_VIOLATIONS, seller, marketplace, day, hits=True, kind=kind)


def windows_of(metric: str, marketplace: str, retention_days: int = 200) -> Mapping[str, Window]:
    """Return a metric's windows in a marketplace, by label; a year of feedback only where a year is kept."""
    windows = OWN_WINDOWS.get(marketplace, {}).get(metric, ACCOUNT_METRICS[metric].windows)
    return {label: window for label, window in windows.items() if label != "365d" or retention_days >= window.days}


def in_windows(
    found: Iterable[Part], evaluation_day: EvaluationDay, retention_days: int = 200
) -> Iterator[tuple[str, Part]]:
    """Yield each part once for each window that holds its day, with the window's label."""
    for part in found:
        for label, window in windows_of(part.metric, part.marketplace, retention_days).items():
            first, last = window_edges(day_of(evaluation_day, part.marketplace), window)
            if first <= part.day <= last:
                yield label, part


def shares(found: Iterable[Part], evaluation_day: EvaluationDay, retention_days: int = 200) -> dict[ShareKey, Share]:
    """Return the numerator and denominator of each seller, marketplace, metric and window that has a denominator."""
    parts_in: defaultdict[ShareKey, list[Part]] = defaultdict(list)
    for label, part in in_windows(found, evaluation_day, retention_days):
        parts_in[part.seller, part.marketplace, part.metric, label].append(part)
    return {key: (sum(part.hits for part in those), len(those)) for key, those in parts_in.items()}


def target_of(metric: str, marketplace: str, settings: Settings = BUILT_IN) -> Fraction | None:
    """Return a metric's target in a marketplace: the file's, else the marketplace's own, else everybody's."""
    everybodys = ODR_TARGET if metric == "order_defect" else ACCOUNT_METRICS[metric].target
    own = OWN_TARGETS.get(marketplace, {}).get(metric, everybodys)
    return settings.targets.get(marketplace, {}).get(metric, own)


def read_events(path: Path) -> list[InputEvent]:
    """Return the events of a compressed file that holds one `{"topic", "value"}` a line."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [(event["topic"], event["value"]) for event in map(json.loads, lines)]


def shares_by_day(
    events: Iterable[InputEvent],
    evaluation_days: Iterable[date],
    *,
    switches: Switches = CURRENT,
    zones: Mapping[str, str] = UTC_EVERYWHERE,
    retention_days: int = 200,
) -> dict[date, dict[ShareKey, Share]]:
    """Return the shares on several days, each with the knowledge of the end."""
    told = list(events)
    return {
        day: shares(
            parts(told, day, switches=switches, zones=zones, retention_days=retention_days), day, retention_days
        )
        for day in evaluation_days
    }


# --- What a pair of counts means --------------------------------------------------------------------------------------


def ratio(numerator: int, denominator: int) -> float | None:
    """Return the share, or None where there is nothing to divide by."""
    return None if denominator == 0 else numerator / denominator


def misses(numerator: int, denominator: int, target: Fraction = ODR_TARGET, condition: str = "less_than") -> bool:
    """Whether the exact share is not as the target asks; nothing at all misses nothing."""
    if denominator == 0:
        return False
    share = Fraction(numerator, denominator)
    met = {"less_than": share < target, "greater_than": share > target, "at_least": share >= target}
    return not met[condition]


def after_failures(numerator: int, failures: int, condition: str) -> int:
    """Return the numerator after so many more failures: they enter it where it should be small, else they leave it."""
    return numerator + failures if condition == "less_than" else numerator - failures


def headroom(
    numerator: int, denominator: int, target: Fraction = ODR_TARGET, condition: str = "less_than"
) -> int | None:
    """Return how many more failures the target allows, the denominator as it is: the largest whole k, negative too.

    None without a denominator.
    """
    if denominator == 0:
        return None
    exact = target * denominator
    if condition == "at_least":
        return math.floor(numerator - exact)
    return math.ceil(exact - numerator if condition == "less_than" else numerator - exact) - 1


def low_volume(
    denominator: int, target: Fraction = ODR_TARGET, minimum: int | None = None, condition: str = "less_than"
) -> bool:
    """Whether one failure alone would miss the target, or whether there are fewer than a configured minimum."""
    if minimum is not None:
        return denominator < minimum
    without_failure = 0 if condition == "less_than" else denominator
    return denominator == 0 or misses(after_failures(without_failure, 1, condition), denominator, target, condition)


def verdict(
    numerator: int,
    denominator: int,
    *,
    target: Fraction = ODR_TARGET,
    condition: str = "less_than",
    ahead: tuple[int, int] | None = None,
    minimum: int | None = None,
) -> str:
    """Return `no_data`, `missed`, `at_risk` or `good` (rules.md, "Verdict").

    `ahead` is the ahead window's (defective, counted), given for ODR's official figure only: any other figure is judged
    by its own counts. `minimum` is the marketplace's configured `minimum_denominator`.
    """
    if denominator == 0:
        return "no_data"
    if misses(numerator, denominator, target, condition):
        return "missed"
    without_failure = 0 if condition == "less_than" else denominator
    if numerator == without_failure and low_volume(denominator, target, minimum, condition):
        return "good"
    if misses(after_failures(numerator, 1, condition), denominator, target, condition):
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
    """Return the days that are not too old."""
    return {key: counts for key, counts in days.items() if is_kept(key[3], evaluation_day, retention_days)}


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
    told = in_time(events, View(evaluation_day, switches, zones, retention_days))
    days = recount(told, switches=switches, zones=zones)
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
    for name, figure in COUNT_GAUGES.items():
        if getattr(counts, figure) != 0:
            yield name, float(getattr(counts, figure))
    for name, figure in RATIO_GAUGES.items():
        share = ratio(getattr(counts, figure), counts.orders)
        if share is not None:
            yield name, share
    room = headroom(counts.defective_orders, counts.orders)
    if room is not None:
        yield HEADROOM_GAUGE, float(room)


def gauge_differences(
    scraped: Mapping[Series, float], expected: Mapping[Series, float], names: Container[str] = ODR_GAUGES
) -> list[str]:
    """Return, in words, where a scraped page's gauges are not what they must be; an empty list is agreement.

    Series that are not among the names are none of its business. A count that is not expected may be shown as 0,
    nothing else may.
    """
    counts = {*COUNT_GAUGES, *ACCOUNT_COUNT_GAUGES}
    found = [
        f"{name}{sorted(labels)}: {scraped.get((name, labels), 'absent')}, not {value}"
        for (name, labels), value in expected.items()
        if scraped.get((name, labels)) != value
    ]
    found += [
        f"{name}{sorted(labels)}: {value}, not absent"
        for (name, labels), value in scraped.items()
        if name in names and (name, labels) not in expected and not (name in counts and value == 0)
    ]
    return sorted(found)


def account_gauges(
    events: Iterable[InputEvent],
    evaluation_day: EvaluationDay,
    *,
    switches: Switches = CURRENT,
    zones: Mapping[str, str] = UTC_EVERYWHERE,
    retention_days: int = 200,
) -> dict[Series, float]:
    """Return every series of the rest of account health that /metrics must show; counts of 0 are not among them."""
    found = parts(events, evaluation_day, switches=switches, zones=zones, retention_days=retention_days)
    shown: dict[Series, float] = {}
    for (seller, marketplace, metric, window), share in shares(found, evaluation_day, retention_days).items():
        if metric == OPEN_VIOLATIONS:
            continue
        labels = frozenset({"seller": seller, "marketplace": marketplace, "window": window}.items())
        for of, number in zip(("numerator", "denominator"), share, strict=True):
            if number != 0:
                shown[f"seller_{metric}_{of}", labels] = float(number)
        shown[f"seller_{metric}_ratio", labels] = share[0] / share[1]
    return shown | violation_gauges(found, evaluation_day)


def violation_gauges(found: Iterable[Part], evaluation_day: EvaluationDay) -> dict[Series, float]:
    """Return the number of open violations of each seller, marketplace, category and severity that has any."""
    shown = Counter(
        frozenset(
            {
                "seller": part.seller,
                "marketplace": part.marketplace,
                "window": window,
                "category": part.kind[0],
                "severity": part.kind[1],
            }.items()
        )
        for window, part in in_windows(found, evaluation_day)
        if part.kind is not None
    )
    return {(OPEN_VIOLATIONS_GAUGE, labels): float(number) for labels, number in shown.items()}


def all_gauges(
    events: Collection[InputEvent],
    evaluation_day: date,
    *,
    switches: Switches = CURRENT,
    zones: Mapping[str, str] = UTC_EVERYWHERE,
    retention_days: int = 200,
) -> dict[Series, float]:
    """Return every seller's series of its orders' defects and of the rest of account health."""
    told: dict[str, Any] = {"switches": switches, "zones": zones, "retention_days": retention_days}
    return gauges(events, evaluation_day, **told) | account_gauges(events, evaluation_day, **told)


def account_rows(
    events: Iterable[InputEvent],
    seller: str,
    evaluation_day: EvaluationDay,
    *,
    as_of: date | None = None,
    switches: Switches = CURRENT,
    zones: Mapping[str, str] = UTC_EVERYWHERE,
    retention_days: int = 200,
    settings: Settings = BUILT_IN,
) -> list[Row]:
    """Return what /api/sellers/{seller}/health says of the rest of account health.

    `evaluation_day` is today: what is kept goes by it. `as_of` is the day asked for, judged with today's knowledge. A
    row for each metric and window of each marketplace in which the seller has anything kept, those without data too;
    figures whose own window isn't wholly kept are left out.
    """
    found = parts(events, evaluation_day, switches=switches, zones=zones, retention_days=retention_days)
    shown_day = evaluation_day if as_of is None else as_of
    counted = shares(found, shown_day, retention_days)
    rows = []
    for marketplace in sorted({part.marketplace for part in found if part.seller == seller}):
        oldest_gone = day_of(evaluation_day, marketplace) - timedelta(days=retention_days)
        day = day_of(shown_day, marketplace)
        for metric in ACCOUNT_METRICS:
            for label, window in windows_of(metric, marketplace, retention_days).items():
                if window_edges(day, window)[0] > oldest_gone:
                    share = counted.get((seller, marketplace, metric, label), (0, 0))
                    rows.append(account_row(metric, marketplace, label, day, share, settings))
    return rows


def account_row(  # noqa: PLR0917 - four of them name the figure
    metric: str, marketplace: str, label: str, evaluation_day: date, share: Share, settings: Settings = BUILT_IN
) -> Row:
    """Return one figure as /api/sellers/{seller}/health tells it, with the judgement that its numbers deserve."""
    first, last = window_edges(evaluation_day, windows_of(metric, marketplace, 365)[label])
    named = {
        "metric": metric,
        "marketplace": marketplace,
        "channel": "MFN" if metric in OF_MFN_ORDERS else None,
        "window": label,
        "from": first.isoformat(),
        "to": last.isoformat(),
    }
    judged = (
        judged_violations(share[0]) if metric == OPEN_VIOLATIONS else judged_share(metric, marketplace, share, settings)
    )
    return {**named, **judged}


def judged_violations(number: int) -> Row:
    """Return what is said of a number of open violations."""
    return {
        "numerator": number,
        "denominator": None,
        "ratio": None,
        "target": 0.0,
        "condition": "equals",
        "verdict": "good" if number == 0 else "missed",
        "low_volume": False,
        "headroom": -number,
        "interval": None,
    }


def judged_share(metric: str, marketplace: str, share: Share, settings: Settings) -> Row:
    """Return what is said of a share: where there is no target, nothing but its numbers."""
    target, condition = target_of(metric, marketplace, settings), ACCOUNT_METRICS[metric].condition
    minimum, interval = settings.minimums.get(marketplace), wilson95(*share)
    row: Row = {
        "numerator": share[0],
        "denominator": share[1],
        "ratio": ratio(*share),
        "interval": None if interval is None else list(interval),
        **dict.fromkeys(("target", "condition", "verdict", "low_volume", "headroom")),
    }
    if target is None or condition is None:
        return row
    return row | {
        "target": float(target),
        "condition": condition,
        "verdict": verdict(*share, target=target, condition=condition, minimum=minimum),
        "low_volume": low_volume(share[1], target, minimum, condition),
        "headroom": headroom(*share, target, condition),
    }


def row_differences(told: Iterable[Mapping[str, Any]], expected: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return, in words, where the rows of an answer are not what they must be; an empty list is agreement.

    Rows of other metrics are none of its business. A row of no data may be there or not; intervals are compared to
    nine digits.
    """
    said = [row for row in told if row["metric"] in ACCOUNT_METRICS]
    rows, wanted = ({name_of(row): row for row in some} for some in (said, expected))
    found = [f"{name}: there twice" for name, number in Counter(map(name_of, said)).items() if number > 1]
    for name in rows.keys() | wanted.keys():
        if name in rows and name in wanted:
            found += [f"{name}: {rows[name]}, not {wanted[name]}"] * (not same_row(rows[name], wanted[name]))
        elif not is_empty(rows.get(name) or wanted[name]):
            found.append(f"{name}: {rows.get(name, 'absent')}, not {wanted.get(name, 'absent')}")
    return sorted(found)


def name_of(row: Mapping[str, Any]) -> tuple[str, str, str]:
    """Return what names a figure of account health."""
    return row["metric"], row["marketplace"], row["window"]


def is_empty(row: Mapping[str, Any]) -> bool:
    """Whether a row has nothing to tell, and says so."""
    verdict_of_nothing = {OPEN_VIOLATIONS: "good", FEEDBACK_RECEIVED: None}.get(row["metric"], "no_data")
    return row["numerator"] == 0 and not row["denominator"] and row["verdict"] == verdict_of_nothing


def same_row(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two rows say the same."""
    first, second = (row["interval"] or () for row in (one, other))
    near = len(first) == len(second) and all(map(lambda a, b: math.isclose(a, b, abs_tol=1e-9), first, second))
    return near and {**one, "interval": None} == {**other, "interval": None}


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
    told = in_time(events, View(evaluation_day, switches, zones, retention_days))
    days = kept(recount(told, switches=switches, zones=zones), evaluation_day, retention_days)
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
