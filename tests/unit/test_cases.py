"""The cases that every release must get right, one by one (rules.md), from the bytes of events to counts.

Every order is of D-33 unless said otherwise: in both windows.
"""

import itertools
from collections.abc import Sequence
from datetime import timedelta
from fractions import Fraction

import pytest

from stream import health
from stream.accounts import Accounts
from stream.decode import instant
from stream.evaluation import EvaluationDays
from stream.metrics import METRICS, OFFICIAL, ORDER_DEFECT, TARGETS
from stream.rates import verdict
from stream.rules import Marketplace, Rules
from tests.builders import (
    DE,
    JP,
    SELLER,
    US,
    D,
    accounts_on,
    after,
    ahead,
    apply,
    chargeback,
    claim,
    feedback,
    held,
    midnight,
    official,
    order,
    rules_of,
    shown,
    states,
)
from tests.recount import Counts, InputEvent, Switches

GOOD = Counts(orders=1)
WITH_CLAIM = Counts(orders=1, defective_orders=1, claim_orders=1)
WITH_FEEDBACK = Counts(orders=1, defective_orders=1, negative_feedback_orders=1)
WITH_CHARGEBACK = Counts(orders=1, defective_orders=1, chargeback_orders=1)


def counted(*told: InputEvent, switches: Switches | None = None) -> Counts:
    """The official window of the one group there is, which the other window agrees with."""
    accounts = after(*told, switches=switches)
    assert official(accounts) == ahead(accounts)
    return official(accounts)


# --- Claims -----------------------------------------------------------------------------------------------------------


def test_a_pending_claim_counts() -> None:
    """Case 1."""
    assert counted(order(), claim("pending")) == WITH_CLAIM


def test_a_granted_claim_that_the_seller_funds_counts_and_one_that_names_nobody_is_such() -> None:
    """Case 2."""
    assert counted(order(), claim("granted", funded_by="seller")) == WITH_CLAIM
    assert counted(order(), claim("granted", funded_by=None)) == WITH_CLAIM
    assert counted(order(), claim("granted")) == WITH_CLAIM


def test_a_granted_claim_that_amazon_funds_does_not_count() -> None:
    """Case 3."""
    assert counted(order(), claim("granted", funded_by="amazon")) == GOOD


def test_an_explicit_impact_wins_over_who_paid() -> None:
    """Case 4."""
    assert counted(order(), claim("granted", funded_by="seller", odr_impact="does_not_count")) == GOOD
    assert counted(order(), claim("granted", funded_by="amazon", odr_impact="counts")) == WITH_CLAIM
    assert counted(order(), claim("denied", odr_impact="counts")) == WITH_CLAIM


def test_a_refund_after_the_claim_was_filed_counts() -> None:
    """Case 5."""
    assert counted(order(), claim("seller_refunded")) == WITH_CLAIM


@pytest.mark.parametrize("canceller", ["seller", "amazon", None])
def test_an_order_that_seller_or_amazon_cancelled_counts_with_its_claim(canceller: str | None) -> None:
    """Case 6."""
    told = [order(status="Canceled", cancelled_by=canceller), claim("order_cancelled")]
    assert counted(*told) == WITH_CLAIM


@pytest.mark.parametrize("end", ["withdrawn", "denied"])
def test_a_claim_that_is_withdrawn_or_denied_is_taken_back_at_the_orders_date(end: str) -> None:
    """Case 7."""
    accounts = after(order(), claim("pending"))
    assert official(accounts) == WITH_CLAIM
    apply(accounts, claim(end))
    assert shown(accounts) == dict.fromkeys(((SELLER, US, "MFN", "official"), (SELLER, US, "MFN", "ahead")), GOOD)


def test_an_appeal_won_months_later_is_taken_back_while_the_day_is_kept() -> None:
    """Case 8."""
    rules = Rules()
    evaluation = EvaluationDays(rules, midnight(D))
    accounts = Accounts(rules, evaluation)
    apply(accounts, order(), claim("granted"))
    evaluation.move(midnight(D + timedelta(days=150)))
    accounts.roll()
    assert shown(accounts) == {}
    apply(accounts, claim("granted", odr_impact="does_not_count", event_time="2027-04-01T00:00:00Z"))
    account = accounts.sellers[SELLER]
    (standing,) = health.standings(account, D.toordinal(), evaluation)
    assert standing.share(ORDER_DEFECT, OFFICIAL) == (0, 1)


