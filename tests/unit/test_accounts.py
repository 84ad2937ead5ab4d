"""The sellers of a partition: what is ignored, what leaves, what is restored, and what has to be written."""

import itertools
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest

from stream.accounts import TOO_LATE, Accounts, Applied
from stream.decode import instant
from stream.evaluation import EvaluationDays
from stream.figures import ONE
from stream.metrics import WINDOWS
from stream.rules import Rules
from stream.shares import order_share
from stream.states import REDELIVERED, STALE, OrderState, unpack
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
    message,
    midnight,
    official,
    order,
    recounted,
    rules_of,
    shipment,
    shown,
    states,
    totals_of,
    violation,
)
from tests.recount import Counts, InputEvent

HOUR = 3_600_000_000
FIRST_KEPT = "2026-04-18T00:00:00Z"  # D-199, with the default of 200 days
TOO_OLD = "2026-04-17T23:59:59.999999Z"


def one(accounts: Accounts, told: InputEvent) -> Applied | str:
    (did,) = apply(accounts, told)
    return did


# --- What an event does -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "told", [order(), feedback(1), claim("pending"), chargeback("service"), shipment(), message(), violation()]
)
def test_a_record_seen_twice_is_redelivered(told: InputEvent) -> None:
    accounts = after(told)
    before = (totals_of(accounts), states(accounts))
    accounts.take_changed()
    assert one(accounts, told) == REDELIVERED
    assert (totals_of(accounts), states(accounts)) == before
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
    assert list(accounts.take_changed()) == [(SELLER, b"oo1")]


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
    before, after_it = order_share(did.before), order_share(did.after)
    assert before is not None
    assert after_it is not None
    assert (before.place, after_it.place) == (("orders", US, "MFN"), ("orders", DE, "AFN"))
    assert shown(accounts) == {(SELLER, DE, "AFN", "ahead"): Counts(orders=1, defective_orders=1, claim_orders=1)}
    assert list(accounts.sellers[SELLER].groups) == [("orders", DE, "AFN")]


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
        shipment("o3"),
        message(),
        violation(),
        order("o3"),
    ):
        apply(accounts, told)
        seen.append((accounts.orders, accounts.waiting))
    assert seen == [(0, 1), (0, 2), (1, 0), (1, 0), (2, 0), (2, 1), (2, 1), (2, 2), (2, 2), (2, 2), (3, 0)]


def test_the_newest_event_of_each_feed_is_known() -> None:
    accounts = after(
        order(event_time="2026-10-02T00:00:00Z"),
        order("o2", event_time="2026-10-01T00:00:00Z"),
        claim("pending", marketplace_id=DE, event_time="2026-10-03T00:00:00Z"),
        shipment(event_time="2026-10-02T12:00:00Z"),
        message(event_time="2026-10-02T06:00:00Z", received="2026-10-30T12:00:00Z"),
        violation(event_time="2026-10-02T18:00:00Z", marketplace_id=DE),
    )
    assert accounts.sellers[SELLER].newest == {
        (US, "orders"): midnight(date(2026, 10, 2)),
        (DE, "claim-statuses"): midnight(date(2026, 10, 3)),
        (US, "shipments"): midnight(date(2026, 10, 2)) + 12 * HOUR,
        (US, "messages"): midnight(date(2026, 10, 2)) + 6 * HOUR,
        (DE, "violations"): midnight(date(2026, 10, 2)) + 18 * HOUR,
    }
    assert accounts.newest_event_time == midnight(date(2026, 10, 3))


def test_every_state_of_a_seller_is_unpacked_and_every_order_named() -> None:
    account = after(order("o1"), claim("pending", "o2"), message(), violation()).sellers[SELLER]
    assert sorted(account.states) == [b"mM-1", b"oo1", b"oo2", b"vV-1"]
    assert [type(state).__name__ for state in account.unpacked()] == [
        "OrderState",
        "OrderState",
        "Message",
        "Violation",
    ]
    assert [(order_id, state.order is None) for order_id, state in account.orders()] == [("o1", False), ("o2", True)]


