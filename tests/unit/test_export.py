"""Which sellers become series where only those do that somebody should look at."""

from fractions import Fraction

import pytest

from stream.export import SHOWN_SECONDS, AtRisk
from stream.figures import ONE
from stream.gauges import Group, Totals
from stream.rules import Marketplace, Rules
from tests.builders import DE, SELLER, US

GROUP = Group(SELLER, US, "MFN")


def amounts(orders: int, defective: int) -> int:
    return orders * ONE["orders"] + defective * ONE["defective_orders"]


def both(orders: int, defective: int) -> Totals:
    return amounts(orders, defective), amounts(orders, defective)


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
    totals = {GROUP: (amounts(*official), amounts(*ahead))}
    assert AtRisk(Rules()).choose(totals, 0.0) == (totals if shown else {})


def test_half_a_target_goes_by_the_marketplaces_own() -> None:
    rules = Rules(marketplaces={US: Marketplace(targets={"order_defect": Fraction(1, 10)})})
    totals = {GROUP: both(100, 4), GROUP._replace(marketplace_id=DE): both(100, 4)}
    assert list(AtRisk(rules).choose(totals, 0.0)) == [GROUP._replace(marketplace_id=DE)]


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
