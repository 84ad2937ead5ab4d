"""The oracle of the rest of account health against examples worked out by hand, from rules.md and contract.md.

D is 2026-11-03. Everything is of one seller on Amazon.com, in UTC, unless said otherwise.
"""

import gzip
import json
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import strategies
from tests.builders import (
    DE,
    INDIA,
    SELLER,
    US,
    D,
    cancelled,
    claim,
    feedback,
    message,
    order,
    shipment,
    violation,
)
from tests.recount import (
    ACCOUNT_GAUGES,
    ALL_GAUGES,
    ODR_GAUGES,
    InputEvent,
    Row,
    Settings,
    Share,
    Switches,
    View,
    account_gauges,
    account_row,
    account_rows,
    gauge_differences,
    gauges,
    headroom,
    low_volume,
    misses,
    parts,
    read_events,
    recount,
    row_differences,
    shares,
    shares_by_day,
    today,
    verdict,
    version_of,
    wilson95,
    windows_of,
)

AS_COUNTED = Switches(buyer_requested_cancellations="counted")


def share(
    metric: str, window: str, *events: InputEvent, marketplace: str = US, day: date = D, **view: Any
) -> Share | None:
    """The numerator and denominator of one figure, or None where it has no denominator."""
    retention_days = view.get("retention_days", 200)
    return shares(parts(events, day, **view), day, retention_days).get((SELLER, marketplace, metric, window))


def cancellation(*events: InputEvent, **view: Any) -> Share | None:
    return share("cancellation", "7d", *events, **view)


def late_shipment(*events: InputEvent, **view: Any) -> Share | None:
    """The figure of 30 days."""
    return share("late_shipment", "30d", *events, **view)


def tracking(*events: InputEvent, **view: Any) -> tuple[Share | None, Share | None]:
    """Valid tracking, and on-time delivery in the windows of the US."""
    return share("valid_tracking", "30d", *events, **view), share("on_time_delivery", "14d", *events, **view)


def response(*events: InputEvent, **view: Any) -> Share | None:
    """The figure of 7 days."""
    return share("contact_response", "7d", *events, **view)


def received(*events: InputEvent, window: str = "30d", **view: Any) -> Share | None:
    return share("feedback_received_negative", window, *events, **view)


def windows_on(metric: str, *events: InputEvent, marketplace: str = US, **view: Any) -> list[str]:
    """The windows on D that have anything of the metric."""
    found = shares(parts(events, D, **view), D, view.get("retention_days", 200))
    return [window for _, of, name, window in found if (of, name) == (marketplace, metric)]


# --- Cancellation -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (cancelled("seller"), (1, 1)),
        (cancelled("seller", cancel_reason="payment"), (1, 1)),
        (cancelled("amazon", cancel_reason="not_shipped"), (1, 1)),
        (cancelled("amazon", cancel_reason="fraud"), (0, 1)),
        (cancelled("amazon"), (0, 1)),
        (cancelled(None, cancel_reason="not_shipped"), (0, 1)),  # nobody is named
        (cancelled("buyer"), None),  # not counted
        (cancelled("seller", status="Pending"), None),  # not counted, and not cancelled either
        (cancelled("seller", status="Unshipped"), (0, 1)),  # who cancelled it means nothing: it isn't
        (cancelled("seller", channel="AFN"), None),  # case 24
        (cancelled("seller", excused=True), (0, 1)),
        (cancelled("seller", excused=None), (1, 1)),
        (cancelled("seller", buyer_requested_cancel=True), (0, 1)),
        (cancelled("seller", buyer_requested_cancel=False), (1, 1)),
        (cancelled("amazon", cancel_reason="not_shipped", buyer_requested_cancel=True), (0, 1)),
    ],
)
def test_who_cancelled_and_why_decides_whether_it_is_the_sellers_doing(
    told: InputEvent, expected: Share | None
) -> None:
    """Case 26."""
    assert cancellation(told) == expected


def test_one_item_of_several_cancelled_by_the_seller_is_a_cancellation_whatever_the_status() -> None:
    """Case 26."""
    items = [{"sku": "A", "quantity": 2}, {"sku": "B", "quantity": 1, "cancelled_by": "seller"}]
    others = [
        {"sku": "A", "quantity": 2, "cancelled_by": "buyer"},
        {"sku": "B", "quantity": 1, "cancelled_by": "amazon"},
    ]
    assert cancellation(cancelled(None, status="Unshipped", items=items)) == (1, 1)
    assert cancellation(cancelled("amazon", items=items)) == (1, 1)
    assert cancellation(cancelled(None, status="Unshipped", items=others)) == (0, 1)
    assert cancellation(cancelled(None, status="Unshipped", items=None)) == (0, 1)
    assert cancellation(cancelled("buyer", items=items)) is None
    assert cancellation(cancelled(None, status="Pending", items=items)) is None
    assert cancellation(cancelled(None, status="Unshipped", items=items, excused=True)) == (0, 1)
    assert cancellation(cancelled(None, status="Unshipped", items=items, buyer_requested_cancel=True)) == (0, 1)


