"""The simulated market: is it the same twice, is every record valid, and do its sellers come out as promised?"""

import re
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from functools import cache
from itertools import pairwise
from typing import Any

import orjson
import pytest

from stream.decode import CONVERTERS, decode
from stream.events import Event
from stream.tools.simulate import EVENTS_PER_ORDER, Market, MarketSettings, Record, history
from stream.tools.simulate.sellers import NAMED
from tests.recount import CURRENT, Value, latest, order_counts, thing_counts

UNTIL = datetime(2026, 11, 3, 12, tzinfo=UTC)
SMALL = MarketSettings(seed=11, sellers=20, days=90, orders_per_day=300)
OFFICIAL, AHEAD = range(15, 75), range(60)
NAMES = {seller.seller_id for seller in NAMED}
DEFECTS = ("feedback", "claim-statuses", "chargebacks")
OWN_ID = {
    "orders": "order_id",
    "feedback": "feedback_id",
    "claim-statuses": "claim_id",
    "chargebacks": "chargeback_id",
    "shipments": "shipment_id",
    "messages": "message_id",
    "violations": "violation_id",
}


@cache
def small_history() -> list[Record]:
    return list(history(SMALL, UNTIL))


@cache
def small_events() -> list[tuple[str, dict[str, Any]]]:
    return parsed(small_history())


def live(minutes: float, settings: MarketSettings = SMALL) -> list[Record]:
    market = Market(settings, UNTIL)
    for _ in market.history():
        pass
    return list(market.advance(UNTIL + timedelta(minutes=minutes)))


def own_id(topic: str, value: Value) -> str:
    return str(value[OWN_ID[topic]])


def parsed(records: Iterable[Record]) -> list[tuple[str, dict[str, Any]]]:
    return [(record.topic, orjson.loads(record.value)) for record in records]


@cache
def live_hour() -> list[Record]:
    return live(60)


# --- The same again ---------------------------------------------------------------------------------------------------


def test_the_same_settings_and_end_give_the_same_records() -> None:
    settings = MarketSettings(seed=3, sellers=12, days=20, orders_per_day=100)
    assert list(history(settings, UNTIL)) == list(history(settings, UNTIL))


def test_another_seed_gives_other_records() -> None:
    ids = [
        {value["event_id"] for _, value in parsed(history(MarketSettings(seed=seed, days=5), UNTIL))}
        for seed in range(1, 3)
    ]
    assert ids[0].isdisjoint(ids[1])


def test_another_end_speaks_of_other_things() -> None:
    settings = MarketSettings(days=5)
    ids = [
        {(topic, own_id(topic, value)) for topic, value in parsed(history(settings, until))}
        for until in (UNTIL, UNTIL + timedelta(days=1))
    ]
    assert ids[0].isdisjoint(ids[1])


def test_it_makes_no_difference_how_the_time_is_cut() -> None:
    settings = MarketSettings(seed=5, days=10, orders_per_day=300, rate=20)
    end = UNTIL + timedelta(minutes=5)
    at_once = list(Market(settings, UNTIL).advance(end))

    in_pieces: list[Record] = []
    market, moment = Market(settings, UNTIL), UNTIL - timedelta(days=10)
    while moment < end:
        moment = min(end, moment + timedelta(hours=7, seconds=13) if moment < UNTIL else moment + timedelta(seconds=3))
        in_pieces += market.advance(moment)

    assert in_pieces == at_once


def test_a_generator_left_halfway_loses_nothing() -> None:
    settings = MarketSettings(seed=5, days=10, orders_per_day=300)
    market, records = Market(settings, UNTIL), []
    for record in market.history():
        records.append(record)
        if len(records) == 500:
            break
    assert records + list(market.history()) == list(history(settings, UNTIL))


# --- Every record is valid --------------------------------------------------------------------------------------------

TEXT = re.compile(r".{1,128}", re.DOTALL)
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z")
REASON = {"not_received", "late", "wrong_item", "not_as_described", "damaged_or_defective", "other"}
CANCELLER = {"buyer", "seller", "amazon"}
COMMON = {"event_id": TEXT, "event_time": TIME, "seller_id": TEXT, "marketplace_id": TEXT}
FLAG = {True, False}

