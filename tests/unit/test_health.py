"""A seller's health on a day: figures with verdicts, defects with causes, the forecast, and what sorts sellers."""

from datetime import date, timedelta
from fractions import Fraction
from typing import Any

import pytest

from stream import health
from stream.accounts import Account, Accounts
from stream.decode import instant
from stream.evaluation import EvaluationDays
from stream.metrics import METRICS
from stream.rules import Marketplace, Rules
from tests.builders import (
    DE,
    INDIA,
    JP,
    SELLER,
    US,
    D,
    accounts_on,
    after,
    apply,
    cancelled,
    chargeback,
    claim,
    feedback,
    held,
    message,
    order,
    rules_of,
    shipment,
    violation,
)
from tests.recount import InputEvent

RULES = Rules()


def seller(accounts: Accounts) -> Account:
    return accounts.sellers[SELLER]


def ordinal(day: date | None) -> int | None:
    return None if day is None else day.toordinal()


def rows(*told: InputEvent, as_of: date | None = None, rules: Rules = RULES) -> dict[tuple[str, str], dict[str, Any]]:
    """The figures by metric and window of a seller in one marketplace and, where there are any, one channel."""
    accounts = accounts_on(D, rules)
    apply(accounts, *told)
    found = health.figures(seller(accounts), ordinal(as_of), held(rules), rules)
    by_name = {(row["metric"], row["window"]): row for row in found}
    assert len(by_name) == len(found)
    return by_name


def orders(number: int, first: int = 0, purchased: str = "2026-10-01T12:00:00Z") -> list[InputEvent]:
    return [order(f"o{at}", purchased) for at in range(first, first + number)]


def test_a_figure_tells_its_window_counts_target_and_judgement() -> None:
    row = rows(*orders(400), claim("pending", "o1"))["order_defect", "official"]
    interval = row.pop("interval")
    assert row == {
        "metric": "order_defect",
        "marketplace": US,
        "channel": "MFN",
        "window": "official",
        "from": "2026-08-21",
        "to": "2026-10-19",
        "numerator": 1,
        "denominator": 400,
        "ratio": 0.0025,
        "target": 0.01,
        "condition": "less_than",
        "verdict": "good",
        "low_volume": False,
        "headroom": 2,
    }
    assert interval == pytest.approx((0.000441, 0.014023), abs=1e-6)


def test_every_metric_has_a_row_for_each_of_its_windows() -> None:
    assert list(rows(order(marketplace_id=DE), rules=Rules(retention_days=400))) == [
        (metric.name, window.name) for metric in METRICS for window in metric.windows
    ]


def test_a_metric_without_a_target_is_not_judged() -> None:
    row = rows(order(), claim("pending"))["claim", "ahead"]
    assert (row["numerator"], row["denominator"], row["ratio"]) == (1, 1, 1.0)
    assert [row[field] for field in ("target", "condition", "verdict", "low_volume", "headroom")] == [None] * 5


def test_the_official_figure_is_at_risk_where_the_ahead_window_misses_and_the_ahead_row_is_judged_by_itself() -> None:
    recent = "2026-10-25T12:00:00Z"  # D-9: ahead only
    found = rows(*orders(1000), *orders(10, 1000, recent), *[claim("pending", f"o{at}") for at in range(1000, 1011)])
    assert found["order_defect", "official"]["verdict"] == "good"
    assert found["order_defect", "ahead"]["verdict"] == "at_risk"
    found = rows(
        *orders(1000, purchased="2026-08-25T12:00:00Z"),  # D-70: official only
        *orders(50),
        *orders(50, 2000, recent),
        claim("pending", "o2001"),
    )
    assert found["order_defect", "official"]["verdict"] == "at_risk"
    assert found["order_defect", "ahead"]["verdict"] == "missed"