def test_by_the_switch_a_buyers_request_changes_nothing_but_the_buyers_own_cancellation_is_still_none() -> None:
    told = [cancelled("seller", buyer_requested_cancel=True), cancelled("buyer", "o2", buyer_requested_cancel=True)]
    assert cancellation(*told) == (0, 1)
    assert cancellation(*told, switches=AS_COUNTED) == (1, 1)


def test_an_order_that_was_confirmed_before_is_no_cancellation() -> None:
    """Case 27."""
    items = [{"sku": "B", "quantity": 1, "cancelled_by": "seller"}]
    assert cancellation(cancelled("seller"), shipment()) == (0, 1)
    assert cancellation(shipment(excused=True), cancelled("amazon", cancel_reason="not_shipped")) == (0, 1)
    assert cancellation(cancelled(None, status="Shipped", items=items), shipment()) == (0, 1)
    assert cancellation(cancelled("seller"), shipment("o2"), shipment(seller_id="T")) == (1, 1)


@pytest.mark.parametrize(
    ("purchased", "inside"),
    [
        ("2026-10-26T23:59:59.999999Z", False),  # D-8
        ("2026-10-27T00:00:00Z", True),  # D-7
        ("2026-11-02T23:59:59Z", True),  # D-1
        ("2026-11-03T00:00:00Z", False),  # D
    ],
)
def test_cancellations_are_of_the_seven_order_dates_before_today(purchased: str, inside: bool) -> None:
    assert cancellation(cancelled("seller", purchase_date=purchased)) == ((1, 1) if inside else None)


# --- Late shipment ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("latest_ship_date", "expected"),
    [
        ("2026-10-15T12:00:00Z", (0, 1)),  # equal is on time
        ("2026-10-15T14:00:00+02:00", (0, 1)),
        ("2026-10-15T11:59:59.999999Z", (1, 1)),
        ("2026-10-16T00:00:00Z", (0, 1)),
        (None, (0, 1)),  # none given: not late
    ],
)
def test_an_order_is_late_if_confirmed_after_its_latest_ship_date(
    latest_ship_date: str | None, expected: Share
) -> None:
    assert late_shipment(order(latest_ship_date=latest_ship_date), shipment()) == expected


def test_an_order_is_confirmed_when_its_first_package_is() -> None:
    first = shipment(confirmed_at="2026-10-15T12:00:00Z")
    second = shipment(shipment_id="P-2", confirmed_at="2026-10-30T12:00:00Z")
    told = [order(latest_ship_date="2026-10-20T00:00:00Z"), second, first]
    assert late_shipment(*told) == (0, 1)
    assert windows_on("late_shipment", *told) == ["30d"]
    assert windows_on("late_shipment", told[0], second) == ["30d", "10d"]
    assert late_shipment(told[0], second) == (1, 1)


def test_an_order_whose_first_package_is_excused_is_confirmed_and_not_late() -> None:
    late = order(latest_ship_date="2026-10-10T00:00:00Z")
    excused, other = shipment(excused=True), shipment(shipment_id="P-2", confirmed_at="2026-10-16T12:00:00Z")
    assert late_shipment(late, excused, other) == (0, 1)
    assert late_shipment(late, shipment(), shipment(**{**other[1], "excused": True})) == (1, 1)
    assert late_shipment(order(latest_ship_date="2026-10-10T00:00:00Z", excused=True), shipment()) == (1, 1)
    # Of two first packages at one moment, one that is excused is enough.
    assert late_shipment(late, excused, shipment(shipment_id="P-2")) == (0, 1)
    assert late_shipment(late, shipment(), shipment(shipment_id="P-0", excused=True)) == (0, 1)


@pytest.mark.parametrize("status", ["Pending", "PendingAvailability", "Unshipped", "Shipped", "Canceled"])
def test_an_order_with_a_package_counts_whatever_its_status(status: str) -> None:
    told = [order(status=status, cancelled_by="buyer", latest_ship_date="2026-10-10T00:00:00Z"), shipment()]
    assert late_shipment(*told) == (1, 1)
    assert tracking(*told) == ((1, 1), (1, 1))


def test_only_seller_fulfilled_orders_are_shipped_late_or_tracked() -> None:
    """Case 24."""
    told = [order(channel="AFN", latest_ship_date="2026-10-10T00:00:00Z"), shipment()]
    assert late_shipment(*told) is None
    assert tracking(*told) == (None, None)


def test_a_package_waits_for_its_order_and_counts_where_the_order_is() -> None:
    early = shipment(marketplace_id=DE)
    assert late_shipment(early) is None
    assert tracking(early, order("o2")) == (None, None)
    assert late_shipment(early, order()) == (0, 1)
    assert late_shipment(early, order(), marketplace=DE) is None
    moved = [early, order(), order(marketplace_id=INDIA)]
    assert (late_shipment(*moved), late_shipment(*moved, marketplace=INDIA)) == (None, (0, 1))


