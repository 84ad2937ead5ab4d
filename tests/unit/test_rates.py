"""Ratios, targets, headroom, low volume, verdicts and intervals."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.metrics import TARGETS, target
from stream.rates import Condition, Target, above_half, failures, headroom, interval, low_volume, ratio, verdict
from stream.rules import Marketplace, Rules
from tests import recount
from tests.builders import DE, INDIA, US

ODR = TARGETS["order_defect"]
FRACTIONS = st.fractions(min_value=0, max_value=1, max_denominator=1000)
CONDITIONS: tuple[Condition, ...] = ("less_than", "greater_than", "at_least", "equals")


@st.composite
def shares(draw: st.DrawFn, most: int = 3000) -> tuple[int, int]:
    """A numerator and a denominator that it fits in."""
    denominator = draw(st.integers(min_value=1, max_value=most))
    return draw(st.integers(min_value=0, max_value=denominator)), denominator


def meets(numerator: int, denominator: int, asked: Target) -> bool:
    share = Fraction(numerator, denominator)
    return {
        "less_than": share < asked.value,
        "greater_than": share > asked.value,
        "at_least": share >= asked.value,
        "equals": share == asked.value,
    }[asked.condition]


def test_nothing_divided_by_nothing_is_no_ratio() -> None:
    """Case 21."""
    assert ratio(0, 0) is None
    assert ratio(0, 7) == 0.0
    assert ratio(1, 3) == 1 / 3


def test_the_targets_are_amazons() -> None:
    assert {name: (asked.condition, asked.value) for name, asked in TARGETS.items()} == {
        "order_defect": ("less_than", Fraction(1, 100)),
        "cancellation": ("less_than", Fraction(25, 1000)),
        "late_shipment": ("less_than", Fraction(4, 100)),
        "valid_tracking": ("greater_than", Fraction(95, 100)),
        "on_time_delivery": ("greater_than", Fraction(97, 100)),
        "contact_response": ("at_least", Fraction(90, 100)),
        "open_violations": ("equals", Fraction(0)),
    }


def test_marketplaces_have_their_own_targets_and_a_configured_one_wins_over_both() -> None:
    """Case 25."""
    rules = Rules(marketplaces={INDIA: Marketplace(targets={"cancellation": Fraction(3, 100)})})
    assert target("on_time_delivery", US, Rules()).value == Fraction(90, 100)
    assert target("on_time_delivery", DE, Rules()).value == Fraction(97, 100)
    assert target("late_shipment", INDIA, Rules()).value == Fraction(2, 100)
    assert target("late_shipment", INDIA, rules).value == Fraction(2, 100)
    assert target("cancellation", INDIA, Rules()).value == Fraction(2, 100)
    assert target("cancellation", INDIA, rules) == Target("less_than", Fraction(3, 100))
    assert target("cancellation", DE, rules).value == Fraction(25, 1000)


def test_a_configured_target_of_zero_is_one() -> None:
    rules = Rules(marketplaces={US: Marketplace(targets={"order_defect": Fraction(0)})})
    assert target("order_defect", US, rules).value == 0


@pytest.mark.parametrize(
    ("metric", "numerator", "denominator", "expected"),
    [
        ("order_defect", 1, 100, "missed"),
        ("order_defect", 10, 1000, "missed"),
        ("order_defect", 9, 1000, "at_risk"),
        ("order_defect", 8, 1000, "good"),
        ("cancellation", 25, 1000, "missed"),
        ("cancellation", 24, 1000, "at_risk"),
        ("late_shipment", 4, 100, "missed"),
        ("late_shipment", 3, 100, "at_risk"),
        ("late_shipment", 2, 100, "good"),
        ("valid_tracking", 95, 100, "missed"),
        ("valid_tracking", 96, 100, "at_risk"),
        ("valid_tracking", 97, 100, "good"),
        ("on_time_delivery", 97, 100, "missed"),
        ("on_time_delivery", 98, 100, "at_risk"),
        ("on_time_delivery", 99, 100, "good"),
        ("contact_response", 89, 100, "missed"),
        ("contact_response", 90, 100, "at_risk"),
        ("contact_response", 91, 100, "good"),
    ],
)
def test_exactly_at_the_limit_fails_except_for_responses(
    metric: str, numerator: int, denominator: int, expected: str
) -> None:
    """Case 22."""
    assert verdict(numerator, denominator, TARGETS[metric]) == expected


def test_one_of_43_orders_is_a_breach_and_low_volume() -> None:
    """Case 23."""
    assert verdict(1, 43, ODR) == "missed"
    assert low_volume(43, ODR, None)


@pytest.mark.parametrize(
    ("denominator", "metric", "low"),
    [
        (0, "order_defect", True),
        (100, "order_defect", True),
        (101, "order_defect", False),
        (40, "cancellation", True),
        (41, "cancellation", False),
        (20, "valid_tracking", True),
        (21, "valid_tracking", False),
        (9, "contact_response", True),
        (10, "contact_response", False),
    ],
)
def test_volume_is_low_where_a_single_failure_would_miss(denominator: int, metric: str, low: bool) -> None:
    assert low_volume(denominator, TARGETS[metric], None) is low


@pytest.mark.parametrize(("denominator", "minimum", "low"), [(49, 50, True), (50, 50, False), (1, 0, False)])
def test_a_configured_minimum_replaces_the_rule_of_low_volume(denominator: int, minimum: int, low: bool) -> None:
    assert low_volume(denominator, ODR, minimum) is low


@pytest.mark.parametrize(
    ("numerator", "denominator", "metric", "room"),
    [
        (1, 100, "order_defect", -1),
        (0, 100, "order_defect", 0),
        (12, 1000, "order_defect", -3),
        (95, 100, "valid_tracking", -1),
        (100, 100, "valid_tracking", 4),
        (90, 100, "contact_response", 0),
        (88, 100, "contact_response", -2),
        (2, 5, "open_violations", -2),
    ],
)
def test_headroom_is_how_many_more_failures_fit(numerator: int, denominator: int, metric: str, room: int) -> None:
    assert headroom(numerator, denominator, TARGETS[metric]) == room


@given(shares(), FRACTIONS)
def test_headroom_and_verdict_are_the_oracles(share: tuple[int, int], value: Fraction) -> None:
    asked = Target("less_than", value)
    numerator, denominator = share
    assert low_volume(denominator, asked, None) is recount.low_volume(denominator, value)
    assert verdict(numerator, denominator, asked) == recount.verdict(numerator, denominator, target=value)
    if value:  # no whole number of failures is below a target of zero
        assert headroom(numerator, denominator, asked) == recount.headroom(numerator, denominator, value)


@given(shares(400), shares(400), st.none() | st.integers(min_value=0, max_value=400))
def test_the_official_verdict_is_the_oracles_with_the_ahead_window_and_a_minimum(
    share: tuple[int, int], ahead: tuple[int, int], minimum: int | None
) -> None:
    expected = recount.verdict(*share, ahead=ahead, minimum=minimum)
    assert verdict(*share, ODR, minimum_denominator=minimum, ahead=ahead) == expected


def test_an_ahead_window_without_orders_warns_of_nothing() -> None:
    assert verdict(1, 1000, ODR, ahead=(0, 0)) == "good"
    assert verdict(0, 0, ODR, ahead=(5, 10)) == "no_data"


def test_low_volume_excuses_no_failure_that_has_happened() -> None:
    assert verdict(1, 150, ODR, minimum_denominator=200) == "at_risk"
    assert verdict(1, 250, ODR, minimum_denominator=300, ahead=(3, 250)) == "at_risk"
    assert verdict(1, 250, ODR, minimum_denominator=300) == "good"


def test_a_low_volume_figure_without_a_failure_is_good_though_one_failure_would_miss() -> None:
    assert verdict(0, 50, ODR) == "good"
    assert verdict(0, 50, ODR, ahead=(3, 50)) == "good"
    assert verdict(9, 9, TARGETS["contact_response"]) == "good"
    assert verdict(0, 50, ODR, minimum_denominator=10) == "at_risk"


@given(shares(), FRACTIONS, st.sampled_from(CONDITIONS))
def test_a_figure_misses_its_target_exactly_where_no_headroom_is_left(
    share: tuple[int, int], value: Fraction, condition: Condition
) -> None:
    asked = Target(condition, Fraction(0) if condition == "equals" else value)
    numerator, denominator = share
    room = headroom(numerator, denominator, asked)
    assert (room >= 0) is meets(numerator, denominator, asked)
    assert (verdict(numerator, denominator, asked) == "missed") is (room < 0)
    # With that many more failures it still fits, with one more it does not; where such a share can be.
    for more, fits in ((room, True), (room + 1, False)):
        worse = numerator + more if asked.counts_failures else numerator - more
        if 0 <= worse <= denominator:
            assert meets(worse, denominator, asked) is fits


@pytest.mark.parametrize(
    ("metric", "numerator", "denominator", "failed", "half"),
    [
        ("order_defect", 3, 400, 3, True),
        ("order_defect", 2, 400, 2, False),
        ("cancellation", 0, 10, 0, False),
        ("cancellation", 1, 80, 1, False),
        ("cancellation", 1, 79, 1, True),
        ("valid_tracking", 97, 100, 3, True),
        ("valid_tracking", 98, 100, 2, False),
        ("on_time_delivery", 100, 100, 0, False),
        ("contact_response", 0, 20, 20, True),
        ("contact_response", 19, 20, 1, False),
        ("contact_response", 0, 0, 0, False),
        ("open_violations", 2, None, 2, True),
        ("open_violations", 0, None, 0, False),
    ],
)
def test_failures_are_what_went_wrong_and_half_of_what_is_allowed_is_met_not_passed(
    metric: str, numerator: int, denominator: int | None, failed: int, *, half: bool
) -> None:
    assert failures(numerator, denominator, TARGETS[metric]) == failed
    assert above_half(failed, denominator, TARGETS[metric]) is half


@given(shares(), FRACTIONS, st.sampled_from(CONDITIONS))
def test_half_of_what_is_allowed_is_half_of_where_the_target_begins_to_be_missed(
    share: tuple[int, int], value: Fraction, condition: Condition
) -> None:
    asked = Target(condition, Fraction(0) if condition == "equals" else value)
    failed, allowed = failures(*share, asked), asked.value if asked.counts_failures else 1 - asked.value
    assert 0 <= failed <= share[1]
    assert above_half(failed, share[1], asked) is (failed > allowed * share[1] / 2)
    if failed != allowed * share[1]:  # whether exactly so many still fit is the condition's own
        assert (failed > allowed * share[1]) is (not meets(*share, asked))


@given(shares(10**7))
def test_the_interval_holds_the_share_and_is_wilsons(share: tuple[int, int]) -> None:
    bounds, expected = interval(*share), recount.wilson95(*share)
    assert bounds is not None
    assert bounds == pytest.approx(expected, abs=1e-12)
    assert 0 <= bounds[0] <= share[0] / share[1] <= bounds[1] <= 1


def test_the_interval_is_exact_at_its_ends_and_absent_without_a_denominator() -> None:
    none, every = interval(0, 10), interval(10, 10)
    assert interval(0, 0) is None
    assert none is not None
    assert every is not None
    assert (none[0], every[1]) == (0.0, 1.0)
    assert interval(1, 10) == pytest.approx((0.017876, 0.404150), abs=1e-6)