def test_a_second_claim_on_an_order_is_still_one_defective_order() -> None:
    """Case 9."""
    told = [order(), claim("pending", claim_id="C-1"), claim("granted", claim_id="C-2")]
    assert counted(*told) == WITH_CLAIM
    assert counted(*told, claim("withdrawn", claim_id="C-1")) == WITH_CLAIM
    assert counted(*told, claim("withdrawn", claim_id="C-1"), claim("denied", claim_id="C-2")) == GOOD


# --- Feedback ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rating", "expected"), [(1, WITH_FEEDBACK), (2, WITH_FEEDBACK), (3, GOOD), (4, GOOD), (5, GOOD)]
)
def test_one_and_two_stars_are_negative_and_three_is_neutral(rating: int, expected: Counts) -> None:
    """Case 10."""
    assert counted(order(), feedback(rating)) == expected


@pytest.mark.parametrize(("ratings", "expected"), [((1, 4), GOOD), ((4, 1), WITH_FEEDBACK), ((1, 4, 2), WITH_FEEDBACK)])
def test_an_edited_feedback_enters_and_leaves(ratings: Sequence[int], expected: Counts) -> None:
    """Case 11."""
    assert counted(order(), *(feedback(rating) for rating in ratings)) == expected


@pytest.mark.parametrize("status", ["removed", "struck_through"])
def test_feedback_removed_or_struck_through_does_not_count_and_may_come_back(status: str) -> None:
    """Case 12."""
    assert counted(order(), feedback(1), feedback(1, status=status)) == GOOD
    assert counted(order(), feedback(1), feedback(1, status=status), feedback(1)) == WITH_FEEDBACK


def test_an_order_with_every_kind_of_defect_is_one_and_stays_one_when_two_are_reversed() -> None:
    """Case 13."""
    told = [order(), feedback(1), claim("pending"), chargeback("service")]
    assert counted(*told) == Counts(1, 1, 1, 1, 1)
    assert counted(*told, feedback(1, status="removed"), chargeback("service", "reversed")) == WITH_CLAIM
    assert counted(*told, claim("withdrawn"), feedback(5)) == WITH_CHARGEBACK


# --- Chargebacks ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["open", "upheld"])
@pytest.mark.parametrize(
    ("kind", "expected"), [("fraud", GOOD), ("unknown", WITH_CHARGEBACK), ("service", WITH_CHARGEBACK)]
)
def test_fraud_chargebacks_never_count_and_unknown_ones_do(kind: str, status: str, expected: Counts) -> None:
    """Case 14."""
    assert counted(order(), chargeback(kind, status)) == expected


def test_a_reversed_chargeback_counts_only_by_the_switch() -> None:
    """Case 15."""
    told = [order(), chargeback("service"), chargeback("service", "reversed")]
    assert counted(*told) == GOOD
    assert counted(*told, switches=Switches(reversed_chargebacks="counted")) == WITH_CHARGEBACK
    fraud = [order(), chargeback("fraud", "reversed")]
    assert counted(*fraud, switches=Switches(reversed_chargebacks="counted")) == GOOD


# --- Arrival ----------------------------------------------------------------------------------------------------------


def test_a_defect_long_after_its_order_counts_until_the_order_date_leaves() -> None:
    """Case 16."""
    rules = Rules()
    evaluation = EvaluationDays(rules, midnight(D))
    accounts = Accounts(rules, evaluation)
    apply(accounts, order(purchased="2026-08-21T12:00:00Z"))  # D-74: the last day in the window
    assert official(accounts) == GOOD
    apply(accounts, claim("pending"))
    assert official(accounts) == WITH_CLAIM
    evaluation.move(midnight(D + timedelta(days=1)))
    accounts.roll()
    assert official(accounts) == Counts()


@pytest.mark.parametrize("defect", [feedback(1), claim("pending"), chargeback("unknown")])
def test_a_defect_before_its_order_waits_for_it(defect: InputEvent) -> None:
    """Case 17."""
    accounts = after(defect)
    assert shown(accounts) == {}
    apply(accounts, order())
    assert shown(accounts) == shown(after(order(), defect))
    assert official(accounts).defective_orders == 1


