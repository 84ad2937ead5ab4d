"""What workers of a group compare, and what their changes were told under."""

from datetime import UTC
from fractions import Fraction
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given

from stream.agreement import agreed_rules, agreement, difference
from stream.rules import Marketplace, Rules
from tests import strategies
from tests.builders import DE, US, rules_of
from tests.recount import Switches

BERLIN = Marketplace(ZoneInfo("Europe/Berlin"), 50, {"order_defect": Fraction(1, 200)})


@pytest.mark.parametrize(
    ("other", "named"),
    [
        (Rules(claims_policy="all_filed"), "STREAM_CLAIMS_POLICY is current here and all_filed in the group"),
        (Rules(reversed_chargebacks="counted"), "STREAM_REVERSED_CHARGEBACKS is excluded here and counted"),
        (Rules(buyer_requested_cancellations="counted"), "STREAM_BUYER_REQUESTED_CANCELLATIONS is excluded here"),
        (Rules(retention_days=365), "STREAM_RETENTION_DAYS is 200 here and 365"),
        (
            Rules(marketplaces={DE: Marketplace(ZoneInfo("Europe/Berlin"))}),
            f"STREAM_TARGETS marketplaces.{DE}.time_zone is not set here and Europe/Berlin",
        ),
        (
            Rules(marketplaces={DE: Marketplace(minimum_denominator=50)}),
            f"STREAM_TARGETS marketplaces.{DE}.minimum_denominator is not set here and 50",
        ),
        (
            Rules(marketplaces={DE: Marketplace(targets={"order_defect": Fraction(1, 200)})}),
            f"STREAM_TARGETS marketplaces.{DE}.targets.order_defect is not set here and 1/200",
        ),
    ],
)
def test_a_difference_names_the_setting_and_both_values(other: Rules, named: str) -> None:
    told = difference(agreement(Rules()), agreement(other))
    assert told is not None
    assert told.startswith(named)


def test_a_marketplace_with_nothing_but_defaults_makes_no_difference() -> None:
    assert difference(agreement(Rules()), agreement(Rules(marketplaces={US: Marketplace(UTC)}))) is None


def test_what_is_agreed_is_plain_text_and_the_same_for_the_same_rules() -> None:
    rules = Rules(marketplaces={DE: BERLIN, US: Marketplace()})
    assert agreement(rules) == agreement(Rules(marketplaces={US: Marketplace(), DE: BERLIN}))
    assert all(isinstance(value, str) for value in agreement(rules).values())


@given(strategies.switches(), strategies.zones())
def test_an_agreement_gives_back_the_rules_that_it_was_made_of(switches: Switches, zones: dict[str, str]) -> None:
    rules = rules_of(switches, zones)
    assert agreed_rules(agreement(rules)) == rules


def test_a_marketplaces_name_may_look_like_a_setting() -> None:
    odd = Rules(marketplaces=dict.fromkeys(("a.time_zone.targets.b", "", "\n.time_zone", ".targets.x"), BERLIN))
    assert agreed_rules(agreement(odd)) == odd