def test_without_orders_there_is_no_data_no_ratio_no_headroom_and_no_interval() -> None:
    """Case 21."""
    row = rows(order(purchased="2026-11-02T12:00:00Z"))["order_defect", "official"]
    assert (row["numerator"], row["denominator"], row["verdict"]) == (0, 0, "no_data")
    assert [row[field] for field in ("ratio", "headroom", "interval")] == [None] * 3


def test_a_marketplaces_minimum_and_target_are_its_own() -> None:
    """Case 25."""
    rules = Rules(marketplaces={US: Marketplace(minimum_denominator=50, targets={"order_defect": Fraction(1, 10)})})
    row = rows(*orders(50), claim("pending", "o1"), rules=rules)["order_defect", "official"]
    assert (row["target"], row["verdict"], row["low_volume"], row["headroom"]) == (0.1, "good", False, 3)


def test_a_day_in_the_past_is_judged_with_todays_knowledge() -> None:
    told = [order(purchased="2026-08-20T12:00:00Z"), claim("pending", event_time="2026-11-02T00:00:00Z")]
    assert rows(*told)["order_defect", "official"]["denominator"] == 0
    row = rows(*told, as_of=D - timedelta(days=1))["order_defect", "official"]
    assert (row["numerator"], row["denominator"], row["from"], row["to"]) == (1, 1, "2026-08-20", "2026-10-18")


def test_figures_whose_window_is_not_wholly_kept_are_left_out() -> None:
    rules = Rules(retention_days=100)
    windows = {
        back: {
            window
            for metric, window in rows(order(), as_of=D - timedelta(days=back), rules=rules)
            if metric == "order_defect"
        }
        for back in (25, 26, 40, 41)
    }
    assert windows == {25: {"official", "ahead"}, 26: {"ahead"}, 40: {"ahead"}, 41: set()}


def test_each_marketplace_is_at_its_own_today_unless_a_day_is_asked_for() -> None:
    rules = rules_of(zones={JP: "Asia/Tokyo"})
    evaluation = EvaluationDays(rules, instant("2026-11-03T15:00:00Z"))
    accounts = Accounts(rules, evaluation)
    apply(accounts, order("u"), order("j", marketplace_id=JP))
    today = health.figures(seller(accounts), None, evaluation, rules)
    asked = health.figures(seller(accounts), D.toordinal(), evaluation, rules)
    assert {(row["marketplace"], row["to"]) for row in today if row["window"] == "ahead"} == {
        (JP, "2026-11-04"),
        (US, "2026-11-03"),
    }
    assert {row["to"] for row in asked if row["window"] == "ahead"} == {"2026-11-03"}


# --- Every metric -----------------------------------------------------------------------------------------------------


def named(found: list[dict[str, Any]], marketplace: str = US) -> dict[tuple[str, str], dict[str, Any]]:
    return {(row["metric"], row["window"]): row for row in found if row["marketplace"] == marketplace}


@pytest.mark.parametrize("told", [message(), violation(), feedback(1), violation("resolved")])
def test_a_marketplace_with_anything_has_a_row_of_every_metric_but_those_of_channels_without_orders(
    told: InputEvent,
) -> None:
    found = rows(told, rules=Rules(retention_days=400))
    channelled = {"order_defect", "negative_feedback", "claim", "chargeback"}
    windows = {metric.name: metric.windows_in(US, Rules(retention_days=400)) for metric in METRICS}
    assert list(found) == [
        (name, window.name) for name, of in windows.items() if name not in channelled for window in of
    ]