def test_each_ledger_counts_in_places_of_its_own() -> None:
    told = [
        *(
            order(),
            shipment(),
            feedback(1),
            message(),
            violation(),
            order("o2", channel="AFN"),
            message(message_id="M-2"),
        ),
        *(message(message_id="M-3", marketplace_id=DE), violation(violation_id="V-2", category="safety")),
    ]
    account = after(*told).sellers[SELLER]
    assert sorted(account.groups) == [
        ("confirmations", US),
        ("feedback", US),
        ("messages", DE),
        ("messages", US),
        ("orders", US, "AFN"),
        ("orders", US, "MFN"),
        ("packages", US),
        ("violations", US, "listing", "high"),
        ("violations", US, "safety", "high"),
    ]
    assert [place for place, _ in account.in_ledger("messages")] == [("messages", DE), ("messages", US)]
    assert account.marketplaces == [DE, US]
    assert all(group.windows == WINDOWS[place[0]] for place, group in account.groups.items())


def test_an_order_that_moves_takes_its_packages_and_its_feedback_along() -> None:
    accounts = after(order(), shipment(), feedback(1))
    did = one(accounts, order(marketplace_id=DE))
    assert isinstance(did, Applied)
    assert {share.place[:2] for share in did.before} == {
        (ledger, US) for ledger in ("orders", "confirmations", "packages", "feedback")
    }
    assert {place[1] for place in accounts.sellers[SELLER].groups} == {DE}
    apply(accounts, order(marketplace_id=DE, channel="AFN"))
    assert sorted(accounts.sellers[SELLER].groups) == [("feedback", DE), ("orders", DE, "AFN")]


def test_a_package_waits_for_its_order_and_feedback_received_does_not() -> None:
    accounts = after(shipment(), feedback(1))
    assert sorted(accounts.sellers[SELLER].groups) == [("feedback", US)]
    apply(accounts, order())
    assert sorted(place[0] for place in accounts.sellers[SELLER].groups) == [
        "confirmations",
        "feedback",
        "orders",
        "packages",
    ]


def test_a_message_or_violation_that_moves_leaves_nothing_behind() -> None:
    accounts = after(message(), violation())
    apply(accounts, message(received="2026-10-29T12:00:00Z", marketplace_id=DE), violation(severity="low"))
    groups = accounts.sellers[SELLER].groups
    assert {place: dict(group.days) for place, group in groups.items()} == {
        ("messages", DE): {D.toordinal() - 5: ONE["messages"]},
        ("violations", US, "listing", "low"): {D.toordinal() - 33: ONE["violations"] + ONE["open_violations"]},
    }
    apply(accounts, message(marketplace_id=DE, needs_response=False))
    assert [place[0] for place in accounts.sellers[SELLER].groups] == ["violations"]
    assert sorted(accounts.sellers[SELLER].states) == [b"mM-1", b"vV-1"]


def test_an_earlier_version_of_a_feedback_moves_the_day_received_and_is_written_anew() -> None:
    accounts = after(order(), feedback(4, event_time="2026-10-25T12:00:00Z"))
    accounts.take_changed()
    early = feedback(1, event_time="2026-10-05T12:00:00Z")
    did = one(accounts, early)
    assert isinstance(did, Applied)
    assert order_share(did.before) == order_share(did.after)
    assert dict(accounts.sellers[SELLER].groups["feedback", US].days) == {
        D.toordinal() - 29: ONE["received_feedback"]  # of the rating that it has, not that it had
    }
    assert list(accounts.take_changed()) == [(SELLER, b"oo1")]
    assert one(accounts, early) == STALE
    assert accounts.take_changed() == {}


# --- Too late ---------------------------------------------------------------------------------------------------------