@pytest.mark.parametrize(
    ("confirmed", "windows"),
    [
        ("2026-10-04T23:59:59Z", []),  # D-30
        ("2026-10-05T00:00:00Z", ["30d"]),  # D-29
        ("2026-10-24T23:59:59Z", ["30d"]),  # D-10
        ("2026-10-25T00:00:00Z", ["30d", "10d"]),  # D-9
        ("2026-11-03T23:59:59Z", ["30d", "10d"]),  # D
        ("2026-11-04T00:00:00Z", []),
    ],
)
def test_late_shipments_are_of_the_day_of_confirmation(confirmed: str, windows: list[str]) -> None:
    assert (
        windows_on("late_shipment", order(purchased="2026-09-01T00:00:00Z"), shipment(confirmed_at=confirmed))
        == windows
    )


# --- Valid tracking and on-time delivery ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "valid", "on_time"),
    [
        ({}, (1, 1), (1, 1)),
        ({"first_scan_at": None}, (0, 1), None),  # in no denominator of on-time delivery
        ({"tracking_confirmed_at": None}, (1, 1), (1, 1)),
        ({"tracking_confirmed_at": "2026-10-19T12:00:00Z"}, (1, 1), (1, 1)),  # at the moment of delivery
        ({"tracking_confirmed_at": "2026-10-19T12:00:00.000001Z"}, (0, 1), None),
        ({"delivered_at": None}, (1, 1), (0, 1)),
        ({"delivered_at": None, "tracking_confirmed_at": None}, (1, 1), (0, 1)),
        ({"delivered_at": "2026-10-20T23:59:59.999999Z"}, (1, 1), (1, 1)),  # later than promised, on the day
        ({"delivered_at": "2026-10-21T00:00:00Z"}, (1, 1), (0, 1)),
        ({"promised_by": None}, None, None),
        ({"excused": True}, None, None),
        ({"excused": False}, (1, 1), (1, 1)),
    ],
)
def test_a_package_is_validly_tracked_and_on_time(
    fields: Mapping[str, Any], valid: Share | None, on_time: Share | None
) -> None:
    """Case 29: tracking that is first given after delivery is neither valid nor on time."""
    assert tracking(order(), shipment(**fields)) == (valid, on_time)


def test_packages_of_one_order_count_each_for_themselves() -> None:
    told = [
        order(),
        shipment(),
        shipment(shipment_id="P-2", delivered_at="2026-10-22T12:00:00Z"),
        shipment(shipment_id="P-3", first_scan_at=None),
        shipment("o2"),  # waits
    ]
    assert tracking(*told) == ((2, 3), (1, 2))
    assert late_shipment(*told) == (0, 1)


@pytest.mark.parametrize(
    ("promised", "valid", "on_time", "on_time_in_the_us"),
    [
        ("2026-09-24T23:59:59Z", [], [], []),  # D-40
        ("2026-09-25T00:00:00Z", ["30d"], ["30d"], []),  # D-39
        ("2026-10-12T23:59:59Z", ["30d"], ["30d"], []),  # D-22
        ("2026-10-13T00:00:00Z", ["30d"], ["30d"], ["14d"]),  # D-21
        ("2026-10-24T23:59:59Z", ["30d"], ["30d"], ["14d"]),  # D-10
        ("2026-10-25T00:00:00Z", [], [], ["14d"]),  # D-9
        ("2026-10-26T23:59:59Z", [], [], ["14d"]),  # D-8
        ("2026-10-27T00:00:00Z", [], [], []),  # D-7
    ],
)
def test_tracking_is_of_the_promised_day_and_the_us_has_a_window_of_its_own_for_delivery(
    promised: str, valid: list[str], on_time: list[str], on_time_in_the_us: list[str]
) -> None:
    package = shipment(promised_by=promised)
    for marketplace, expected in ((DE, on_time), (US, on_time_in_the_us)):
        told = [order(marketplace_id=marketplace), package]
        assert windows_on("valid_tracking", *told, marketplace=marketplace) == valid
        assert windows_on("on_time_delivery", *told, marketplace=marketplace) == expected


def test_days_of_packages_are_cut_in_the_zone_of_their_orders_marketplace() -> None:
    """Case 30: 22:30 UTC in summer is the next day in Berlin."""
    told = [
        order(marketplace_id=DE),
        shipment(promised_by="2026-10-19T22:30:00Z", delivered_at="2026-10-20T21:59:59Z", marketplace_id=US),
    ]
    berlin = {DE: "Europe/Berlin", US: "Asia/Tokyo"}
    assert share("on_time_delivery", "30d", *told, marketplace=DE) == (0, 1)
    assert share("on_time_delivery", "30d", *told, marketplace=DE, zones=berlin) == (1, 1)
    edge = [order(marketplace_id=DE), shipment(confirmed_at="2026-10-04T22:00:00Z")]  # D-30 in UTC, D-29 in Berlin
    assert windows_on("late_shipment", *edge, marketplace=DE) == []
    assert windows_on("late_shipment", *edge, marketplace=DE, zones=berlin) == ["30d"]