def test_where_nothing_is_there_a_metric_with_a_target_is_no_data_and_open_violations_are_good() -> None:
    """Case 21."""
    found = rows(order(channel="AFN"))
    rest = {name: row for name, row in found.items() if row["channel"] != "AFN"}
    assert {name: row["verdict"] for name, row in rest.items()} == {
        ("cancellation", "7d"): "no_data",
        ("late_shipment", "30d"): "no_data",
        ("late_shipment", "10d"): "no_data",
        ("valid_tracking", "30d"): "no_data",
        ("on_time_delivery", "14d"): "no_data",
        ("contact_response", "7d"): "no_data",
        ("contact_response", "30d"): "no_data",
        ("contact_response", "90d"): "no_data",
        ("open_violations", "180d"): "good",
        ("feedback_received_negative", "30d"): None,
        ("feedback_received_negative", "90d"): None,
    }
    for (metric, _), row in rest.items():
        assert row["numerator"] == 0
        assert row["denominator"] == (None if metric == "open_violations" else 0)
        assert row["ratio"] is row["interval"] is None
        assert row["headroom"] == (0 if metric == "open_violations" else None)


def test_the_four_metrics_of_a_sellers_own_shipping_are_of_mfn_and_the_rest_of_no_channel() -> None:
    """Case 24."""
    found = health.figures(seller(after(order(channel="AFN"))), None, held(RULES), RULES)
    own = {"cancellation", "late_shipment", "valid_tracking", "on_time_delivery"}
    none = {"contact_response", "open_violations", "feedback_received_negative"}
    assert {row["metric"] for row in found if row["channel"] == "MFN"} == own
    assert {row["metric"] for row in found if row["channel"] is None} == none


def test_every_figure_of_account_health_is_told_with_its_judgement() -> None:
    told = [
        *(cancelled("seller", "c1"), *(cancelled(None, f"c{at}") for at in range(2, 51))),
        *(order("o1", latest_ship_date="2026-10-10T00:00:00Z"), shipment("o1"), order("o2")),
        shipment("o2", shipment_id="P-2", delivered_at=None),
        *(message("2026-10-30T13:00:00Z", f"M-{at}") for at in range(9)),
        *(message(message_id="M-9"), feedback(1, "o1"), feedback(5, "o2")),
    ]
    judged = ("numerator", "denominator", "ratio", "target", "condition", "verdict", "low_volume", "headroom")
    found = {name: tuple(row[field] for field in judged) for name, row in rows(*told).items()}
    assert found["cancellation", "7d"] == (1, 50, 0.02, 0.025, "less_than", "at_risk", False, 0)
    assert found["late_shipment", "30d"] == (1, 2, 0.5, 0.04, "less_than", "missed", True, -1)
    assert found["late_shipment", "10d"] == (0, 0, None, 0.04, "less_than", "no_data", True, None)
    assert found["valid_tracking", "30d"] == (2, 2, 1.0, 0.95, "greater_than", "good", True, 0)
    assert found["on_time_delivery", "14d"] == (1, 2, 0.5, 0.9, "greater_than", "missed", True, -1)
    assert found["contact_response", "7d"] == (9, 10, 0.9, 0.9, "at_least", "at_risk", False, 0)
    assert found["feedback_received_negative", "30d"] == (1, 2, 0.5, None, None, None, None, None)


def test_open_violations_are_one_row_over_all_categories_and_severities() -> None:
    told = [
        *(violation(), violation(violation_id="V-2", severity="low"), violation(violation_id="V-3", category="safety")),
        *(violation("resolved", "V-4"), violation(violation_id="V-5", detected_at="2026-05-07T12:00:00Z")),
    ]
    row = rows(*told)["open_violations", "180d"]
    assert row == {
        "metric": "open_violations",
        "marketplace": US,
        "channel": None,
        "window": "180d",
        "from": "2026-05-08",
        "to": "2026-11-03",
        "numerator": 3,
        "denominator": None,
        "ratio": None,
        "target": 0.0,
        "condition": "equals",
        "verdict": "missed",
        "low_volume": False,
        "headroom": -3,
        "interval": None,
    }
    resolved = [(topic, {**value, "event_id": "later", "status": "resolved"}) for topic, value in told]
    good = rows(*told, *resolved)["open_violations", "180d"]
    assert (good["numerator"], good["verdict"], good["headroom"]) == (0, "good", 0)
    yesterday = rows(*told, as_of=D - timedelta(days=1))["open_violations", "180d"]
    assert (yesterday["numerator"], yesterday["from"]) == (4, "2026-05-07")


