"""Which sellers become series where only those do that somebody should look at."""

from fractions import Fraction

import pytest

from stream.export import SHOWN_SECONDS, AtRisk
from stream.figures import ONE
from stream.gauges import Group, Totals
from stream.metrics import WINDOWS
from stream.rules import Marketplace, Rules
from stream.shares import Place
from tests.builders import DE, SELLER, US

GROUP = Group(SELLER, ("orders", US, "MFN"))
ELSEWHERE = Group(SELLER, ("orders", DE, "MFN"))


def amounts(orders: int, defective: int) -> int:
    return orders * ONE["orders"] + defective * ONE["defective_orders"]


def windows(official: int, ahead: int, cancellations: int = 0) -> Totals:
    return official, ahead, cancellations


def both(orders: int, defective: int) -> Totals:
    return windows(amounts(orders, defective), amounts(orders, defective))


@pytest.mark.parametrize(
    ("official", "ahead", "shown"),
    [
        ((1000, 6), (1000, 0), True),
        ((1000, 0), (1000, 6), True),
        ((1000, 5), (1000, 5), False),  # exactly half of 1 %
        ((0, 0), (0, 0), False),
        ((10, 0), (10, 0), False),
        ((1000, 30), (0, 0), True),
    ],
)
def test_a_seller_is_shown_above_half_its_target_in_either_window(
    official: tuple[int, int], ahead: tuple[int, int], shown: bool
) -> None:
    totals = {GROUP: windows(amounts(*official), amounts(*ahead))}
    assert AtRisk(Rules()).choose(totals, 0.0) == (totals if shown else {})


def test_half_a_target_goes_by_the_marketplaces_own() -> None:
    rules = Rules(marketplaces={US: Marketplace(targets={"order_defect": Fraction(1, 10)})})
    totals = {GROUP: both(100, 4), ELSEWHERE: both(100, 4)}
    assert list(AtRisk(rules).choose(totals, 0.0)) == [ELSEWHERE]


@pytest.mark.parametrize(("before", "after"), [(1, 2), (2, 1), (1, 0)])
def test_a_seller_is_shown_for_an_hour_after_its_defective_orders_have_changed(before: int, after: int) -> None:
    at_risk = AtRisk(Rules())
    assert at_risk.choose({GROUP: both(1000, before)}, 0.0) == {}
    changed = {GROUP: both(1000, after)}
    assert at_risk.choose(changed, 100.0) == changed
    assert at_risk.choose(changed, 99.0 + SHOWN_SECONDS) == changed
    assert at_risk.choose(changed, 100.0 + SHOWN_SECONDS) == {}


def test_more_orders_alone_do_not_show_a_seller() -> None:
    at_risk = AtRisk(Rules())
    assert at_risk.choose({GROUP: both(1000, 1)}, 0.0) == {}
    assert at_risk.choose({GROUP: both(1001, 1)}, 15.0) == {}


def test_a_seller_that_comes_from_another_worker_has_not_changed() -> None:
    at_risk = AtRisk(Rules())
    assert at_risk.choose({}, 0.0) == {}
    assert at_risk.choose({GROUP: both(1000, 1)}, 15.0) == {}
    assert at_risk.choose({}, 30.0) == {}
    assert at_risk.choose({GROUP: both(1000, 3)}, 45.0) == {}


# --- Every metric -----------------------------------------------------------------------------------------------------


def totals(place: Place, *figures: dict[str, int]) -> dict[Group, Totals]:
    """One place of the seller with these figures, window by window."""
    return {Group(SELLER, place): tuple(sum(ONE[name] * of for name, of in each.items()) for each in figures)}


HEALTHY = {GROUP: both(1000, 1), Group(SELLER, ("feedback", US)): (0, 0, 0)}
NONE: dict[str, int] = {}