REQUIRED: dict[str, dict[str, Any]] = {
    "orders": {
        "order_id": TEXT,
        "purchase_date": TIME,
        "channel": {"MFN", "AFN"},
        "status": {
            "Pending",
            "PendingAvailability",
            "Unshipped",
            "PartiallyShipped",
            "Shipped",
            "InvoiceUnconfirmed",
            "Unfulfillable",
            "Canceled",
        },
    },
    "feedback": {"order_id": TEXT, "rating": {1, 2, 3, 4, 5}, "status": {"posted", "removed", "struck_through"}},
    "claim-statuses": {
        "order_id": TEXT,
        "claim_id": TEXT,
        "status": {"pending", "granted", "seller_refunded", "order_cancelled", "denied", "withdrawn"},
    },
    "chargebacks": {
        "order_id": TEXT,
        "chargeback_id": TEXT,
        "kind": {"service", "fraud", "unknown"},
        "status": {"open", "upheld", "reversed"},
    },
    "shipments": {"order_id": TEXT, "shipment_id": TEXT, "confirmed_at": TIME},
    "messages": {"message_id": TEXT, "received_at": TIME},
    "violations": {
        "violation_id": TEXT,
        "category": TEXT,
        "severity": {"low", "medium", "high", "critical"},
        "status": {"open", "resolved"},
        "detected_at": TIME,
    },
}
OPTIONAL: dict[str, dict[str, Any]] = {
    "orders": {
        "latest_ship_date": TIME,
        "latest_delivery_date": TIME,
        "cancelled_by": CANCELLER,
        "cancel_reason": {"not_shipped", "out_of_stock", "payment", "fraud", "other"},
        "buyer_requested_cancel": FLAG,
        "excused": FLAG,
        "items": list,
    },
    "feedback": {"feedback_id": TEXT, "reason": REASON, "comment": re.compile(r".{0,4000}", re.DOTALL)},
    "claim-statuses": {
        "funded_by": {"seller", "amazon"},
        "odr_impact": {"counts", "does_not_count"},
        "reason": REASON,
    },
    "chargebacks": {"reason": REASON},
    "shipments": {
        "promised_by": TIME,
        "carrier": TEXT,
        "tracking_id": TEXT,
        "tracking_confirmed_at": TIME,
        "first_scan_at": TIME,
        "delivered_at": TIME,
        "excused": FLAG,
    },
    "messages": {"order_id": TEXT, "answered_at": TIME, "needs_response": FLAG},
    "violations": {},
}


def fits(value: object, allowed: Any) -> bool:
    if isinstance(allowed, re.Pattern):
        return isinstance(value, str) and allowed.fullmatch(value) is not None
    if allowed is list:
        return isinstance(value, list) and len(value) <= 100 and all(item_fits(item) for item in value)
    # True equals 1 and is in {1, 2, ...}: the types have to be the same too.
    return any(value == one and type(value) is type(one) for one in allowed)


def item_fits(item: dict[str, Any]) -> bool:
    canceller = item.get("cancelled_by")
    return (
        item.keys() <= {"sku", "quantity", "cancelled_by"}
        and fits(item["sku"], TEXT)
        and type(item["quantity"]) is int
        and item["quantity"] >= 1
        and (canceller is None or canceller in CANCELLER)
    )


def is_valid(record: Record) -> bool:
    value = orjson.loads(record.value)
    required = COMMON | REQUIRED[record.topic]
    optional = OPTIONAL[record.topic]
    return (
        record.key == value["seller_id"].encode()
        and required.keys() <= value.keys() <= required.keys() | optional.keys()
        and all(fits(value[name], allowed) for name, allowed in required.items())
        and all(fits(value[name], allowed) for name, allowed in optional.items() if value.get(name) is not None)
    )


def test_every_record_is_a_valid_event() -> None:
    assert [record for record in small_history() + live_hour() if not is_valid(record)] == []


def test_the_product_reads_every_record() -> None:
    for record in small_history() + live_hour():
        milliseconds = int(record.arrives_at.timestamp() * 1000)
        assert isinstance(decode(CONVERTERS[record.topic], record.key, record.value, milliseconds), Event)


def test_nothing_arrives_before_it_is_true_nor_out_of_turn() -> None:
    records = small_history()
    assert all(datetime.fromisoformat(orjson.loads(r.value)["event_time"]) <= r.arrives_at for r in records)
    assert all(before.arrives_at <= after.arrives_at for before, after in pairwise(records))
    assert UNTIL - timedelta(days=90) <= records[0].arrives_at
    assert UNTIL - timedelta(minutes=30) < records[-1].arrives_at < UNTIL


def test_no_event_is_older_than_its_order() -> None:
    bought = {value["order_id"]: value["purchase_date"] for topic, value in small_events() if topic == "orders"}
    # Without the Z, "58" comes before "58.4", as it should.
    assert all(value["event_time"][:-1] >= bought.get(value.get("order_id"), "")[:-1] for _, value in small_events())