def test_each_marketplace_has_the_rows_windows_and_targets_of_its_own() -> None:
    """Case 25."""
    accounts = after(message(), violation(marketplace_id=DE), feedback(1, marketplace_id=INDIA))
    found = health.figures(seller(accounts), None, held(RULES), RULES)
    assert [row["marketplace"] for row in found] == sorted(row["marketplace"] for row in found)
    deliveries = {row["marketplace"]: row for row in found if row["metric"] == "on_time_delivery"}
    assert {of: (row["window"], row["target"]) for of, row in deliveries.items()} == {
        US: ("14d", 0.9),
        DE: ("30d", 0.97),
        INDIA: ("30d", 0.97),
    }
    assert {row["marketplace"]: row["target"] for row in found if row["metric"] == "cancellation"} == {
        US: 0.025,
        DE: 0.025,
        INDIA: 0.02,
    }
    numbers = {of: named(found, of)["open_violations", "180d"]["numerator"] for of in (US, DE, INDIA)}
    assert numbers == {US: 0, DE: 1, INDIA: 0}


def test_on_a_day_in_the_past_only_metrics_are_told_whose_own_window_is_wholly_kept() -> None:
    told = [order(), message(), violation()]
    for back, there in ((20, True), (21, False)):  # 200 days are kept, 180 asked for
        found = rows(*told, as_of=D - timedelta(days=back))
        assert (("open_violations", "180d") in found) is there
        assert ("contact_response", "90d") in found
    assert list(rows(*told, as_of=D - timedelta(days=192))) == [("cancellation", "7d")]


# --- Defects ----------------------------------------------------------------------------------------------------------


def listed(*told: InputEvent, as_of: date | None = None) -> list[dict[str, Any]]:
    return health.defects(seller(after(*told)), ordinal(as_of), held(RULES), RULES)


def test_a_defective_order_tells_when_it_enters_when_it_drops_off_and_why() -> None:
    told = [
        order(),
        feedback(1, reason="late", event_time="2026-11-01T12:00:00.120Z"),
        feedback(5, feedback_id="praise"),
        claim("granted", funded_by="seller", event_time="2026-11-01T12:00:00+02:00"),
        chargeback("service"),
        chargeback("fraud", chargeback_id="B-2"),
    ]
    (row,) = listed(*told)
    causes = row.pop("causes")
    assert row == {
        "order_id": "o1",
        "order_date": "2026-10-01",
        "marketplace": US,
        "channel": "MFN",
        "windows": ["official", "ahead"],
        "enters": "2026-10-16",
        "drops_off": "2026-12-15",
    }
    assert sorted(causes, key=lambda cause: str(cause["kind"])) == [
        {"kind": "chargeback", "id": "B-1", "status": "open", "reason": None, "event_time": "2026-11-01T00:00:00Z"},
        {"kind": "claim", "id": "C-1", "status": "granted", "reason": None, "event_time": "2026-11-01T10:00:00Z"},
        {
            "kind": "feedback",
            "id": "o1",
            "status": "posted",
            "reason": "late",
            "event_time": "2026-11-01T12:00:00.120000Z",
        },
    ]


def test_defects_are_listed_by_order_date_as_long_as_they_are_or_will_be_in_the_official_window() -> None:
    purchased = {
        "z": "2026-08-21T00:00:00Z",  # D-74
        "y": "2026-08-20T23:59:59Z",  # D-75: dropped off today
        "x": "2026-10-19T23:59:59Z",  # D-15
        "b": "2026-11-30T12:00:00Z",  # in no window yet
        "a": "2026-11-30T12:00:00Z",
    }
    told = [*(order(*bought) for bought in purchased.items()), *(claim("pending", order_id) for order_id in purchased)]
    assert [(row["order_id"], row["windows"]) for row in listed(*told)] == [
        ("z", ["official"]),
        ("x", ["official", "ahead"]),
        ("a", []),
        ("b", []),
    ]
    assert [row["order_id"] for row in listed(*told, as_of=D - timedelta(days=1))] == ["y", "z", "x", "a", "b"]


