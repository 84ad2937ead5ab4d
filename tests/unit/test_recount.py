"""The oracle against examples worked out by hand: what the other tests lean on must stand by itself."""

import itertools
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest

from tests import strategies
from tests.recount import (
    Counts,
    InputEvent,
    Switches,
    canonical_defects,
    canonical_forecast,
    claim_counts,
    defects,
    forecast,
    gauge_differences,
    gauges,
    headroom,
    instant,
    latest,
    low_volume,
    order_counts,
    parse_metrics,
    ratio,
    recount,
    verdict,
    version_of,
    wilson95,
    window_counts,
    window_days,
)

D = date(2026, 11, 3)
US, DE = "ATVPDKIKX0DER", "A1PA6795UKMFR9"
EVENT_NUMBERS = itertools.count()


def event(topic: str, **fields: Any) -> InputEvent:
    """An event of seller S on Amazon.com, with an event id of its own."""
    common = {
        "event_id": f"e{next(EVENT_NUMBERS)}",
        "event_time": "2026-11-01T00:00:00Z",
        "seller_id": "S",
        "marketplace_id": US,
        "order_id": "o1",
    }
    return topic, {**common, **fields}


def order(order_id: str = "o1", purchased: str = "2026-10-01T12:00:00Z", **fields: Any) -> InputEvent:
    return event(
        "orders", **{"order_id": order_id, "purchase_date": purchased, "channel": "MFN", "status": "Shipped", **fields}
    )


def feedback(rating: int, order_id: str = "o1", **fields: Any) -> InputEvent:
    return event("feedback", **{"order_id": order_id, "rating": rating, "status": "posted", **fields})


def claim(status: str, order_id: str = "o1", **fields: Any) -> InputEvent:
    return event("claim-statuses", **{"order_id": order_id, "claim_id": "C-1", "status": status, **fields})


def chargeback(kind: str, status: str = "open", order_id: str = "o1", **fields: Any) -> InputEvent:
    return event(
        "chargebacks", **{"order_id": order_id, "chargeback_id": "B-1", "kind": kind, "status": status} | fields
    )


def only_day(*events: InputEvent, switches: Switches | None = None) -> Counts:
    """The counts of the one day that the events add up to."""
    (counts,) = recount(events, switches=switches or Switches()).values()
    return counts


# --- Times and versions -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-03T16:20:05Z", datetime(2026, 11, 3, 16, 20, 5, tzinfo=UTC)),
        ("2026-11-03T16:20:05.12+01:00", datetime(2026, 11, 3, 15, 20, 5, 120000, tzinfo=UTC)),
        ("2026-11-03T23:30:00.9999999-08:00", datetime(2026, 11, 4, 7, 30, 0, 999999, tzinfo=UTC)),
        ("2026-11-03t16:20:05.000000999z", datetime(2026, 11, 3, 16, 20, 5, tzinfo=UTC)),
    ],
)
def test_a_time_is_an_instant_to_the_microsecond_and_further_digits_are_cut(text: str, moment: datetime) -> None:
    assert instant(text) == moment


@pytest.mark.parametrize("text", ["2026-11-03T16:20:05", "2026-11-03", "1793722805", "2026-11-03T16:20:05.Z"])
def test_a_time_without_offset_or_clock_is_none(text: str) -> None:
    with pytest.raises(ValueError, match="RFC 3339"):
        instant(text)


def test_the_greater_time_wins_and_at_equal_times_the_greater_id_by_code_points() -> None:
    early = feedback(1, event_id="z", event_time="2026-11-01T01:00:00+01:00")
    tilde = feedback(2, event_id="\uff5e", event_time="2026-11-01T00:00:00.0000019Z")
    emoji = feedback(5, event_id="\U0001f600", event_time="2026-11-01T00:00:00.0000011Z")
    for arrival in itertools.permutations([early, tilde, emoji]):
        assert list(latest(arrival).values()) == [emoji[1]]


