"""The sellers of a partition: what is ignored, what leaves, what is restored, and what has to be written."""

import itertools
from datetime import date, timedelta

import pytest

from stream.accounts import TOO_LATE, Accounts, Applied
from stream.decode import instant
from stream.evaluation import EvaluationDays
from stream.orders import REDELIVERED, STALE, unpack
from stream.rules import Rules
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
    midnight,
    official,
    order,
    recounted,
    rules_of,
    shown,
    states,
)
from tests.recount import Counts, InputEvent

FIRST_KEPT = "2026-04-18T00:00:00Z"  # D-199, with the default of 200 days
TOO_OLD = "2026-04-17T23:59:59.999999Z"


def one(accounts: Accounts, told: InputEvent) -> Applied | str:
    (did,) = apply(accounts, told)
    return did


# --- What an event does -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("told", [order(), feedback(1), claim("pending"), chargeback("service")])
def test_a_record_seen_twice_is_redelivered(told: InputEvent) -> None:
    accounts = after(told)
    before = (shown(accounts), states(accounts))
    accounts.take_changed()
    assert one(accounts, told) == REDELIVERED
    assert (shown(accounts), states(accounts)) == before
    assert accounts.take_changed() == {}


def test_an_older_version_after_a_newer_one_is_stale() -> None:
    older, newer = claim("pending", event_time="2026-10-20T00:00:00Z"), claim("denied")
    accounts = after(order(), newer)
    accounts.take_changed()
    assert one(accounts, older) == STALE
    assert official(accounts).claim_orders == 0
    assert accounts.take_changed() == {}


def test_an_event_that_moves_no_figure_is_applied_all_the_same() -> None:
    accounts = after(order(), claim("pending"))
    accounts.take_changed()
    did = one(accounts, claim("granted"))
    assert isinstance(did, Applied)
    assert did.before == did.after
    assert list(accounts.take_changed()) == [(SELLER, b"o1")]


def test_sellers_orders_marketplaces_and_channels_are_kept_apart() -> None:
    accounts = after(
        order(),
        order(seller_id="other"),
        order("o2", channel="AFN"),
        order("o3", marketplace_id=DE),
        claim("pending", seller_id="other"),
    )
    assert shown(accounts) == {
        (*group, window): counts
        for group, counts in {
            (SELLER, US, "MFN"): Counts(orders=1),
            (SELLER, US, "AFN"): Counts(orders=1),
            (SELLER, DE, "MFN"): Counts(orders=1),
            ("other", US, "MFN"): Counts(orders=1, defective_orders=1, claim_orders=1),
        }.items()
        for window in ("official", "ahead")
    }


def test_an_order_that_moves_takes_its_defects_along() -> None:
    accounts = after(order(), claim("pending"))
    moved = order(marketplace_id=DE, channel="AFN", purchased="2026-10-25T12:00:00Z")
    did = one(accounts, moved)
    assert isinstance(did, Applied)
    assert did.before is not None
    assert did.after is not None
    assert (did.before[:2], did.after[:2]) == ((US, "MFN"), (DE, "AFN"))
    assert shown(accounts) == {(SELLER, DE, "AFN", "ahead"): Counts(orders=1, defective_orders=1, claim_orders=1)}
    assert list(accounts.sellers[SELLER].groups) == [(DE, "AFN")]


def test_orders_and_things_that_wait_are_counted() -> None:
    accounts = accounts_on()
    seen = []
    for told in (
        claim("pending"),
        feedback(5),
        order(status="Pending"),
        claim("denied"),
        order("o2"),
        chargeback("service", order_id="o3"),
        order("o2", status="Shipped"),
    ):
        apply(accounts, told)
        seen.append((accounts.orders, accounts.waiting))
    assert seen == [(0, 1), (0, 2), (1, 0), (1, 0), (2, 0), (2, 1), (2, 1)]


def test_the_newest_event_of_each_feed_is_known() -> None:
    accounts = after(
        order(event_time="2026-10-02T00:00:00Z"),
        order("o2", event_time="2026-10-01T00:00:00Z"),
        claim("pending", marketplace_id=DE, event_time="2026-10-03T00:00:00Z"),
    )
    assert accounts.sellers[SELLER].newest == {
        (US, "orders"): midnight(date(2026, 10, 2)),
        (DE, "claim-statuses"): midnight(date(2026, 10, 3)),
    }
    assert accounts.newest_event_time == midnight(date(2026, 10, 3))


# --- Too late ---------------------------------------------------------------------------------------------------------


def test_an_order_of_a_day_that_is_not_kept_is_too_late() -> None:
    accounts = accounts_on()
    assert one(accounts, order("old", TOO_OLD)) == TOO_LATE
    assert isinstance(one(accounts, order("kept", FIRST_KEPT)), Applied)
    assert list(accounts.sellers[SELLER].orders) == [b"kept"]
    assert (accounts.orders, accounts.waiting) == (1, 0)