def test_an_order_of_a_day_that_is_not_kept_is_too_late() -> None:
    accounts = accounts_on()
    assert one(accounts, order("old", TOO_OLD)) == TOO_LATE
    assert isinstance(one(accounts, order("kept", FIRST_KEPT)), Applied)
    assert list(accounts.sellers[SELLER].states) == [b"okept"]
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


@pytest.mark.parametrize("told", [claim, chargeback, shipment, feedback])
def test_every_thing_that_waits_goes_by_its_own_event_time(told: Callable[..., InputEvent]) -> None:
    say: dict[Any, Any] = {claim: ("pending",), chargeback: ("service",), shipment: (), feedback: (1,)}
    for moment, reason in ((TOO_OLD, TOO_LATE), (FIRST_KEPT, None)):
        did = one(accounts_on(), told(*say[told], event_time=moment))
        assert (did if isinstance(did, str) else None) == reason


def test_a_package_of_a_kept_order_is_never_too_late_and_one_of_an_order_too_old_always() -> None:
    accounts = after(order())
    old = {"confirmed_at": TOO_OLD, "promised_by": TOO_OLD, "event_time": TOO_OLD}
    assert isinstance(one(accounts, shipment(**old)), Applied)
    accounts, evaluation = moved_by_hand()
    apply(accounts, order(purchased=FIRST_KEPT))
    evaluation.move(midnight(D + timedelta(days=1)))
    accounts.roll()
    assert one(accounts, shipment()) == TOO_LATE
    assert one(accounts, claim("pending")) == TOO_LATE


def test_feedback_on_an_order_that_is_too_old_goes_by_the_day_received() -> None:
    # It was too late with its order until that was let go, some time after midnight, and counted from then on.
    for let_go in (False, True):
        accounts, evaluation = moved_by_hand()
        apply(accounts, order(purchased=FIRST_KEPT))
        evaluation.move(midnight(D + timedelta(days=1)))
        accounts.roll()
        accounts.expire([SELLER] * let_go)
        assert isinstance(one(accounts, feedback(1, event_time="2026-11-02T12:00:00Z")), Applied)
        assert one(accounts, feedback(1, feedback_id="old", event_time=FIRST_KEPT)) == TOO_LATE
        accounts.expire([SELLER])
        assert accounts.sellers[SELLER].groups.keys() == {("feedback", US)}
        assert (accounts.orders, accounts.waiting) == (0, 1)