def test_a_feedback_without_an_id_is_the_one_named_like_its_order() -> None:
    events = [feedback(1), feedback(2, feedback_id=None), feedback(3, feedback_id="o1"), feedback(4, feedback_id="f")]
    assert [thing.own_id for thing in latest(events)] == ["o1", "f"]


def test_one_claim_id_on_two_orders_names_two_claims() -> None:
    events = [order("o1"), order("o2"), claim("pending", "o1"), claim("pending", "o2")]
    assert only_day(*events) == Counts(orders=2, defective_orders=2, claim_orders=2)


# --- What counts ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "counts"),
    [
        ({"status": "Pending"}, False),
        ({"status": "PendingAvailability"}, False),
        ({"status": "Unshipped"}, True),
        ({"status": "Canceled", "cancelled_by": "buyer"}, False),
        ({"status": "Canceled", "cancelled_by": "seller"}, True),
        ({"status": "Canceled", "cancelled_by": "amazon"}, True),
        ({"status": "Canceled", "buyer_requested_cancel": True}, True),
        ({"status": "Canceled", "cancelled_by": "seller", "buyer_requested_cancel": True}, True),
        ({"status": "Shipped", "cancelled_by": "buyer"}, True),
    ],
)
def test_orders_count_unless_pending_or_cancelled_by_their_buyer(fields: Mapping[str, Any], counts: bool) -> None:
    assert order_counts(order(**fields)[1]) is counts


@pytest.mark.parametrize(
    ("status", "fields", "counts"),
    [
        ("pending", {}, True),
        ("granted", {}, True),
        ("granted", {"funded_by": "seller"}, True),
        ("granted", {"funded_by": "amazon"}, False),
        ("granted", {"funded_by": "seller", "odr_impact": "does_not_count"}, False),
        ("granted", {"funded_by": "amazon", "odr_impact": "counts"}, True),
        ("seller_refunded", {}, True),
        ("seller_refunded", {"funded_by": "amazon"}, True),
        ("order_cancelled", {}, True),
        ("denied", {}, False),
        ("denied", {"odr_impact": "counts"}, True),
        ("withdrawn", {"odr_impact": None}, False),
    ],
)
def test_claims_count_by_the_table_unless_their_impact_is_given(
    status: str, fields: Mapping[str, Any], counts: bool
) -> None:
    """Cases 1 to 7."""
    value = claim(status, **fields)[1]
    assert claim_counts(value, Switches()) is counts
    assert claim_counts(value, Switches(claims_policy="all_filed")) is True


def test_ratings_of_one_and_two_are_negative_while_posted() -> None:
    """Cases 10 and 12."""
    negative = [only_day(order(), feedback(rating)).negative_feedback_orders for rating in (1, 2, 3, 4, 5)]
    assert negative == [1, 1, 0, 0, 0]
    assert only_day(order(), feedback(1, status="removed")) == Counts(orders=1)
    assert only_day(order(), feedback(1, status="struck_through")) == Counts(orders=1)


def test_edits_of_a_rating_leave_and_enter() -> None:
    """Case 11."""
    later = "2026-11-01T00:00:01Z"
    assert only_day(order(), feedback(4, event_time=later), feedback(1)) == Counts(orders=1)
    edited = only_day(order(), feedback(1, event_time=later), feedback(4))
    assert edited == Counts(orders=1, defective_orders=1, negative_feedback_orders=1)


def test_frauds_never_count_and_reversed_chargebacks_only_by_the_switch() -> None:
    """Cases 14 and 15."""
    counted = Switches(reversed_chargebacks="counted")
    defective = Counts(orders=1, defective_orders=1, chargeback_orders=1)
    assert only_day(order(), chargeback("service")) == defective
    assert only_day(order(), chargeback("unknown", "upheld")) == defective
    assert only_day(order(), chargeback("service", "reversed")) == Counts(orders=1)
    assert only_day(order(), chargeback("service", "reversed"), switches=counted) == defective
    assert only_day(order(), chargeback("fraud", "upheld"), switches=counted) == Counts(orders=1)