def test_an_order_that_is_too_late_for_anybody_leaves_no_seller_behind() -> None:
    accounts = accounts_on()
    assert one(accounts, order(purchased=TOO_OLD)) == TOO_LATE
    assert accounts.sellers == {}
    assert accounts.take_changed() == {}


def test_what_is_too_old_goes_by_the_day_in_the_marketplaces_zone() -> None:
    accounts = accounts_on(rules=rules_of(zones={JP: "Asia/Tokyo"}))
    at = {"2026-04-17T14:59:59Z": TOO_LATE, "2026-04-17T15:00:00Z": None}  # midnight in Tokyo
    for purchased, reason in at.items():
        did = one(accounts, order(purchased, purchased, marketplace_id=JP))
        assert (did if isinstance(did, str) else None) == reason


def test_a_thing_whose_order_is_not_known_goes_by_its_own_event_time() -> None:
    accounts = accounts_on()
    assert one(accounts, claim("pending", event_time=TOO_OLD)) == TOO_LATE
    assert isinstance(one(accounts, claim("pending", event_time=FIRST_KEPT)), Applied)
    assert accounts.waiting == 1


def test_a_thing_of_a_kept_order_goes_by_the_orders_date_however_old_it_is() -> None:
    accounts = after(order())
    assert isinstance(one(accounts, claim("pending", event_time=TOO_OLD)), Applied)
    assert official(accounts) == Counts(orders=1, defective_orders=1, claim_orders=1)


def test_a_version_that_names_a_day_that_is_not_kept_changes_nothing() -> None:
    accounts = after(order(), claim("pending"))
    before = shown(accounts)
    accounts.take_changed()
    assert one(accounts, order(purchased=TOO_OLD)) == TOO_LATE
    assert shown(accounts) == before
    assert accounts.take_changed() == {}


def test_an_order_that_moves_off_what_is_kept_gives_the_same_figures_in_any_order_of_arrival() -> None:
    """Case 31."""
    # The newer version moves the order to a day that is no longer kept. Arriving last, it made the order leave;
    # arriving first it was forgotten as too late, and the older version was counted as if nothing had corrected it.
    # Now what is too late changes nothing, whenever it comes.
    older, newer = order(), order(purchased=TOO_OLD)
    assert shown(after(newer, older)) == shown(after(older, newer))


@pytest.mark.parametrize("retention_days", [190, 200, 400])
def test_as_many_days_are_kept_as_said(retention_days: int) -> None:
    accounts = accounts_on(rules=Rules(retention_days=retention_days))
    for back in (retention_days - 1, retention_days):
        apply(accounts, order(f"{back}", f"{D - timedelta(days=back)}T12:00:00Z"))
    assert list(accounts.sellers[SELLER].orders) == [f"{retention_days - 1}".encode()]


# --- Passing days -----------------------------------------------------------------------------------------------------


def moved_by_hand(rules: Rules | None = None) -> tuple[Accounts, EvaluationDays]:
    """Accounts whose clock stands at noon of D."""
    rules = rules or Rules()
    evaluation = EvaluationDays(rules, midnight(D) + 12 * 3_600_000_000)
    return Accounts(rules, evaluation), evaluation


def test_windows_roll_when_days_pass_without_events() -> None:
    """Case 20."""
    accounts, evaluation = moved_by_hand()
    told = [order("o1", "2026-08-21T12:00:00Z"), order("o2", "2026-10-20T12:00:00Z"), claim("pending", "o1")]
    apply(accounts, *told)
    for days in (0, 1, 2, 50, -3):
        evaluation.move(midnight(D + timedelta(days=days)))
        accounts.roll()
        assert shown(accounts) == recounted(told, D + timedelta(days=days))


def test_each_marketplace_rolls_at_its_own_midnight() -> None:
    accounts, evaluation = moved_by_hand(rules_of(zones={JP: "Asia/Tokyo"}))
    last_day = "2026-08-21T12:00:00Z"  # D-74 in both
    apply(accounts, order("u", last_day), order("j", last_day, marketplace_id=JP))
    assert evaluation.move(instant("2026-11-03T15:00:00Z"))
    accounts.roll()
    assert list(shown(accounts)) == [(SELLER, US, "MFN", "official")]


def test_what_arrives_after_midnight_and_before_the_roll_is_counted_once() -> None:
    accounts, evaluation = moved_by_hand()
    told = [order("o1", "2026-08-21T12:00:00Z"), order("o2", "2026-10-20T12:00:00Z")]
    apply(accounts, *told)
    evaluation.move(midnight(D + timedelta(days=1)))
    late = [order("o3", "2026-10-20T12:00:00Z"), order("o4", "2026-10-20T12:00:00Z", channel="AFN")]
    apply(accounts, *late)
    accounts.roll()
    assert shown(accounts) == recounted([*told, *late], D + timedelta(days=1))