# --- Contact response -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answered", "expected"),
    [
        ("2026-10-31T12:00:00Z", (1, 1)),  # after exactly 24 h
        ("2026-10-31T12:00:01Z", (0, 1)),
        ("2026-10-31T12:00:00.000001Z", (0, 1)),
        ("2026-10-31T12:00:00.0000009Z", (1, 1)),  # further digits are cut
        ("2026-10-31T13:30:00+01:30", (1, 1)),
        ("2026-10-29T00:00:00Z", (1, 1)),  # before it was received
        (None, (0, 1)),
    ],
)
def test_a_message_is_to_be_answered_within_a_day(answered: str | None, expected: Share) -> None:
    """Case 28."""
    assert response(message(answered)) == expected


def test_weekends_are_no_excuse_and_a_change_of_clocks_gives_no_hour() -> None:
    # The night to Sunday 2026-10-25 has 25 hours in Berlin.
    told = message("2026-10-25T12:00:00+01:00", received="2026-10-24T12:00:00+02:00", marketplace_id=DE)
    assert share("contact_response", "30d", told, marketplace=DE, zones={DE: "Europe/Berlin"}) == (0, 1)


def test_a_message_that_needs_no_answer_counts_nowhere_and_silence_about_it_means_need() -> None:
    assert response(message(needs_response=False)) is None
    assert response(message(needs_response=True), message(message_id="M-2", order_id=None)) == (0, 2)


def test_a_message_is_named_by_its_id_alone_and_counts_in_its_own_marketplace() -> None:
    first, second = message(order_id="o1"), message("2026-10-30T13:00:00Z", order_id="o2")
    assert response(order(marketplace_id=DE), first, second) == (1, 1)
    assert response(first, message(marketplace_id=DE)) is None
    assert response(first, message(seller_id="T")) == (0, 1)


@pytest.mark.parametrize(
    ("day", "windows"),
    [
        ("2026-08-03", []),  # D-92
        ("2026-08-04", ["90d"]),  # D-91
        ("2026-10-02", ["90d"]),  # D-32
        ("2026-10-03", ["30d", "90d"]),  # D-31
        ("2026-10-25", ["30d", "90d"]),  # D-9
        ("2026-10-26", ["7d", "30d", "90d"]),  # D-8
        ("2026-11-01", ["7d", "30d", "90d"]),  # D-2
        ("2026-11-02", []),  # D-1: its 24 h may not have run out
    ],
)
def test_messages_are_of_the_day_received(day: str, windows: list[str]) -> None:
    assert windows_on("contact_response", message(received=f"{day}T00:00:00Z")) == windows
    assert windows_on("contact_response", message(received=f"{day}T23:59:59Z")) == windows


# --- Policy violations ------------------------------------------------------------------------------------------------


def open_violations(*events: InputEvent, day: date = D, **view: Any) -> dict[tuple[str, str, str], float]:
    """How many are open, by marketplace, category and severity."""
    found = {}
    for (name, labels), number in account_gauges(events, day, **view).items():
        of = dict(labels)
        assert (name, of.pop("seller"), of.pop("window")) == ("seller_open_violations", SELLER, "180d")
        found[of.pop("marketplace"), of.pop("category"), of.pop("severity")] = number
        assert of == {}
    return found


def test_open_violations_are_counted_by_category_and_severity_until_they_are_resolved() -> None:
    told = [
        violation(),
        violation(violation_id="V-2"),
        violation(violation_id="V-3", severity="low"),
        violation(violation_id="V-4", marketplace_id=DE),
        violation("resolved", "V-5"),
    ]
    by_kind = {(US, "listing", "high"): 2, (US, "listing", "low"): 1, (DE, "listing", "high"): 1}
    assert open_violations(*told) == by_kind
    assert open_violations(*told, violation("resolved", "V-3")) == {
        kind: number for kind, number in by_kind.items() if kind != (US, "listing", "low")
    }
    assert open_violations(violation(), violation(category="safety")) == {(US, "safety", "high"): 1}


def test_open_violations_are_those_detected_in_the_last_180_days() -> None:
    days = {"2026-05-07": 0, "2026-05-08": 1, "2026-11-03": 1, "2026-11-04": 0}  # D-180, D-179, D, D+1
    found = {day: len(open_violations(violation(detected_at=f"{day}T12:00:00Z"))) for day in days}
    assert found == days


# --- Feedback received ------------------------------------------------------------------------------------------------