def test_an_order_with_every_kind_of_defect_is_one_defective_order() -> None:
    """Cases 9 and 13."""
    events = [order(), feedback(1), claim("pending"), claim("granted", claim_id="C-2"), chargeback("service")]
    assert only_day(*events) == Counts(1, 1, 1, 1, 1)
    reversals = [claim("withdrawn", event_time="2026-11-02T00:00:00Z"), feedback(5, event_time="2026-11-02T00:00:00Z")]
    assert only_day(*events, *reversals) == Counts(1, 1, 0, 1, 1)


def test_a_defect_waits_for_its_order_and_counts_where_the_order_is() -> None:
    """Case 17."""
    early = claim("pending", marketplace_id=DE)
    assert recount([early]) == {}
    assert recount([early, order(status="Pending")]) == {}
    assert recount([early, order(channel="AFN")]) == {
        ("S", US, "AFN", date(2026, 10, 1)): Counts(orders=1, defective_orders=1, claim_orders=1)
    }


def test_an_order_that_moves_takes_its_defects_along() -> None:
    moved = order(marketplace_id=DE, channel="AFN", purchased="2026-10-02T12:00:00Z", event_time="2026-11-02T00:00:00Z")
    assert recount([moved, feedback(1), order()]) == {
        ("S", DE, "AFN", date(2026, 10, 2)): Counts(orders=1, defective_orders=1, negative_feedback_orders=1)
    }


def test_an_order_is_of_its_marketplaces_own_day() -> None:
    """Case 30: 22:30 UTC on a summer's day is the next day in Berlin, and in winter the same."""
    summer = order("o1", "2026-10-24T22:30:00Z", marketplace_id=DE)
    winter = order("o2", "2026-10-25T22:30:00Z", marketplace_id=DE)
    utc, berlin = recount([summer, winter]), recount([summer, winter], zones={DE: "Europe/Berlin", US: "Asia/Tokyo"})
    assert [day for *_, day in sorted(utc)] == [date(2026, 10, 24), date(2026, 10, 25)]
    assert berlin == {("S", DE, "MFN", date(2026, 10, 25)): Counts(orders=2)}


def test_records_of_other_topics_count_nothing() -> None:
    assert recount([event("messages", message_id="m", received_at="2026-10-01T00:00:00Z")]) == {}


# --- Windows ----------------------------------------------------------------------------------------------------------


def test_windows_hold_sixty_days_and_both_their_edges() -> None:
    """Case 19."""
    #  D-75 | D-74 .. D-60  D-59 .. D-15  D-14 .. D | D+1
    #       [------- official ----------]
    #                      [-------- ahead --------]
    official, ahead = window_days(D, "official"), window_days(D, "ahead")
    assert (official[0], official[-1], len(official)) == (date(2026, 8, 21), date(2026, 10, 19), 60)
    assert (ahead[0], ahead[-1], len(ahead)) == (date(2026, 9, 5), date(2026, 11, 3), 60)
    assert official[0] == D - timedelta(days=74)
    assert official[-1] == D - timedelta(days=15)


@pytest.mark.parametrize(
    ("purchased", "in_official", "in_ahead"),
    [
        ("2026-08-20T23:59:59.999999Z", 0, 0),  # D-75
        ("2026-08-21T00:00:00Z", 1, 0),  # D-74
        ("2026-09-04T23:59:59Z", 1, 0),  # D-60
        ("2026-09-05T00:00:00Z", 1, 1),  # D-59
        ("2026-10-19T23:59:59Z", 1, 1),  # D-15
        ("2026-10-20T00:00:00Z", 0, 1),  # D-14
        ("2026-11-03T23:59:59Z", 0, 1),  # D
        ("2026-11-04T00:00:00Z", 0, 0),  # D+1
    ],
)
def test_an_order_is_in_the_windows_that_hold_its_day(purchased: str, in_official: int, in_ahead: int) -> None:
    """Case 19."""
    days = recount([order(purchased=purchased)])
    assert window_counts(days, "S", US, "MFN", D, "official").orders == in_official
    assert window_counts(days, "S", US, "MFN", D, "ahead").orders == in_ahead
    assert window_counts(days, "S", US, "AFN", D, "ahead").orders == 0