def test_duplicates_redelivery_and_older_versions_change_nothing() -> None:
    """Case 18."""
    told = [
        order(status="Pending", event_time="2026-10-01T12:00:00Z"),
        order(event_time="2026-10-02T12:00:00Z"),
        claim("pending", event_time="2026-10-20T00:00:00Z"),
        claim("withdrawn", event_time="2026-10-25T00:00:00Z"),
        feedback(1, event_time="2026-10-26T00:00:00Z"),
    ]
    accounts = after(*told)
    before = (shown(accounts), states(accounts))
    assert before[0][SELLER, US, "MFN", "official"] == WITH_FEEDBACK
    for again in (*told, *reversed(told), *told):
        assert all(isinstance(did, str) for did in apply(accounts, again))
        assert (shown(accounts), states(accounts)) == before


# --- Windows ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("purchased", "in_official", "in_ahead"),
    [
        ("2026-08-20T23:59:59.999999999Z", 0, 0),  # D-75
        ("2026-08-21T00:00:00Z", 1, 0),  # D-74
        ("2026-09-04T23:59:59Z", 1, 0),  # D-60
        ("2026-09-05T00:00:00Z", 1, 1),  # D-59
        ("2026-10-19T23:59:59Z", 1, 1),  # D-15
        ("2026-10-19T23:59:59.9999999Z", 1, 1),
        ("2026-10-20T00:00:00Z", 0, 1),  # D-14
        ("2026-11-03T23:59:59Z", 0, 1),  # D
        ("2026-11-04T00:00:00Z", 0, 0),  # D+1
    ],
)
def test_an_order_is_in_the_windows_that_hold_its_day(purchased: str, in_official: int, in_ahead: int) -> None:
    """Case 19."""
    accounts = after(order(purchased=purchased))
    assert (official(accounts).orders, ahead(accounts).orders) == (in_official, in_ahead)


def test_midnights_without_events_roll_the_window_day_by_day() -> None:
    """Case 20."""
    rules = Rules()
    evaluation = EvaluationDays(rules, midnight(D))
    accounts = Accounts(rules, evaluation)
    apply(accounts, order(purchased="2026-11-03T12:00:00Z"), claim("pending"))
    seen = []
    for days in range(77):
        evaluation.move(midnight(D + timedelta(days=days)))
        accounts.roll()
        seen.append((official(accounts) == WITH_CLAIM, ahead(accounts) == WITH_CLAIM))
    assert seen == [(15 <= days <= 74, days <= 59) for days in range(77)]


def test_no_orders_are_no_data_and_not_a_perfect_record() -> None:
    """Case 21."""
    accounts = after(order(status="Pending"), claim("pending"))
    found = health.figures(accounts.sellers[SELLER], None, held(Rules()), Rules())
    assert [(row["metric"], row["window"]) for row in found] == [
        (metric.name, window.name) for metric in METRICS for window in metric.windows_in(US, Rules())
    ]
    targets = {metric.name: metric.target for metric in METRICS}
    for row in found:
        number = row["metric"] == "open_violations"  # that there are none is known, and good
        denominator = None if number else 0
        assert (row["numerator"], row["denominator"], row["ratio"], row["interval"]) == (0, denominator, None, None)
        assert row["verdict"] == ("good" if number else "no_data" if targets[row["metric"]] else None)


def verdict_on(orders: int, defective: int) -> str:
    told = [order(f"o{at}") for at in range(orders)]
    accounts = after(*told, *(claim("pending", f"o{at}") for at in range(defective)))
    row = next(iter(health.figures(accounts.sellers[SELLER], None, held(Rules()), Rules())))
    assert (row["metric"], row["window"]) == ("order_defect", "official")
    assert (row["numerator"], row["denominator"]) == (defective, orders)
    return str(row["verdict"])


def test_exactly_one_percent_of_defective_orders_fails() -> None:
    """Case 22."""
    assert [verdict_on(300, defective) for defective in (1, 2, 3)] == ["good", "at_risk", "missed"]
    assert verdict_on(299, 2) == "at_risk"