def test_expiry_drops_exactly_what_is_older_than_kept() -> None:
    accounts, evaluation = moved_by_hand()
    kept_until = {at: f"{D - timedelta(days=199 - at)}T12:00:00Z" for at in range(3)}
    for at, moment in kept_until.items():
        apply(
            accounts,
            order(f"order-{at}", moment, event_time=moment),
            claim("pending", f"order-{at}"),
            claim("pending", f"waits-{at}", event_time=moment),
            order(seller_id=f"seller-{at}", purchased=moment),
        )
    accounts.take_changed()
    for days in range(4):
        evaluation.move(midnight(D + timedelta(days=days)))
        accounts.roll()
        accounts.expire(list(accounts.sellers))
        kept = range(days, 3)
        expected = {f"{kind}-{at}" for kind in ("order", "waits") for at in kept}
        account = accounts.sellers.get(SELLER)
        assert {order_id.decode() for order_id in (account.orders if account else ())} == expected
        assert (accounts.orders, accounts.waiting) == (2 * len(kept), len(kept))
        assert accounts.sellers.keys() - {SELLER} == {f"seller-{at}" for at in kept}
        gone = [
            key
            for at in [days - 1]
            if at >= 0
            for key in ((SELLER, f"order-{at}".encode()), (SELLER, f"waits-{at}".encode()), (f"seller-{at}", b"o1"))
        ]
        assert accounts.take_changed() == dict.fromkeys(gone)
    assert accounts.sellers == {}


def test_of_the_things_that_wait_for_one_order_only_the_old_ones_go() -> None:
    accounts, evaluation = moved_by_hand()
    apply(accounts, claim("pending", event_time=FIRST_KEPT), feedback(1))
    evaluation.move(midnight(D + timedelta(days=1)))
    accounts.roll()
    accounts.expire([SELLER])
    (packed,) = states(accounts).values()
    assert [type(defect).__name__ for defect in unpack(packed).defects] == ["Feedback"]
    assert accounts.waiting == 1
    apply(accounts, order())
    assert official(accounts) == Counts(orders=1, defective_orders=1, negative_feedback_orders=1)


def test_expiry_of_sellers_that_have_gone_is_nothing() -> None:
    accounts = after(order())
    accounts.take_changed()
    accounts.expire(["nobody", SELLER, SELLER])
    assert accounts.take_changed() == {}
    assert official(accounts).orders == 1


def test_a_group_without_orders_vanishes() -> None:
    accounts = after(order(), order(channel="AFN"))
    assert list(accounts.sellers[SELLER].groups) == [(US, "AFN")]


# --- What is written and restored -------------------------------------------------------------------------------------


def test_changes_are_taken_once() -> None:
    accounts = after(order(), claim("pending"), order("o2"))
    assert accounts.take_changed() == {(SELLER, order_id): packed for (_, order_id), packed in states(accounts).items()}
    assert accounts.take_changed() == {}


def test_stored_states_restore_the_same_figures_in_any_order() -> None:
    told = [order(), claim("pending"), order("o2", channel="AFN"), feedback(1, "o3"), order("o4", seller_id="other")]
    original = after(*told)
    for stored in itertools.permutations(original.take_changed().items()):
        restored = accounts_on()
        for key, packed in stored:
            restored.restore(key, packed)
        assert (shown(restored), states(restored)) == (shown(original), states(original))
        assert (restored.orders, restored.waiting) == (original.orders, original.waiting)
        assert restored.newest_event_time == original.newest_event_time
        assert restored.take_changed() == {}


def test_restoring_a_newer_state_over_an_older_one_and_back_keeps_the_newer() -> None:
    accounts = after(order())
    first = accounts.take_changed()
    apply(accounts, claim("pending"))
    second = accounts.take_changed()
    for stored in ((first, second), (second, first), (second, second)):
        restored = accounts_on()
        for states_ in stored:
            for key, packed in states_.items():
                restored.restore(key, packed)
        assert (shown(restored), states(restored)) == (shown(accounts), states(accounts))


def test_a_tombstone_takes_an_order_out_again() -> None:
    accounts = after(order(), claim("pending"), order("o2"))
    accounts.take_changed()
    accounts.restore((SELLER, b"o1"), None)
    assert ahead(accounts) == Counts(orders=1)
    assert (accounts.orders, accounts.waiting) == (1, 0)
    accounts.restore((SELLER, b"o2"), None)
    assert (accounts.sellers, accounts.orders) == ({}, 0)


def test_a_tombstone_of_what_is_not_known_is_nothing() -> None:
    accounts = after(order())
    accounts.take_changed()
    accounts.restore(("nobody", b"o1"), None)
    accounts.restore((SELLER, b"o9"), None)
    assert ahead(accounts) == Counts(orders=1)
    assert accounts.take_changed() == {}
    assert list(accounts.sellers) == [SELLER]


def test_restored_sellers_go_on_from_where_they_were() -> None:
    stored = after(order(), claim("pending")).take_changed()
    restored = accounts_on()
    for key, packed in stored.items():
        restored.restore(key, packed)
    apply(restored, claim("withdrawn"), order("o2"))
    assert official(restored) == Counts(orders=2)