# --- What counts mean -------------------------------------------------------------------------------------------------


def test_no_orders_have_no_ratio_no_headroom_and_no_interval() -> None:
    """Case 21."""
    assert (ratio(0, 0), headroom(0, 0), wilson95(0, 0), verdict(0, 0)) == (None, None, None, "no_data")


@pytest.mark.parametrize(
    ("defective", "counted", "room"),
    [(1, 100, -1), (0, 100, 0), (0, 101, 1), (1, 101, 0), (1, 1000, 8), (10, 1000, -1), (12, 1000, -3), (1, 43, -1)],
)
def test_headroom_is_how_many_more_defective_orders_fit(defective: int, counted: int, room: int) -> None:
    assert headroom(defective, counted) == room


@pytest.mark.parametrize(
    ("defective", "counted", "ahead", "minimum", "expected"),
    [
        (1, 100, None, None, "missed"),  # case 22: exactly 1.00 %
        (1, 43, None, None, "missed"),  # case 23
        (1, 101, None, None, "at_risk"),  # one more is 2 in 101
        (1, 200, None, None, "at_risk"),  # one more is exactly 1 %
        (1, 201, None, None, "good"),
        (0, 100, None, None, "good"),  # low volume, nothing failed
        (0, 101, None, None, "good"),  # one more is 1 in 101
        (0, 50, None, 10, "at_risk"),  # the minimum says that 50 is not low
        (0, 50, None, 51, "good"),
        (1, 201, (2, 200), None, "at_risk"),  # ahead misses
        (1, 201, (2, 201), None, "good"),
        (1, 201, (0, 0), None, "good"),
        (0, 50, (1, 50), None, "good"),  # low volume without a failure is never at risk
    ],
)
def test_verdicts(
    defective: int, counted: int, ahead: tuple[int, int] | None, minimum: int | None, expected: str
) -> None:
    assert verdict(defective, counted, ahead=ahead, minimum=minimum) == expected


def test_low_volume_is_where_one_failure_would_miss() -> None:
    assert [low_volume(counted) for counted in (1, 100, 101)] == [True, True, False]
    assert [low_volume(counted, minimum=50) for counted in (49, 50)] == [True, False]
    assert [low_volume(counted, Fraction(1, 50)) for counted in (50, 51)] == [True, False]


def test_the_interval_is_wilsons() -> None:
    # 1 in 10 by hand: (0.1 + 0.192073) / 1.384146 = 0.211013 -+ 1.415972 * sqrt(0.009 + 0.009604) = 0.193135
    assert wilson95(1, 10) == pytest.approx((0.017876, 0.404150), abs=1e-6)
    # 0 in n: from 0 to z² / (n + z²), and the other way round for n in n.
    assert wilson95(0, 10) == pytest.approx((0, 0.277533), abs=1e-6)
    assert wilson95(10, 10) == pytest.approx((0.722467, 1), abs=1e-6)


# --- What is shown ----------------------------------------------------------------------------------------------------


def labels(window: str) -> frozenset[tuple[str, str]]:
    return frozenset({("seller", "S"), ("marketplace", US), ("channel", "MFN"), ("window", window)})


def test_gauges_show_counts_ratios_and_headroom_where_there_are_orders() -> None:
    events = [order("o1", "2026-08-21T00:00:00Z"), order("o2"), order("o3"), order("o4"), feedback(1, "o2")]
    assert gauges(events, D) == {
        ("seller_orders", labels("official")): 4.0,
        ("seller_defective_orders", labels("official")): 1.0,
        ("seller_negative_feedback_orders", labels("official")): 1.0,
        ("seller_order_defect_ratio", labels("official")): 0.25,
        ("seller_negative_feedback_ratio", labels("official")): 0.25,
        ("seller_claim_ratio", labels("official")): 0.0,
        ("seller_chargeback_ratio", labels("official")): 0.0,
        ("seller_order_defect_headroom_orders", labels("official")): -1.0,
        ("seller_orders", labels("ahead")): 3.0,
        ("seller_defective_orders", labels("ahead")): 1.0,
        ("seller_negative_feedback_orders", labels("ahead")): 1.0,
        ("seller_order_defect_ratio", labels("ahead")): 1 / 3,
        ("seller_negative_feedback_ratio", labels("ahead")): 1 / 3,
        ("seller_claim_ratio", labels("ahead")): 0.0,
        ("seller_chargeback_ratio", labels("ahead")): 0.0,
        ("seller_order_defect_headroom_orders", labels("ahead")): -1.0,
    }