@pytest.mark.parametrize(
    "told",
    [
        [claim("pending")],
        [order(status="Pending"), claim("pending")],
        [order(), claim("withdrawn"), feedback(3)],
    ],
)
def test_what_is_in_no_numerator_is_in_no_list(told: list[InputEvent]) -> None:
    assert listed(*told) == []


# --- Forecast and summaries -------------------------------------------------------------------------------------------


def test_a_forecast_is_what_the_official_window_will_be_if_nothing_more_happens() -> None:
    told = [order("o1"), order("o2", "2026-10-25T12:00:00Z"), claim("pending", "o2")]
    found = health.forecast(seller(after(*told)), held(RULES))
    assert [row["day"] for row in found] == [(D + timedelta(days=ahead)).isoformat() for ahead in range(1, 61)]
    by_day = {row["day"]: (row["orders"], row["defective_orders"], row["ratio"]) for row in found}
    assert by_day["2026-11-08"] == (1, 0, 0.0)
    assert by_day["2026-11-09"] == (2, 1, 0.5)  # D-9 becomes D-15
    assert by_day["2026-12-14"] == (2, 1, 0.5)
    assert by_day["2026-12-15"] == (1, 1, 1.0)  # the first order drops off
    assert all(row[bound] is None for row in found for bound in ("expected", "low_80", "high_80", "low_95", "high_95"))


def test_the_worst_come_first_and_those_without_data_last() -> None:
    accounts = after(
        order("o1", seller_id="half"),
        order("o2", seller_id="half"),
        claim("pending", "o1", seller_id="half"),
        order("o1", seller_id="b"),
        order("o1", seller_id="a"),
        order("o2", seller_id="a", marketplace_id=DE),
        order("o1", seller_id="A pending", status="Pending"),
        order("o1", seller_id="A later", purchased="2026-11-01T00:00:00Z"),
        claim("pending", "nowhere", seller_id="waits"),
    )
    found = [
        row
        for seller_id, account in accounts.sellers.items()
        for row in health.summaries(seller_id, account, held(RULES), RULES)
    ]
    assert [
        (row["seller"], row["marketplace"], row["channel"], row["orders"], row["order_defect_ratio"], row["verdict"])
        for row in sorted(found, key=health.worst_first)
    ] == [
        ("half", US, "MFN", 2, 0.5, "missed"),
        ("a", DE, "MFN", 1, 0.0, "good"),
        ("a", US, "MFN", 1, 0.0, "good"),
        ("b", US, "MFN", 1, 0.0, "good"),
        ("A later", US, "MFN", 0, None, "no_data"),
        ("A pending", US, "MFN", 0, None, "no_data"),
    ]


# --- Days and instants as text ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("2026-11-03T16:20:05.120+01:00", "2026-11-03T15:20:05.120000Z"),
        ("2026-11-03T16:20:05Z", "2026-11-03T16:20:05Z"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
        ("9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999Z"),
        ("0001-01-01T00:00:00+14:00", "0001-01-01T00:00:00Z"),
        ("9999-12-31T23:59:59-12:00", "9999-12-31T23:59:59.999999Z"),
    ],
)
def test_an_instant_is_told_in_utc_or_as_the_nearest_that_can_be(text: str, told: str) -> None:
    assert health.iso_instant(instant(text)) == told


def test_a_defect_on_an_order_of_the_calendars_last_day_can_be_told() -> None:
    (row,) = listed(order(purchased="9999-12-31T23:59:59-12:00"), claim("pending"))
    assert [row[field] for field in ("order_date", "enters", "drops_off")] == ["9999-12-31"] * 3