def test_no_two_versions_of_a_thing_have_the_same_time_and_id() -> None:
    versions: dict[tuple[str, str], bytes] = {}
    for record in small_history() + live_hour():
        value = orjson.loads(record.value)
        version = value["event_time"], value["event_id"]
        assert versions.setdefault(version, record.value) == record.value


# --- It behaves like a marketplace ------------------------------------------------------------------------------------


def test_every_value_of_the_contract_that_matters_occurs() -> None:
    events = parsed(history(MarketSettings(days=90, orders_per_day=600), UNTIL))
    seen = {(topic, field, value.get(field)) for topic, value in events for field in ("status", "severity", "kind")}
    for topic, fields in REQUIRED.items():
        for field in fields.keys() & {"status", "severity", "kind"}:
            assert {value for t, f, value in seen if (t, f) == (topic, field)} == fields[field]
    orders = [value for topic, value in events if topic == "orders"]
    assert {order["marketplace_id"] for order in orders} == {"ATVPDKIKX0DER", "A1PA6795UKMFR9"}
    assert {order["channel"] for order in orders} == {"MFN", "AFN"}
    assert {order.get("cancelled_by") for order in orders} == {None, *CANCELLER}
    assert {order.get("cancel_reason") for order in orders} == {None, *OPTIONAL["orders"]["cancel_reason"]}
    assert any(order.get("buyer_requested_cancel") for order in orders)
    assert any(order.get("excused") for order in orders)
    assert any(item.get("cancelled_by") for order in orders for item in order["items"])
    feedback = [value for topic, value in events if topic == "feedback"]
    assert {value["rating"] for value in feedback} == {1, 2, 3, 4, 5}
    claims = [value for topic, value in events if topic == "claim-statuses"]
    assert {value.get("odr_impact") for value in claims} == {None, "counts", "does_not_count"}
    for topic in ("shipments", "messages"):
        occurring = [value for t, value in events if t == topic]
        for field in OPTIONAL[topic]:
            assert any(value.get(field) is not None for value in occurring), field


def test_an_order_gives_about_as_many_records_as_documented() -> None:
    orders = {value["order_id"] for topic, value in small_events() if topic == "orders"}
    assert len(small_history()) / len(orders) == pytest.approx(EVENTS_PER_ORDER, rel=0.05)
    assert len(orders) == pytest.approx(SMALL.orders_per_day * SMALL.days, rel=0.05)


def test_records_are_duplicated_and_overtaken_about_as_often_as_asked() -> None:
    settings = MarketSettings(seed=2, days=30, orders_per_day=400, disorder=0.1, duplicates=0.05)
    records = list(history(settings, UNTIL))
    copies = len(records) - len({record.value for record in records})
    late = sum(
        record.arrives_at - datetime.fromisoformat(orjson.loads(record.value)["event_time"]) > timedelta(seconds=30)
        for record in records
    )
    assert copies / len(records) == pytest.approx(0.05, rel=0.15)
    assert late / len(records) == pytest.approx(0.15, rel=0.15)


def test_older_versions_arrive_after_newer_ones_and_anything_before_its_order() -> None:
    newest: dict[tuple[str, str], str] = {}
    orders, overtaken, early = set(), 0, set()
    for topic, value in parsed(history(MarketSettings(seed=2, days=60, orders_per_day=300, disorder=0.2), UNTIL)):
        thing = topic, own_id(topic, value)
        overtaken += value["event_time"] < newest.get(thing, "")
        newest[thing] = max(value["event_time"], newest.get(thing, ""))
        if topic == "orders":
            orders.add(value["order_id"])
        elif "order_id" in value and value["order_id"] not in orders:
            early.add(topic)
    assert overtaken > 50
    assert early >= {"feedback", "shipments", "messages"}


def test_without_disorder_and_duplicates_everything_comes_once_and_in_order() -> None:
    records = list(history(MarketSettings(days=30, orders_per_day=400, disorder=0, duplicates=0), UNTIL))
    newest: dict[tuple[str, str], str] = {}
    for topic, value in parsed(records):
        thing = topic, own_id(topic, value)
        assert value["event_time"] > newest.get(thing, "")
        newest[thing] = value["event_time"]


def test_defects_come_days_to_months_after_the_order() -> None:
    bought = {value["order_id"]: value["purchase_date"] for topic, value in small_events() if topic == "orders"}
    first: dict[tuple[str, str], str] = {}
    for topic, value in small_events():
        if topic in DEFECTS and value["order_id"] in bought:
            first.setdefault((topic, value["order_id"]), value["event_time"])
    days = sorted(
        (datetime.fromisoformat(told) - datetime.fromisoformat(bought[order_id])) / timedelta(days=1)
        for (topic, order_id), told in first.items()
        if topic != "feedback"
    )
    assert days[0] < 7
    assert days[-1] > 45