def test_the_buyers_view_is_the_share_of_negative_ones_among_the_feedback_that_is_posted() -> None:
    told = [feedback(rating, f"o{rating}") for rating in (1, 2, 3, 4, 5)]
    others = [feedback(1, "o6", status="removed"), feedback(1, "o7", status="struck_through"), claim("pending", "o8")]
    assert received(*told, *others) == (2, 5)
    assert recount(told) == {}  # without orders it is no part of ODR


def test_the_day_received_is_that_of_the_earliest_version_even_if_it_arrives_late() -> None:
    second = feedback(1, event_time="2026-11-01T00:00:00Z")
    first = feedback(5, event_time="2026-10-04T23:59:59Z")  # D-30
    assert received(second) == (1, 1)
    assert received(second, first) is None
    assert received(first, second, window="90d") == (1, 1)
    assert received(second, feedback(5, status="removed", event_time="2026-10-06T00:00:00Z")) == (1, 1)


def test_feedback_received_goes_by_its_own_marketplace_until_its_order_is_known() -> None:
    told = feedback(1, marketplace_id=DE, event_time="2026-10-04T22:30:00Z")  # D-30 in UTC, D-29 in Berlin
    berlin = {DE: "Europe/Berlin"}
    assert received(told, marketplace=DE) is None
    assert received(told, marketplace=DE, zones=berlin) == (1, 1)
    for known in (order(), order(status="Pending"), order(channel="AFN")):
        assert received(told, known, marketplace=DE, zones=berlin) is None
        assert received(told, known, zones=berlin) is None
        assert received(told, known, zones=berlin, window="90d") == (1, 1)


def test_two_feedbacks_on_one_order_are_two() -> None:
    assert received(order(), feedback(1), feedback(5, feedback_id="F-2")) == (1, 2)


def test_feedback_of_an_order_too_old_to_be_kept_goes_by_its_own_marketplace_again() -> None:
    told = [feedback(1, marketplace_id=DE), order(purchased="2026-04-17T23:59:59Z")]  # D-200
    assert received(*told, marketplace=DE) == (1, 1)
    assert received(*told) is None
    assert received(*told, marketplace=DE, retention_days=201) is None
    assert received(*told, retention_days=201) == (1, 1)


def test_a_year_of_feedback_is_shown_where_a_year_is_kept() -> None:
    told = [feedback(1, event_time="2025-11-04T00:00:00Z"), feedback(1, "o2", event_time="2025-11-03T23:59:59Z")]
    now = feedback(5, "o3")
    assert windows_on("feedback_received_negative", now, retention_days=364) == ["30d", "90d"]
    assert received(*told, now, window="365d", retention_days=365) == (1, 2)
    assert received(*told, now, window="365d", retention_days=500) == (1, 2)


@pytest.mark.parametrize(
    ("moment", "windows"),
    [
        ("2026-08-05T23:59:59Z", []),  # D-90
        ("2026-08-06T00:00:00Z", ["90d"]),  # D-89
        ("2026-10-04T23:59:59Z", ["90d"]),  # D-30
        ("2026-10-05T00:00:00Z", ["30d", "90d"]),  # D-29
        ("2026-11-03T23:59:59Z", ["30d", "90d"]),  # D
        ("2026-11-04T00:00:00Z", []),
    ],
)
def test_feedback_is_of_the_days_up_to_today(moment: str, windows: list[str]) -> None:
    assert windows_on("feedback_received_negative", feedback(1, event_time=moment)) == windows


# --- What is too old --------------------------------------------------------------------------------------------------


def test_an_order_goes_by_its_order_date_however_young_its_packages_are() -> None:
    told = [order(purchased="2026-04-17T23:59:59Z"), shipment()]  # D-200
    assert (late_shipment(*told), late_shipment(*told, retention_days=201)) == (None, (0, 1))
    tokyo = {US: "Asia/Tokyo"}
    assert late_shipment(*told, zones=tokyo) == (0, 1)  # there it is D-199


def test_a_version_about_a_day_that_is_not_kept_changes_nothing() -> None:
    too_old = "2026-04-17T23:59:59Z"
    assert cancellation(cancelled("seller"), order(purchased=too_old)) == (1, 1)
    assert response(message(), message("2026-10-30T13:00:00Z", received=too_old)) == (0, 1)
    assert open_violations(violation(), violation("resolved", detected_at=too_old)) == {(US, "listing", "high"): 1}
    ahead = [order(purchased="2026-10-30T12:00:00Z"), order(purchased=too_old)]
    assert gauges(ahead, D) == gauges(ahead[:1], D)


# --- The days of marketplaces -----------------------------------------------------------------------------------------


def test_each_marketplace_is_at_its_own_today() -> None:
    told = [cancelled("seller", "u"), cancelled("seller", "d", marketplace_id=DE)]  # of 2026-10-30
    zones = {DE: "Europe/Berlin", US: "America/Los_Angeles"}
    day = today(datetime(2026, 11, 6, 23, 30, tzinfo=UTC), zones)
    assert (day(DE), day(US), day("another")) == (date(2026, 11, 7), date(2026, 11, 6), date(2026, 11, 6))
    found = parts(told, day, zones=zones)
    assert {key[1] for key in shares(found, day)} == {US}  # D-7 there, D-8 in Berlin