def test_gauges_roll_out_of_the_windows_without_events_and_are_gone_at_the_end() -> None:
    """Case 20."""
    events = [order(purchased="2026-10-01T12:00:00Z")]
    assert {key for _, key in gauges(events, date(2026, 11, 29))} == {labels("official"), labels("ahead")}
    assert {key for _, key in gauges(events, date(2026, 11, 30))} == {labels("official")}
    assert {key for _, key in gauges(events, date(2026, 12, 14))} == {labels("official")}
    assert gauges(events, date(2026, 12, 15)) == {}


def test_days_that_are_too_old_are_not_kept() -> None:
    events = [order(purchased="2026-10-01T12:00:00Z")]  # D-33
    assert gauges(events, D, retention_days=33) == {}
    assert gauges(events, D, retention_days=34) != {}


def test_a_scraped_page_may_show_counts_of_zero_and_nothing_else_that_is_not_expected() -> None:
    expected = gauges([order()], D)
    page = {**expected, ("seller_claim_orders", labels("ahead")): 0.0, ("stream_orders", frozenset[Any]()): 1.0}
    assert gauge_differences(page, expected) == []
    assert len(gauge_differences({**page, ("seller_claim_orders", labels("ahead")): 1.0}, expected)) == 1
    assert len(gauge_differences({**page, ("seller_claim_ratio", frozenset[Any]()): 0.0}, expected)) == 1
    assert len(gauge_differences({}, expected)) == len(expected)


def test_defects_list_what_is_or_will_be_in_the_official_window_with_every_cause() -> None:
    events = [
        order("gone", "2026-08-20T12:00:00Z"),
        order("first", "2026-08-21T12:00:00Z"),
        order("both", "2026-10-19T12:00:00Z"),
        order("later", "2026-11-04T12:00:00Z"),
        order("fine"),
        *[claim("pending", order_id, reason="late") for order_id in ("gone", "first", "both", "later", "nowhere")],
        claim("withdrawn", "both", claim_id="C-2"),
        claim("granted", "both", claim_id="C-0", event_time="2026-11-02T01:00:00+01:00"),
        feedback(2, "both"),
        feedback(3, "fine"),
    ]
    first, both, later = defects(events, "S", D)
    assert first == {
        "order_id": "first",
        "order_date": "2026-08-21",
        "marketplace": US,
        "channel": "MFN",
        "windows": ["official"],
        "enters": "2026-09-05",
        "drops_off": "2026-11-04",
        "causes": [
            {
                "kind": "claim",
                "id": "C-1",
                "status": "pending",
                "reason": "late",
                "event_time": datetime(2026, 11, 1, tzinfo=UTC),
            }
        ],
    }
    assert both["windows"] == ["official", "ahead"]
    assert [(cause["kind"], cause["id"]) for cause in both["causes"]] == [
        ("claim", "C-0"),
        ("claim", "C-1"),
        ("feedback", "both"),
    ]
    assert both["causes"][0]["event_time"] == datetime(2026, 11, 2, tzinfo=UTC)
    assert (later["order_id"], later["windows"], later["enters"]) == ("later", [], "2026-11-19")
    assert defects(events, "T", D) == []


def test_an_answer_in_any_order_has_one_canonical_form() -> None:
    cause: dict[str, Any] = {"kind": "claim", "id": "C-1", "status": "pending", "reason": None}
    row: dict[str, Any] = {"order_id": "o1", "order_date": "2026-10-01", "windows": ["ahead", "official"]}
    one = {**row, "causes": [{**cause, "event_time": "2026-11-01T00:00:00.000Z"}]}
    two = {**row, "windows": ["official", "ahead"], "causes": [{**cause, "event_time": "2026-11-01T01:00:00+01:00"}]}
    other = {**one, "order_id": "o0"}
    assert canonical_defects([one, other]) == canonical_defects([other, two])