@pytest.mark.parametrize(
    ("metric", "share", "met"),
    [
        ("order_defect", Fraction("0.0100"), False),
        ("cancellation", Fraction("0.0250"), False),
        ("late_shipment", Fraction("0.0400"), False),
        ("valid_tracking", Fraction("0.95"), False),
        ("on_time_delivery", Fraction("0.97"), False),
        ("contact_response", Fraction("0.90"), True),
    ],
)
def test_exactly_at_a_target_only_responses_pass(metric: str, share: Fraction, met: bool) -> None:
    """Case 22."""
    for times in (1, 7, 1000):
        judged = verdict(share.numerator * times, share.denominator * times, TARGETS[metric])
        assert (judged != "missed") is met


def test_one_defective_order_of_43_is_a_breach_and_low_volume() -> None:
    """Case 23."""
    accounts = after(*(order(f"o{at}") for at in range(43)), claim("pending", "o1"))
    row = next(iter(health.figures(accounts.sellers[SELLER], None, held(Rules()), Rules())))
    assert (row["ratio"], row["verdict"], row["low_volume"], row["headroom"]) == (1 / 43, "missed", True, -1)


def test_marketplaces_are_judged_apart_by_their_own_targets() -> None:
    """Case 25."""
    rules = Rules(marketplaces={DE: Marketplace(targets={"order_defect": Fraction(1, 2)})})
    accounts = accounts_on(D, rules)
    for marketplace in (US, DE):
        apply(accounts, *(order(f"{marketplace}-{at}", marketplace_id=marketplace) for at in range(20)))
        apply(accounts, claim("pending", f"{marketplace}-0"))
    found = health.figures(accounts.sellers[SELLER], None, held(rules), rules)
    assert {
        (row["marketplace"], row["numerator"], row["denominator"], row["target"], row["verdict"])
        for row in found
        if row["metric"] == "order_defect"
    } == {(US, 1, 20, 0.01, "missed"), (DE, 1, 20, 0.5, "good")}


# --- Days and order of arrival ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("marketplace", "zone", "purchased", "days_before"),
    [
        (US, "America/Los_Angeles", "2026-11-03T07:59:59Z", 1),  # 23:59:59 the day before, there
        (US, "America/Los_Angeles", "2026-11-03T08:00:00Z", 0),
        (US, "America/Los_Angeles", "2026-11-01T06:59:59Z", 3),  # in summer time
        (US, "America/Los_Angeles", "2026-11-01T07:00:00Z", 2),
        (JP, "Asia/Tokyo", "2026-11-02T15:00:00Z", 0),  # 00:00:00 the next day, there
        (JP, "Asia/Tokyo", "2026-11-02T23:59:59+09:00", 1),
        (DE, "Europe/Berlin", "2026-11-02T23:00:00Z", 0),
        (DE, "UTC", "2026-11-02T23:00:00Z", 1),
    ],
)
def test_an_order_belongs_to_the_day_of_its_marketplaces_zone(
    marketplace: str, zone: str, purchased: str, days_before: int
) -> None:
    """Case 30."""
    accounts = accounts_on(D, rules_of(zones={marketplace: zone}))
    apply(accounts, order(purchased=purchased, marketplace_id=marketplace))
    (counts,) = accounts.sellers[SELLER].groups.values()
    assert list(counts.days) == [(D - timedelta(days=days_before)).toordinal()]


def test_a_zones_midnight_is_the_windows_edge() -> None:
    """Case 30."""
    told = [
        order("in", "2026-10-20T07:00:00+00:00", marketplace_id=US),  # D-14 in UTC and, at 00:00:00, there
        order("out", "2026-10-20T06:59:59Z", marketplace_id=US),  # D-15 there
    ]
    accounts = accounts_on(D, rules_of(zones={US: "America/Los_Angeles"}))
    apply(accounts, *told)
    assert (official(accounts).orders, ahead(accounts).orders) == (1, 2)
    assert instant("2026-10-20T07:00:00Z") > midnight(D - timedelta(days=14))


def test_any_order_of_arrival_gives_the_same_figures() -> None:
    """Case 31."""
    told = [
        order(status="Pending"),
        order(channel="AFN"),
        claim("pending"),
        claim("withdrawn"),
        feedback(2),
        chargeback("service", marketplace_id=DE),
    ]
    expected = after(*told)
    assert official(expected, channel="AFN") == Counts(1, 1, 1, 0, 1)
    for arrival in itertools.permutations(told):
        found = after(*arrival)
        assert (shown(found), states(found)) == (shown(expected), states(expected))