def test_shares_of_several_days_are_those_of_each() -> None:
    told = [cancelled("seller", "o2"), order(), shipment(), message(), feedback(1), violation()]
    days = [D, D + timedelta(days=6)]
    assert shares_by_day(told, days) == {day: shares(parts(told, day), day) for day in days}
    assert len(shares_by_day(told, days)[D]) == 10


def test_events_are_read_from_a_compressed_file_of_lines(tmp_path: Path) -> None:
    told = [order(), feedback(1, comment="h\u00e4, \u2028")]
    lines = [json.dumps({"topic": topic, "key": SELLER, "value": value}) for topic, value in told]
    (tmp_path / "events.jsonl.gz").write_bytes(gzip.compress("\n".join(lines).encode()))
    assert read_events(tmp_path / "events.jsonl.gz") == told


# --- Judgement --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("metric", "marketplace", "failing", "passing"),
    [
        ("cancellation", US, (25, 1_000), (24, 1_000)),
        ("cancellation", INDIA, (20, 1_000), (19, 1_000)),
        ("late_shipment", DE, (40, 1_000), (39, 1_000)),
        ("late_shipment", INDIA, (20, 1_000), (19, 1_000)),
        ("valid_tracking", US, (950, 1_000), (951, 1_000)),
        ("on_time_delivery", DE, (970, 1_000), (971, 1_000)),
        ("on_time_delivery", US, (900, 1_000), (901, 1_000)),
        ("contact_response", US, (899, 1_000), (900, 1_000)),
    ],
)
def test_targets_at_their_edge(metric: str, marketplace: str, failing: Share, passing: Share) -> None:
    """Cases 22 and 25."""
    window = next(iter(windows_of(metric, marketplace)))
    missed, at_risk = (account_row(metric, marketplace, window, D, counts) for counts in (failing, passing))
    assert (missed["verdict"], missed["headroom"]) == ("missed", -1)
    assert (at_risk["verdict"], at_risk["headroom"]) == ("at_risk", 0)


@pytest.mark.parametrize(
    ("share", "target", "condition", "room"),
    [
        ((96, 100), "0.95", "greater_than", 0),
        ((95, 100), "0.95", "greater_than", -1),
        ((100, 100), "0.95", "greater_than", 4),
        ((0, 3), "0.95", "greater_than", -3),
        ((9, 10), "0.90", "at_least", 0),
        ((10, 10), "0.90", "at_least", 1),
        ((8, 10), "0.90", "at_least", -1),
        ((0, 1), "0.90", "at_least", -1),
        ((1, 43), "0.025", "less_than", 0),
        ((2, 43), "0.025", "less_than", -1),
    ],
)
def test_headroom_is_how_many_more_failures_fit(share: Share, target: str, condition: str, room: int) -> None:
    assert headroom(*share, Fraction(target), condition) == room


@given(
    st.tuples(st.integers(0, 60), st.integers(1, 60)).map(lambda counts: (min(counts), counts[1])),
    st.fractions(0, 1, max_denominator=200),
    st.sampled_from(("less_than", "greater_than", "at_least")),
)
def test_headroom_is_the_largest_number_that_meets_the_target(share: Share, target: Fraction, condition: str) -> None:
    numerator, denominator = share
    sign = 1 if condition == "less_than" else -1
    fits = [k for k in range(-70, 70) if not misses(numerator + sign * k, denominator, target, condition)]
    assert headroom(*share, target, condition) == max(fits)


@pytest.mark.parametrize(
    ("share", "minimum", "expected"),
    [
        ((0, 0), None, ("no_data", True)),
        ((10, 10), None, ("good", False)),  # 9 of 10 is still 90 %
        ((9, 9), None, ("good", True)),  # 8 of 9 is not: low volume, and nothing failed
        ((9, 10), None, ("at_risk", False)),
        ((8, 9), None, ("missed", True)),
        ((9, 9), 9, ("at_risk", False)),  # the minimum says that 9 is not low
        ((9, 9), 10, ("good", True)),
        ((19, 20), 30, ("good", True)),
        ((18, 20), 30, ("at_risk", True)),
    ],
)
def test_verdicts_and_low_volume_where_at_least_ninety_percent_are_asked_for(
    share: Share, minimum: int | None, expected: tuple[str, bool]
) -> None:
    """Case 23."""
    target = Fraction(9, 10)
    judged = verdict(*share, target=target, condition="at_least", minimum=minimum)
    assert (judged, low_volume(share[1], target, minimum, "at_least")) == expected