def test_the_forecast_is_the_official_window_on_each_of_the_next_sixty_days() -> None:
    events = [order("o1", "2026-08-22T12:00:00Z"), order("o2", "2026-10-20T12:00:00Z"), claim("pending", "o1")]
    rows = forecast(events, "S", D)
    assert [rows[0]["day"], rows[-1]["day"], len(rows)] == ["2026-11-04", "2027-01-02", 60]
    # o1 is on D-73: in on D+1, out on D+2. o2 is on D-14: in from D+1 to D+60.
    assert [(row["orders"], row["defective_orders"], row["ratio"]) for row in rows[:2]] == [(2, 1, 0.5), (1, 0, 0.0)]
    assert (rows[-1]["orders"], rows[-1]["expected"], rows[-1]["low_95"]) == (1, None, None)
    assert forecast(events, "T", D) == []
    assert len(canonical_forecast(rows)) == 60
    assert canonical_forecast(forecast([order(purchased="2026-08-21T12:00:00Z")], "S", D)) == []


# --- The page ---------------------------------------------------------------------------------------------------------


def test_a_page_is_read_with_all_its_series_and_labels() -> None:
    registry = CollectorRegistry()
    gauge = Gauge("seller_orders", "Orders.", ["seller", "window"], registry=registry)
    for seller in strategies.SELLERS:
        gauge.labels(seller, "ahead").set(1 / 3)
    Counter("stream_events", "Records.", ["topic"], registry=registry).labels("orders").inc(2)
    page = parse_metrics(generate_latest(registry).decode())
    assert page["stream_events_total", frozenset({("topic", "orders")})] == 2.0
    for seller in strategies.SELLERS:
        assert page["seller_orders", frozenset({("seller", seller), ("window", "ahead")})] == 1 / 3


@pytest.mark.parametrize(
    ("page", "complaint"),
    [
        ("# TYPE a gauge\na 1", "last line"),
        ("a 1\n", "no type"),
        ('# TYPE a gauge\na{b="c"} 1\na{b="c"} 1\n', "twice"),
        ("# TYPE a gauge\na 1\n# TYPE b gauge\nb 1\n# TYPE a gauge\na 2\n", "two pieces"),
    ],
)
def test_a_page_that_prometheus_would_not_take_is_refused(page: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        parse_metrics(page)


# --- The histories that other tests draw ------------------------------------------------------------------------------


@given(strategies.histories())
def test_no_two_versions_of_a_thing_share_time_and_id(history: list[InputEvent]) -> None:
    versions: dict[Any, Any] = {}
    for topic, value in history:
        name = topic, value["seller_id"], value["order_id"], value.get("claim_id"), value.get("chargeback_id")
        feedback_id = (value.get("feedback_id") or value["order_id"]) if topic == "feedback" else None
        assert versions.setdefault((name, feedback_id, version_of(value)), value) == value


@given(st.data(), strategies.switches(), strategies.zones(), strategies.evaluation_days())
def test_any_order_of_arrival_gives_the_same_figures(
    drawn: st.DataObject, switches: Switches, zones: Mapping[str, str], day: date
) -> None:
    """Case 31, and 18: redelivery changes nothing."""
    history = drawn.draw(strategies.histories())
    other = drawn.draw(strategies.rearranged(history))
    assert recount(history, switches=switches, zones=zones) == recount(other, switches=switches, zones=zones)
    assert gauges(history, day, switches=switches, zones=zones) == gauges(other, day, switches=switches, zones=zones)
    for seller in strategies.SELLERS:
        assert defects(history, seller, day, switches=switches) == defects(other, seller, day, switches=switches)
        assert forecast(history, seller, day, switches=switches) == forecast(other, seller, day, switches=switches)