@pytest.mark.parametrize(
    ("place", "figures", "shown"),
    [
        (("confirmations", US), ({"confirmed_orders": 100, "late_orders": 3}, NONE), True),
        (("confirmations", US), (NONE, {"confirmed_orders": 100, "late_orders": 3}), True),
        (("confirmations", US), ({"confirmed_orders": 100, "late_orders": 2}, NONE), False),  # exactly half of 4 %
        (("packages", DE), ({"packages": 100, "tracked_packages": 97, "on_time_packages": 97}, NONE), True),
        (("packages", DE), ({"packages": 100, "tracked_packages": 98, "on_time_packages": 97}, NONE), False),
        (("packages", DE), ({"packages": 100, "tracked_packages": 100, "on_time_packages": 98}, NONE), True),
        # The US has deliveries in its window of 14 days only, and may fail twice as often.
        (("packages", US), ({"packages": 100, "tracked_packages": 100, "on_time_packages": 50}, NONE), False),
        (("packages", US), (NONE, {"packages": 100, "tracked_packages": 100, "on_time_packages": 94}), True),
        (("packages", US), (NONE, {"packages": 100, "tracked_packages": 50, "on_time_packages": 50}), False),
        (("messages", US), (NONE, NONE, {"messages": 100, "answered_messages": 94}), True),
        (("messages", US), (NONE, {"messages": 100, "answered_messages": 95}, NONE), False),
        (("messages", US), ({"messages": 1}, NONE, NONE), True),
        (("violations", US, "listing", "low"), ({"violations": 3, "open_violations": 1},), True),
        (("violations", US, "listing", "low"), ({"violations": 3},), False),
        (("orders", US, "MFN"), (NONE, NONE, {"orders": 100, "cancelled_orders": 2}), True),
        (("orders", US, "MFN"), (NONE, NONE, {"orders": 80, "cancelled_orders": 1}), False),
        (("orders", US, "AFN"), (NONE, NONE, {"orders": 100, "cancelled_orders": 50}), False),
        # Nothing is asked of these.
        (("feedback", US), ({"received_feedback": 2, "negative_received_feedback": 2},) * 3, False),
        (("orders", US, "MFN"), ({"orders": 100, "claim_orders": 50}, NONE, NONE), False),
    ],
)
def test_a_seller_is_shown_above_half_of_any_target(
    place: Place, figures: tuple[dict[str, int], ...], shown: bool
) -> None:
    told = totals(place, *figures)
    assert AtRisk(Rules()).choose(told, 0.0) == (told if shown else {})


def test_a_seller_at_risk_in_one_metric_is_shown_whole_in_that_marketplace_and_nowhere_else() -> None:
    violation = totals(("violations", US, "listing", "low"), {"violations": 1, "open_violations": 1})
    other = Group("another", ("orders", US, "MFN"))
    at_home = {**HEALTHY, **totals(("messages", US), NONE, NONE, NONE), **violation}
    told = {**at_home, ELSEWHERE: both(1000, 1), other: both(1000, 1)}
    assert AtRisk(Rules()).choose(told, 0.0) == at_home
    assert AtRisk(Rules()).choose(HEALTHY | {ELSEWHERE: both(1000, 1)}, 0.0) == {}


@pytest.mark.parametrize(
    ("place", "before", "after"),
    [
        (("messages", US), {"messages": 1000, "answered_messages": 999}, {"messages": 1001, "answered_messages": 999}),
        (("messages", US), {"messages": 1000, "answered_messages": 998}, {"messages": 1000, "answered_messages": 999}),
        (
            ("confirmations", US),
            {"confirmed_orders": 1000, "late_orders": 1},
            {"confirmed_orders": 1000, "late_orders": 2},
        ),
        (("violations", US, "listing", "low"), {"violations": 1, "open_violations": 1}, {"violations": 1}),
    ],
)
def test_a_seller_is_shown_whole_for_an_hour_after_any_failures_have_changed(
    place: Place, before: dict[str, int], after: dict[str, int]
) -> None:
    windows = len(WINDOWS[place[0]])
    at_risk = AtRisk(Rules())
    at_risk.choose({**HEALTHY, **totals(place, *[before] * windows)}, 0.0)
    changed = {**HEALTHY, **totals(place, *[after] * windows)}
    assert at_risk.choose(changed, 100.0) == changed
    assert at_risk.choose(changed, 99.0 + SHOWN_SECONDS) == changed
    assert at_risk.choose(changed, 100.0 + SHOWN_SECONDS) == {}


def test_a_message_answered_and_a_package_delivered_are_no_change_of_failures() -> None:
    at_risk = AtRisk(Rules())
    before = totals(("messages", US), *[{"messages": 1000, "answered_messages": 999}] * 3)
    after = totals(("messages", US), *[{"messages": 1001, "answered_messages": 1000}] * 3)
    assert at_risk.choose(before, 0.0) == at_risk.choose(after, 15.0) == {}