@pytest.mark.parametrize(
    ("target", "condition", "largest_low"),
    [("0.025", "less_than", 40), ("0.04", "less_than", 25), ("0.95", "greater_than", 20), ("0.90", "at_least", 9)],
)
def test_the_largest_low_volume(target: str, condition: str, largest_low: int) -> None:
    low = [n for n in range(60) if low_volume(n, Fraction(target), condition=condition)]
    assert low == list(range(largest_low + 1))


# --- What is shown ----------------------------------------------------------------------------------------------------


def labels(window: str, marketplace: str = US, **more: str) -> frozenset[tuple[str, str]]:
    return frozenset({"seller": SELLER, "marketplace": marketplace, "window": window, **more}.items())


TOLD = [
    *(cancelled("seller" if at == 0 else "amazon", f"c{at}") for at in range(4)),
    order(latest_ship_date="2026-10-10T00:00:00Z"),
    shipment(delivered_at="2026-10-25T00:00:00Z"),
    message("2026-10-30T13:00:00Z"),
    message(message_id="M-2"),
    message(message_id="M-3", received="2026-09-01T00:00:00Z"),
    violation(),
    violation(violation_id="V-2", severity="critical"),
]


def test_gauges_show_counts_and_ratios_where_there_is_anything() -> None:
    expected = {
        ("cancellation", "7d"): (1, 4),
        ("late_shipment", "30d"): (1, 1),
        ("valid_tracking", "30d"): (1, 1),
        ("on_time_delivery", "14d"): (0, 1),
        ("contact_response", "7d"): (1, 2),
        ("contact_response", "30d"): (1, 2),
        ("contact_response", "90d"): (1, 3),
    }
    series = {
        ("seller_open_violations", labels("180d", category="listing", severity="high")): 1.0,
        ("seller_open_violations", labels("180d", category="listing", severity="critical")): 1.0,
    }
    for (metric, window), (numerator, denominator) in expected.items():
        if numerator:
            series[f"seller_{metric}_numerator", labels(window)] = float(numerator)
        series[f"seller_{metric}_denominator", labels(window)] = float(denominator)
        series[f"seller_{metric}_ratio", labels(window)] = numerator / denominator
    assert account_gauges(TOLD, D) == series
    assert {name for name, _ in series} <= ACCOUNT_GAUGES
    assert ODR_GAUGES | ACCOUNT_GAUGES == ALL_GAUGES
    assert len(ACCOUNT_GAUGES) == 3 * 6 + 1


def test_a_scraped_page_may_show_counts_of_zero_and_nothing_else_that_is_not_expected() -> None:
    expected = account_gauges(TOLD, D)
    page = {**expected, ("seller_on_time_delivery_numerator", labels("14d")): 0.0, ("seller_orders", labels("x")): 1.0}
    assert gauge_differences(page, expected, ACCOUNT_GAUGES) == []
    assert len(gauge_differences(page, expected, ALL_GAUGES)) == 1
    assert (
        len(gauge_differences({**page, ("seller_cancellation_ratio", labels("30d")): 0.0}, expected, ALL_GAUGES)) == 2
    )
    assert len(gauge_differences({}, expected, ACCOUNT_GAUGES)) == len(expected)


def rows(*events: InputEvent, **how: Any) -> dict[tuple[str, str, str], Row]:
    """The figures by metric, marketplace and window."""
    return {
        (row["metric"], row["marketplace"], row["window"]): row
        for row in account_rows(events, SELLER, how.pop("evaluation_day", D), **how)
    }


def test_a_figure_tells_its_window_counts_target_and_judgement() -> None:
    row = rows(*TOLD)["cancellation", US, "7d"]
    interval = row.pop("interval")
    assert row == {
        "metric": "cancellation",
        "marketplace": US,
        "channel": "MFN",
        "window": "7d",
        "from": "2026-10-27",
        "to": "2026-11-02",
        "numerator": 1,
        "denominator": 4,
        "ratio": 0.25,
        "target": 0.025,
        "condition": "less_than",
        "verdict": "missed",
        "low_volume": True,
        "headroom": -1,
    }
    assert tuple(interval) == wilson95(1, 4)


def test_open_violations_have_one_row_and_no_ratio() -> None:
    row = rows(*TOLD)["open_violations", US, "180d"]
    assert row == {
        "metric": "open_violations",
        "marketplace": US,
        "channel": None,
        "window": "180d",
        "from": "2026-05-08",
        "to": "2026-11-03",
        "numerator": 2,
        "denominator": None,
        "ratio": None,
        "target": 0.0,
        "condition": "equals",
        "verdict": "missed",
        "low_volume": False,
        "headroom": -2,
        "interval": None,
    }
    good = rows(violation("resolved"), message())["open_violations", US, "180d"]
    assert (good["numerator"], good["verdict"], good["headroom"]) == (0, "good", 0)