def test_the_sizes_of_the_crowd_differ_widely() -> None:
    settings = MarketSettings(sellers=100, days=20)
    sizes = Counter(record.key for record in history(settings, UNTIL) if record.key.decode() not in NAMES)
    (_, largest), *_ = sizes.most_common(1)
    assert 80 <= len(sizes) <= 94
    assert largest > 30 * sorted(sizes.values())[len(sizes) // 4]


# --- The named sellers come out as promised (rules.md, official and ahead window) -------------------------------------

Front = tuple[str, str, str]


def day_counts(records: Iterable[Record], *, ever: bool = False) -> dict[Front, Counter[tuple[int, str]]]:
    """Count orders and defective ones of the named sellers by how many days back; `ever`: defects taken back too."""
    told = [event for event in parsed(records) if event[1]["seller_id"] in NAMES]
    events = [event for event in told if event[0] == "orders" or event[0] in DEFECTS]
    winners = latest(events)
    said: Iterable[tuple[str, Value]] = events if ever else [(thing.topic, value) for thing, value in winners.items()]
    bad = {value["order_id"] for topic, value in said if topic != "orders" and thing_counts(topic, value, CURRENT)}
    fronts: dict[Front, Counter[tuple[int, str]]] = {}
    for thing, order in winners.items():
        if thing.topic == "orders" and order_counts(order):
            days_back = (UNTIL.date() - date.fromisoformat(order["purchase_date"][:10])).days
            counts = fronts.setdefault((thing.seller, order["marketplace_id"], order["channel"]), Counter())
            counts[days_back, "orders"] += 1
            counts[days_back, "defective"] += thing.order_id in bad
    return fronts


def added_up(counts: Counter[tuple[int, str]], window: range) -> tuple[int, int]:
    """Return defective orders and orders of a window."""
    return sum(counts[day, "defective"] for day in window), sum(counts[day, "orders"] for day in window)


def percent(counts: Counter[tuple[int, str]], window: range) -> float:
    defective, orders = added_up(counts, window)
    return 100 * defective / orders


@cache
def history_with_seed(seed: int) -> list[Record]:
    settings = MarketSettings(seed=seed, sellers=20, days=90, orders_per_day=300)
    return [record for record in history(settings, UNTIL) if record.topic == "orders" or record.topic in DEFECTS]


@cache
def named_with_seed(seed: int) -> dict[str, list[Counter[tuple[int, str]]]]:
    found: dict[str, list[Counter[tuple[int, str]]]] = {}
    for (seller, _, _), counts in day_counts(history_with_seed(seed)).items():
        found.setdefault(seller, []).append(counts)
    return found


SEEDS = pytest.mark.parametrize("seed", [1, 7, 2026])


@SEEDS
def test_safe_harbour_is_well_below_the_target_in_both_marketplaces_and_channels(seed: int) -> None:
    fronts = named_with_seed(seed)["SAFE-HARBOUR"]
    assert len(fronts) == 4
    assert all(percent(counts, window) < 0.5 for counts in fronts for window in (OFFICIAL, AHEAD))


@SEEDS
def test_creeping_up_is_below_the_target_and_on_its_way_there(seed: int) -> None:
    (counts,) = named_with_seed(seed)["CREEPING-UP"]
    assert percent(counts, range(50, 75)) < percent(counts, OFFICIAL) < percent(counts, range(15, 40))
    assert 0.6 < percent(counts, OFFICIAL) < 1 < percent(counts, AHEAD) + 0.2


@SEEDS
def test_just_over_is_slightly_over_the_target(seed: int) -> None:
    (counts,) = named_with_seed(seed)["JUST-OVER"]
    assert 1 < percent(counts, OFFICIAL) < 1.5


@SEEDS
def test_tiny_shop_has_one_defect_in_fewer_than_fifty_orders(seed: int) -> None:
    (counts,) = named_with_seed(seed)["TINY-SHOP"]
    defective, orders = added_up(counts, OFFICIAL)
    assert defective == 1
    assert 5 < orders < 50


@SEEDS
def test_burst_hit_owes_its_trouble_to_a_few_days(seed: int) -> None:
    (counts,) = named_with_seed(seed)["BURST-HIT"]
    burst, _ = added_up(counts, range(29, 35))
    defective, _ = added_up(counts, OFFICIAL)
    assert percent(counts, OFFICIAL) > 1.3
    assert burst > 0.75 * defective


@SEEDS
def test_appeal_winner_gets_most_of_its_older_defects_taken_back(seed: int) -> None:
    records = history_with_seed(seed)
    front = ("APPEAL-WINNER", "A1PA6795UKMFR9", "MFN")
    older = range(45, 75)
    filed, _ = added_up(day_counts(records, ever=True)[front], older)
    standing, orders = added_up(day_counts(records)[front], older)
    assert filed / orders > 0.015
    assert standing < 0.4 * filed


# --- Memory and the live phase ----------------------------------------------------------------------------------------


def test_what_is_pending_stays_small_however_many_events_there_were() -> None:
    market = Market(MarketSettings(days=120, orders_per_day=400, sellers=20), UNTIL)
    pending, records = [], 0
    for days_left in (60, 40, 20, 0):
        records += sum(1 for _ in market.advance(UNTIL - timedelta(days=days_left)))
        pending.append(market.pending)
    assert max(pending) < records / 40
    assert pending[-1] < 1.25 * pending[0]


def test_live_goes_on_where_the_history_ended() -> None:
    market = Market(SMALL, UNTIL)
    before = list(market.history())
    assert market.next_due >= UNTIL
    after = list(market.advance(UNTIL + timedelta(hours=1)))

    assert UNTIL <= after[0].arrives_at < UNTIL + timedelta(seconds=10)
    assert list(market.history()) == []
    told = Counter(record.value for record in before + after)
    assert max(told.values()) == 2
    assert before == small_history()


def test_claims_on_old_orders_arrive_live() -> None:
    known = {value["order_id"] for topic, value in small_events() if topic == "orders"}
    settled = [value for topic, value in parsed(live(10)) if topic == "claim-statuses" and value["order_id"] in known]
    assert len(settled) > 20


@pytest.mark.parametrize("rate", [0.5, 5.0, 100.0])
def test_live_keeps_its_rate_from_the_beginning(rate: float) -> None:
    settings = MarketSettings(days=30, orders_per_day=300, rate=rate)
    records = live(10 / rate, settings)  # 600 records
    middle = UNTIL + (300 / rate) * timedelta(seconds=1)
    assert len(records) == pytest.approx(600, rel=0.1)
    assert sum(record.arrives_at < middle for record in records) == pytest.approx(300, rel=0.15)


def test_within_two_minutes_defects_come_and_go_for_the_named_sellers() -> None:
    winners = latest(event for event in small_events() if event[0] in DEFECTS)
    moved: dict[str, set[str]] = {"entered": set(), "left": set()}
    for topic, value in parsed(live(2)):
        if topic not in DEFECTS:
            continue
        things = latest([(topic, value)])
        (thing,) = things
        counted = thing in winners and thing_counts(topic, winners[thing], CURRENT)
        counts = thing_counts(topic, value, CURRENT)
        if counts != counted:
            moved["entered" if counts else "left"].add(value["seller_id"])
        winners |= things
    assert len(NAMES & moved["entered"]) >= 4
    assert len(NAMES & moved["left"]) >= 4


def test_after_an_hour_live_the_sellers_are_still_who_they_were() -> None:
    fronts = day_counts(small_history() + live_hour())
    safe = [counts for (seller, _, _), counts in fronts.items() if seller == "SAFE-HARBOUR"]
    assert all(percent(counts, OFFICIAL) < 1 for counts in safe)
    assert 0.8 < percent(fronts["JUST-OVER", "A1PA6795UKMFR9", "MFN"], OFFICIAL) < 1.8
    assert percent(fronts["BURST-HIT", "ATVPDKIKX0DER", "MFN"], OFFICIAL) > 1


# --- Settings ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("sellers", 0),
        ("days", 0),
        ("orders_per_day", 0.0),
        ("rate", float("nan")),
        ("disorder", 0.6),
        ("duplicates", -1),
    ],
)
def test_a_wrong_setting_is_named(name: str, value: float) -> None:
    wrong: dict[str, Any] = {name: value}
    with pytest.raises(ValueError, match=name):
        MarketSettings(**wrong)


def test_the_end_needs_a_time_zone() -> None:
    with pytest.raises(ValueError, match="time zone"):
        Market(SMALL, datetime(2026, 11, 3))  # noqa: DTZ001 - that is the point


@pytest.mark.parametrize("sellers", [1, 3, 8, 9])
def test_few_sellers_are_the_named_ones_first(sellers: int) -> None:
    keys = {record.key.decode() for record in history(MarketSettings(sellers=sellers, days=5), UNTIL)}
    assert len(keys) == sellers
    assert len(keys & NAMES) == min(sellers, 8)