@pytest.mark.parametrize(
    ("old", "kept"),
    [
        (message(received=TOO_OLD, answered="2026-10-01T00:00:00Z"), message(received=FIRST_KEPT)),
        (violation(detected_at=TOO_OLD), violation(detected_at=FIRST_KEPT)),
    ],
)
def test_messages_go_by_the_day_received_and_violations_by_the_day_detected(old: InputEvent, kept: InputEvent) -> None:
    accounts = accounts_on()
    assert one(accounts, old) == TOO_LATE
    assert accounts.sellers == {}
    topic, value = kept
    assert isinstance(one(accounts, (topic, {**value, "event_time": "2020-01-01T00:00:00Z"})), Applied)
    before = states(accounts)
    assert one(accounts, (old[0], {**old[1], "event_id": "later"})) == TOO_LATE  # a version that would move it away
    assert states(accounts) == before


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
    assert list(accounts.sellers[SELLER].states) == [f"o{retention_days - 1}".encode()]


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
        assert {known_as[1:].decode() for known_as in (account.states if account else ())} == expected
        assert (accounts.orders, accounts.waiting) == (2 * len(kept), len(kept))
        assert accounts.sellers.keys() - {SELLER} == {f"seller-{at}" for at in kept}
        gone = [
            key
            for at in [days - 1]
            if at >= 0
            for key in ((SELLER, f"oorder-{at}".encode()), (SELLER, f"owaits-{at}".encode()), (f"seller-{at}", b"oo1"))
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
    state = unpack(packed)
    assert isinstance(state, OrderState)
    assert [type(thing).__name__ for thing in state.attached] == ["Feedback"]
    assert accounts.waiting == 1
    apply(accounts, order())
    assert official(accounts) == Counts(orders=1, defective_orders=1, negative_feedback_orders=1)


def passed(accounts: Accounts, evaluation: EvaluationDays, day: date) -> None:
    """Let a day come, and what is too old go."""
    evaluation.move(midnight(day))
    accounts.roll()
    accounts.expire(list(accounts.sellers))


def test_of_an_order_that_is_too_old_only_feedback_stays_whose_day_received_is_kept() -> None:
    accounts, evaluation = moved_by_hand()
    told = [
        *(order(purchased=FIRST_KEPT), claim("pending"), chargeback("service"), shipment()),
        feedback(1, feedback_id="posted", event_time="2026-05-01T12:00:00Z"),
        feedback(1, feedback_id="removed", status="removed", event_time="2026-05-02T12:00:00Z"),
        feedback(1, feedback_id="of that day", event_time=FIRST_KEPT),
        # Told today, but received on a day that goes with the order's.
        feedback(5, feedback_id="edited"),
        feedback(1, feedback_id="edited", event_time=FIRST_KEPT),
    ]
    apply(accounts, *told)
    accounts.take_changed()
    passed(accounts, evaluation, D + timedelta(days=1))
    (state,) = accounts.sellers[SELLER].unpacked()
    assert isinstance(state, OrderState)
    assert state.order is None
    assert [thing.id for thing in state.attached] == ["posted", "removed"]
    assert accounts.take_changed() == states(accounts)
    assert (accounts.orders, accounts.waiting) == (0, 2)
    assert {place: sum(group.days.values()) for place, group in accounts.sellers[SELLER].groups.items()} == {
        ("feedback", US): ONE["received_feedback"] + ONE["negative_received_feedback"]
    }
    passed(accounts, evaluation, date(2026, 11, 17))  # 200 days from May 2
    assert accounts.waiting == 1
    passed(accounts, evaluation, date(2026, 11, 18))
    assert (accounts.sellers, accounts.waiting) == ({}, 0)
    assert accounts.take_changed() == {(SELLER, b"oo1"): None}


def test_feedback_goes_by_its_own_marketplace_again_when_its_order_has_gone() -> None:
    accounts, evaluation = moved_by_hand()
    apply(accounts, order(purchased=FIRST_KEPT), feedback(1, marketplace_id=DE))
    assert ("feedback", US) in accounts.sellers[SELLER].groups
    passed(accounts, evaluation, D + timedelta(days=1))
    assert list(accounts.sellers[SELLER].groups) == [("feedback", DE)]


@pytest.mark.parametrize(
    ("told", "key"), [(message(received=FIRST_KEPT), b"mM-1"), (violation(detected_at=FIRST_KEPT), b"vV-1")]
)
def test_messages_and_violations_go_when_their_day_does(told: InputEvent, key: bytes) -> None:
    accounts, evaluation = moved_by_hand()
    apply(accounts, told)
    accounts.take_changed()
    passed(accounts, evaluation, D)
    assert list(accounts.sellers[SELLER].states) == [key]
    assert accounts.take_changed() == {}
    passed(accounts, evaluation, D + timedelta(days=1))
    assert accounts.sellers == {}
    assert accounts.take_changed() == {(SELLER, key): None}


def test_messages_and_violations_go_at_their_own_marketplaces_midnight() -> None:
    accounts, evaluation = moved_by_hand(rules_of(zones={JP: "Asia/Tokyo"}))
    first = "2026-04-17T15:00:00Z"  # where D-199 begins in Tokyo
    apply(accounts, message(received=first, marketplace_id=JP), violation(detected_at=first, marketplace_id=JP))
    for moment, kept in (("2026-11-03T14:59:59Z", 2), ("2026-11-03T15:00:00Z", 0)):
        evaluation.move(instant(moment))
        accounts.roll()
        accounts.expire(list(accounts.sellers))
        assert len(states(accounts)) == kept


def test_expiry_of_sellers_that_have_gone_is_nothing() -> None:
    accounts = after(order())
    accounts.take_changed()
    accounts.expire(["nobody", SELLER, SELLER])
    assert accounts.take_changed() == {}
    assert official(accounts).orders == 1


def test_a_group_without_orders_vanishes() -> None:
    accounts = after(order(), order(channel="AFN"))
    assert list(accounts.sellers[SELLER].groups) == [("orders", US, "AFN")]


# --- What is written and restored -------------------------------------------------------------------------------------


def test_changes_are_taken_once() -> None:
    accounts = after(order(), claim("pending"), order("o2"))
    assert accounts.take_changed() == {(SELLER, known_as): packed for (_, known_as), packed in states(accounts).items()}
    assert accounts.take_changed() == {}


def test_stored_states_restore_the_same_figures_in_any_order() -> None:
    told = [order(), shipment(), message(), violation(), feedback(1, "o3"), order("o4", seller_id="other")]
    original = after(*told)
    for stored in itertools.permutations(original.take_changed().items()):
        restored = accounts_on()
        for key, packed in stored:
            restored.restore(key, packed)
        assert (totals_of(restored), states(restored)) == (totals_of(original), states(original))
        assert (restored.orders, restored.waiting) == (original.orders, original.waiting)
        assert restored.newest_event_time == original.newest_event_time
        assert restored.take_changed() == {}


def test_restoring_takes_the_last_record_of_a_state_whatever_was_read_before() -> None:
    accounts = after(order())
    first = accounts.take_changed()
    apply(accounts, claim("pending"))
    second = accounts.take_changed()
    for stored in ((first, second), (second, first, second), (second, second)):
        restored = accounts_on()
        for states_ in stored:
            for key, packed in states_.items():
                restored.restore(key, packed)
        assert (shown(restored), states(restored)) == (shown(accounts), states(accounts))


def test_a_tombstone_takes_an_order_out_again() -> None:
    accounts = after(order(), claim("pending"), order("o2"))
    accounts.take_changed()
    accounts.restore((SELLER, b"oo1"), None)
    assert ahead(accounts) == Counts(orders=1)
    assert (accounts.orders, accounts.waiting) == (1, 0)
    accounts.restore((SELLER, b"oo2"), None)
    assert (accounts.sellers, accounts.orders) == ({}, 0)


def test_a_tombstone_takes_a_message_or_a_violation_out_again() -> None:
    accounts = after(message(), violation())
    accounts.take_changed()
    accounts.restore((SELLER, b"mM-1"), None)
    assert list(accounts.sellers[SELLER].groups) == [("violations", US, "listing", "high")]
    accounts.restore((SELLER, b"vV-1"), None)
    assert (accounts.sellers, accounts.take_changed()) == ({}, {})


def test_a_feedback_restored_from_two_states_in_doubt_was_received_at_the_earlier_time() -> None:
    early, late = (
        after(order(), feedback(1, event_time=f"2026-10-{day}T12:00:00Z")).take_changed() for day in ("05", "25")
    )
    for stored in ((early, late), (late, early)):
        restored = accounts_on()
        for states_ in stored:
            for key, packed in states_.items():
                restored.restore(key, packed, in_doubt=True)
        assert list(restored.sellers[SELLER].groups["feedback", US].days) == [D.toordinal() - 29]


def test_a_tombstone_of_what_is_not_known_is_nothing() -> None:
    accounts = after(order())
    accounts.take_changed()
    accounts.restore(("nobody", b"oo1"), None)
    accounts.restore((SELLER, b"oo9"), None)
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
