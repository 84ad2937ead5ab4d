"""The table of metrics: figures, windows and targets are those of rules.md, everywhere that has others too."""

from typing import Any

import pytest

from stream.figures import LEDGERS, ONE
from stream.metrics import METRICS, METRICS_OF, WINDOWS, Metric
from stream.rules import Rules
from stream.shares import Place
from tests import recount
from tests.builders import DE, INDIA, JP, US

RULES = Rules()
BY_NAME = {metric.name: metric for metric in METRICS}


def windows(metric: Metric, marketplace: str, retention_days: int = 200) -> list[tuple[str, int, int]]:
    found = metric.windows_in(marketplace, Rules(retention_days=retention_days))
    return [(window.name, window.days, window.lag) for window in found]


@pytest.mark.parametrize(
    ("ledger", "day", "expected"),
    [
        ("orders", "order date", [("official", 60, 15), ("ahead", 60, 0), ("7d", 7, 1)]),
        ("confirmations", "day of confirmation", [("30d", 30, 0), ("10d", 10, 0)]),
        ("packages", "promised delivery day", [("30d", 30, 10), ("14d", 14, 8)]),
        ("feedback", "day received", [("30d", 30, 0), ("90d", 90, 0), ("365d", 365, 0)]),
        ("messages", "day received", [("7d", 7, 2), ("30d", 30, 2), ("90d", 90, 2)]),
        ("violations", "day detected", [("180d", 180, 0)]),
    ],
)
def test_each_ledger_has_the_windows_that_its_metrics_have_anywhere(
    ledger: str, day: str, expected: list[tuple[str, int, int]]
) -> None:
    assert LEDGERS[ledger].day == day
    assert [(window.name, window.days, window.lag) for window in WINDOWS[ledger]] == expected


def test_every_ledger_has_metrics_and_every_metric_one_ledger() -> None:
    assert WINDOWS.keys() == METRICS_OF.keys() == LEDGERS.keys()
    assert sorted(metric.name for of in METRICS_OF.values() for metric in of) == sorted(BY_NAME)
    for metric in METRICS:
        assert metric.numerator in metric.ledger.figures
        assert metric.denominator is None or metric.denominator in metric.ledger.figures


@pytest.mark.parametrize("marketplace", [US, DE, INDIA, JP, "any other"])
@pytest.mark.parametrize("retention_days", [190, 200, 364, 365, 400])
def test_the_windows_of_account_health_are_the_oracles_in_every_marketplace(
    marketplace: str, retention_days: int
) -> None:
    for name in recount.ACCOUNT_METRICS:
        of = recount.windows_of(name, marketplace, retention_days)
        assert windows(BY_NAME[name], marketplace, retention_days) == [(label, *window) for label, window in of.items()]


def test_deliveries_are_looked_at_for_14_days_in_the_us_and_for_30_elsewhere() -> None:
    """Case 25."""
    assert windows(BY_NAME["on_time_delivery"], US) == [("14d", 14, 8)]
    assert windows(BY_NAME["on_time_delivery"], DE) == [("30d", 30, 10)]
    assert windows(BY_NAME["valid_tracking"], US) == [("30d", 30, 10)]


@pytest.mark.parametrize(("retention_days", "shown"), [(190, False), (364, False), (365, True), (1000, True)])
def test_a_year_of_feedback_is_looked_at_where_a_year_is_kept(retention_days: int, shown: bool) -> None:
    labels = [label for label, *_ in windows(BY_NAME["feedback_received_negative"], US, retention_days)]
    assert labels == ["30d", "90d", "365d"][: 2 + shown]


def test_every_window_but_a_year_fits_into_the_fewest_days_that_may_be_kept() -> None:
    for metric in METRICS:
        for window in (*metric.windows, *(window for of in metric.own_windows.values() for window in of)):
            assert window.name == "365d" or window.days + window.lag <= 190


@pytest.mark.parametrize(
    ("name", "place", "told", "channel"),
    [
        ("order_defect", ("orders", US, "MFN"), True, "MFN"),
        ("order_defect", ("orders", US, "AFN"), True, "AFN"),
        ("claim", ("orders", US, "AFN"), True, "AFN"),
        ("cancellation", ("orders", US, "MFN"), True, "MFN"),
        ("cancellation", ("orders", US, "AFN"), False, "MFN"),
        ("late_shipment", ("confirmations", US), True, "MFN"),
        ("valid_tracking", ("packages", US), True, "MFN"),
        ("contact_response", ("messages", US), True, None),
        ("feedback_received_negative", ("feedback", US), True, None),
        ("open_violations", ("violations", US, "listing", "high"), True, None),
    ],
)
def test_a_metric_is_told_of_its_channel_each_channel_or_none(
    name: str, place: Place, told: bool, channel: str | None
) -> None:
    """Case 24."""
    assert BY_NAME[name].is_told_in(place) is told
    assert BY_NAME[name].channel_in(place) == channel
    assert BY_NAME[name].by_channel is (name in {"order_defect", "negative_feedback", "claim", "chargeback"})


@pytest.mark.parametrize(
    ("name", "figures", "counted"),
    [
        ("order_defect", {"orders": 7, "defective_orders": 2, "uncounted_orders": 5}, (2, 7)),
        ("cancellation", {"orders": 7, "cancelled_orders": 3, "defective_orders": 2}, (3, 7)),
        ("late_shipment", {"confirmed_orders": 9, "late_orders": 4}, (4, 9)),
        ("valid_tracking", {"packages": 5, "tracked_packages": 4, "on_time_packages": 3}, (4, 5)),
        ("on_time_delivery", {"packages": 5, "tracked_packages": 4, "on_time_packages": 3}, (3, 4)),
        ("contact_response", {"messages": 6, "answered_messages": 5}, (5, 6)),
        ("feedback_received_negative", {"received_feedback": 8, "negative_received_feedback": 1}, (1, 8)),
        ("open_violations", {"violations": 8, "open_violations": 2}, (2, None)),
    ],
)
def test_a_metric_is_counted_in_an_amount_of_its_ledger(name: str, figures: dict[str, int], counted: Any) -> None:
    amount = sum(number * ONE[figure] for figure, number in figures.items())
    assert BY_NAME[name].counted(amount) == counted
    if counted[1] is not None:
        assert BY_NAME[name].share(amount) == counted