def test_feedback_received_is_not_judged() -> None:
    row = rows(feedback(1))["feedback_received_negative", US, "90d"]
    assert (row["channel"], row["numerator"], row["denominator"], row["ratio"]) == (None, 1, 1, 1.0)
    assert [row[field] for field in ("target", "condition", "verdict", "low_volume", "headroom")] == [None] * 5
    assert row["interval"] == list(wilson95(1, 1) or ())


def test_every_marketplace_has_its_own_windows_targets_and_rows() -> None:
    """Case 25."""
    told = [cancelled("seller", "u"), *(cancelled(None, f"i{at}", marketplace_id=INDIA) for at in range(49))]
    found = rows(*told, cancelled("seller", "i", marketplace_id=INDIA))
    assert {window for metric, of, window in found if (metric, of) == ("on_time_delivery", US)} == {"14d"}
    assert {window for metric, of, window in found if (metric, of) == ("on_time_delivery", INDIA)} == {"30d"}
    india = found["cancellation", INDIA, "7d"]
    assert (india["numerator"], india["denominator"], india["target"], india["verdict"]) == (1, 50, 0.02, "missed")
    assert found["on_time_delivery", US, "14d"]["target"] == 0.9
    assert found["contact_response", INDIA, "7d"]["verdict"] == "no_data"
    settings = Settings({INDIA: {"cancellation": Fraction(1, 10)}}, {INDIA: 51})
    judged = rows(*told, cancelled("seller", "i", marketplace_id=INDIA), settings=settings)["cancellation", INDIA, "7d"]
    assert (judged["target"], judged["verdict"], judged["low_volume"], judged["headroom"]) == (0.1, "good", True, 3)


def test_a_day_in_the_past_is_judged_with_todays_knowledge_where_its_window_is_kept() -> None:
    told = [cancelled("seller", purchase_date="2026-09-01T12:00:00Z"), message()]
    assert rows(*told, as_of=date(2026, 9, 8))["cancellation", US, "7d"]["numerator"] == 1
    for back, shown in ((20, True), (21, False)):  # of the 200 days that are kept, 180 are asked for
        found = {metric for metric, _, _ in rows(*told, as_of=D - timedelta(days=back))}
        assert ("open_violations" in found) is shown
    # 90 days with a lag of 2 fit until 108 days ago, the 7 days of cancellations until 192 days ago.
    assert ("contact_response", US, "90d") in rows(*told, as_of=D - timedelta(days=108))
    assert ("contact_response", US, "90d") not in rows(*told, as_of=D - timedelta(days=109))
    assert list(rows(*told, as_of=D - timedelta(days=192))) == [("cancellation", US, "7d")]
    assert rows(*told, as_of=D - timedelta(days=193)) == {}


def test_rows_of_no_data_may_be_there_or_not_and_everything_else_must_be_the_same() -> None:
    expected = account_rows(TOLD, SELLER, D)
    full = [row for row in expected if row["numerator"] or row["denominator"]]
    assert row_differences(expected, expected) == row_differences(full, expected) == []
    assert row_differences(expected, full) == []
    assert len(row_differences([], expected)) == len(full)
    assert len(row_differences([*full, full[0]], expected)) == 1
    assert len(row_differences([{**full[0], "verdict": "good"}, *full[1:]], expected)) == 1
    assert len(row_differences([{**full[0], "interval": None}, *full[1:]], expected)) == 1
    assert row_differences([*full, {"metric": "order_defect"}], expected) == []


# --- The histories that other tests draw ------------------------------------------------------------------------------


@given(strategies.whole_histories())
def test_no_two_versions_of_a_thing_share_time_and_id(history: list[InputEvent]) -> None:
    own = {"messages": "message_id", "violations": "violation_id", "shipments": "shipment_id"}
    versions: dict[Any, Any] = {}
    for topic, value in history:
        if topic in own:
            order_id = value["order_id"] if topic == "shipments" else None
            name = topic, value["seller_id"], order_id, value[own[topic]], version_of(value)
            assert versions.setdefault(name, value) == value


@given(
    st.data(),
    st.builds(
        View,
        evaluation_day=strategies.evaluation_days(),
        switches=strategies.switches(),
        zones=strategies.zones(strategies.WHOLE_MARKETPLACES),
        retention_days=st.sampled_from((200, 400)),
    ),
    strategies.settings(),
    st.booleans(),
)
def test_any_order_of_arrival_gives_the_same_figures(
    drawn: st.DataObject, view: View, settings: Settings, old: bool
) -> None:
    """Case 31, and 18: redelivery changes nothing."""
    history = drawn.draw(strategies.whole_histories(retention_days=view.retention_days if old else None))
    other = drawn.draw(strategies.rearranged(history))
    how: dict[str, Any] = vars(view)
    assert account_gauges(history, **how) == account_gauges(other, **how)
    for seller in strategies.SELLERS:
        expected = account_rows(history, seller, settings=settings, **how)
        assert account_rows(other, seller, settings=settings, **how) == expected
        assert row_differences(expected, expected) == []
