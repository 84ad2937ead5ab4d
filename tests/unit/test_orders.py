"""What is true of one order: versions, what counts, and how a change moves the counts."""

import itertools
import random
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream import orders
from stream.events import Chargeback, Claim, Feedback, Order
from stream.figures import FIGURES, ONE, UNCOUNTED_ORDERS, count, counts, figures_in
from stream.orders import (
    EMPTY,
    MOST_DEFECTS,
    REDELIVERED,
    STALE,
    TOO_MANY,
    Change,
    Contribution,
    OrderState,
    changes,
    contribution,
    counted,
    defective,
    fold,
    merge,
    order_day,
    pack,
    unpack,
)
from stream.rules import Marketplace, Rules
from tests.builders import US, D, chargeback, claim, decoded, feedback, order, rules_of
from tests.recount import InputEvent, Switches

RULES = Rules()


def state_of(*told: InputEvent) -> OrderState:
    """The state after these versions, in this order."""
    state = EMPTY
    for one in told:
        folded = fold(state, decoded(one).thing)
        state = state if isinstance(folded, str) else folded
    return state


def counted_figures(state: OrderState, rules: Rules = RULES) -> list[str]:
    share = contribution(state, rules)
    return [] if share is None else figures_in(share.amount)


# --- Versions ---------------------------------------------------------------------------------------------------------


def test_the_greater_event_time_wins_and_then_the_greater_event_id_by_code_points() -> None:
    # UTF-16 would put the emoji before the fullwidth tilde; "e10" is before "e2".
    ascending = [
        order(event_time="2026-11-01T00:00:00Z", event_id="\U0001f600"),
        *(
            order(event_time="2026-11-01T00:00:00.000001Z", event_id=event_id)
            for event_id in ("E2", "e10", "e2", "\uff5e", "\U0001f600")
        ),
        order(event_time="2026-11-01T01:00:00.000002+01:00", event_id="A"),
    ]
    for older, newer in itertools.combinations(ascending, 2):
        older_thing, newer_thing = decoded(older).thing, decoded(newer).thing
        for known, arriving, told in ((older, newer_thing, None), (newer, older_thing, STALE)):
            folded = fold(state_of(known), arriving)
            assert (folded if isinstance(folded, str) else None) == told
        assert fold(state_of(older), newer_thing) == state_of(newer)


@pytest.mark.parametrize("told", [order(), feedback(1), claim("pending"), chargeback("service")])
def test_a_version_seen_twice_is_redelivered_and_changes_nothing(told: InputEvent) -> None:
    assert fold(state_of(told), decoded(told).thing) == REDELIVERED


def test_digits_beyond_microseconds_do_not_make_a_version_newer() -> None:
    first = claim("pending", event_time="2026-11-01T00:00:00.1234569Z", event_id="e2")
    second = claim("denied", event_time="2026-11-01T00:00:00.123456Z", event_id="e10")
    assert fold(state_of(first), decoded(second).thing) == STALE


def test_two_versions_with_one_time_and_id_end_in_the_same_state_in_both_orders() -> None:
    # A source must not do this; if it does, the order of arrival still decides nothing.
    twins = [
        (order(event_id="e", status="Shipped"), order(event_id="e", status="Pending")),
        (order(event_id="e", cancelled_by="buyer"), order(event_id="e")),
        (feedback(1, event_id="e"), feedback(5, event_id="e")),
        (claim("pending", event_id="e"), claim("pending", event_id="e", odr_impact="does_not_count")),
        (chargeback("fraud", event_id="e"), chargeback("service", event_id="e")),
    ]
    for one, other in twins:
        assert pack(state_of(one, other)) == pack(state_of(other, one))
        assert pack(state_of(one, other, one, other)) == pack(state_of(other, one))


def test_things_of_one_kind_are_told_apart_by_id_and_things_of_one_id_by_kind() -> None:
    told = [
        feedback(1, feedback_id="X"),
        feedback(5, feedback_id="Y"),
        claim("pending", claim_id="X"),
        chargeback("service", chargeback_id="X"),
    ]
    state = state_of(*told)
    assert [(type(defect), defect.id) for defect in state.defects] == [
        (Chargeback, "X"),
        (Claim, "X"),
        (Feedback, "X"),
        (Feedback, "Y"),
    ]
    for arrival in itertools.permutations(told):
        assert pack(state_of(*arrival)) == pack(state)


def test_merging_states_is_seeing_all_their_versions_in_any_order() -> None:
    told = [order(status="Pending"), order(), claim("pending"), claim("denied"), feedback(1), chargeback("service")]
    whole = state_of(*told)
    for cut in range(len(told) + 1):
        left, right = state_of(*told[:cut]), state_of(*told[cut:])
        assert pack(merge(left, right)) == pack(merge(right, left)) == pack(whole)
        assert merge(whole, left) == whole
    assert merge(EMPTY, EMPTY) == EMPTY


CROWD = st.lists(
    st.tuples(st.sampled_from("abcdef"), st.integers(1, 3), st.booleans()).map(
        lambda drawn: (
            claim("pending", claim_id=drawn[0], event_id=f"e{drawn[1]}")
            if drawn[2]
            else feedback(drawn[1], feedback_id=drawn[0], event_id=f"e{drawn[1]}")
        )
    ),
    max_size=30,
)


@given(CROWD, st.randoms(use_true_random=False))
def test_an_order_keeps_the_first_of_too_many_things_in_whatever_order_they_arrive(
    told: list[InputEvent], rng: random.Random
) -> None:
    with pytest.MonkeyPatch.context() as patched:
        everything = sorted(state_of(*told).defects, key=lambda defect: (type(defect).__name__, defect.id))
        patched.setattr(orders, "MOST_DEFECTS", 3)
        state = state_of(*told)
        assert list(state.defects) == everything[:3]
        again = [*told, *told]
        rng.shuffle(again)
        assert pack(state_of(*again)) == pack(state)
        half = len(again) // 2
        assert pack(merge(state_of(*again[:half]), state_of(*again[half:]))) == pack(state)


def test_a_thing_beyond_what_an_order_keeps_changes_nothing_and_says_so() -> None:
    state = state_of(*(claim("pending", claim_id=f"C-{at:03}") for at in range(MOST_DEFECTS)))
    assert fold(state, decoded(claim("pending", claim_id="C-999")).thing) == TOO_MANY
    assert fold(state, decoded(feedback(1)).thing) == TOO_MANY
    newer = fold(state, decoded(claim("denied", claim_id="C-007")).thing)
    earlier = fold(state, decoded(chargeback("service")).thing)
    assert isinstance(newer, OrderState)
    assert isinstance(earlier, OrderState)
    assert len(newer.defects) == len(earlier.defects) == MOST_DEFECTS
    assert earlier.defects[-1] == state.defects[-2]


def test_the_largest_state_fits_into_a_record_of_one_mib() -> None:
    # A source that gave one order id to all its claims made a state that no broker takes: every worker ended on it.
    letters = "\U0010ffff" * 125
    large = {"marketplace_id": letters, "event_id": letters, "event_time": "9999-12-31T23:59:59.999999-23:59"}
    status = {"funded_by": "amazon", "odr_impact": "does_not_count", "reason": "damaged_or_defective"}
    longest = decoded(claim("order_cancelled", claim_id=f"{letters}000", **large, **status), timestamp=2**53).thing
    state = OrderState(decoded(order(**large), timestamp=2**53).thing, (longest,) * MOST_DEFECTS)  # type: ignore[arg-type]
    assert 750_000 < len(pack(state)) < 1_000_000


def test_a_packed_state_of_another_format_is_refused() -> None:
    packed = pack(state_of(order(), claim("pending")))
    assert pack(unpack(packed)) == packed
    for damaged in (b"", packed[:-1], packed + b"\x00", packed.replace(b"\x93\x01", b"\x93\x02", 1), b"\xc0"):
        with pytest.raises(msgspec.DecodeError):
            unpack(damaged)


def test_the_packed_form_is_the_stored_one() -> None:
    # What is on disks and in changelogs: another order of fields needs another number in front.
    bought, became = 1_790_856_000_000_000, 1_793_491_200_000_000
    state = OrderState(
        Order(became, "e1", US, bought, "MFN", "Shipped", None),
        (
            Chargeback("B", became, "e2", US, "service", "open", None),
            Claim("C", became, "e3", US, "granted", "seller", "counts", "late"),
            Feedback("F", became, "e4", US, 2, "posted", None),
        ),
    )
    assert msgspec.msgpack.decode(pack(state)) == [
        1,
        [became, "e1", US, bought, "MFN", "Shipped", None],
        [
            [3, "B", became, "e2", US, "service", "open", None],
            [2, "C", became, "e3", US, "granted", "seller", "counts", "late"],
            [1, "F", became, "e4", US, 2, "posted", None],
        ],
    ]
    assert unpack(pack(state)) == state


# --- What counts ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "counts_"),
    [
        ({"status": "Pending"}, False),
        ({"status": "PendingAvailability"}, False),
        ({"status": "Pending", "cancelled_by": "seller"}, False),
        ({"status": "Unshipped"}, True),
        ({"status": "PartiallyShipped"}, True),
        ({"status": "Shipped"}, True),
        ({"status": "InvoiceUnconfirmed"}, True),
        ({"status": "Unfulfillable"}, True),
        ({"status": "Canceled"}, True),
        ({"status": "Canceled", "cancelled_by": "buyer"}, False),
        ({"status": "Canceled", "cancelled_by": "seller"}, True),
        ({"status": "Canceled", "cancelled_by": "amazon"}, True),
        ({"status": "Canceled", "cancelled_by": "seller", "buyer_requested_cancel": True}, True),
        ({"status": "Canceled", "buyer_requested_cancel": True}, True),
        ({"status": "Shipped", "cancelled_by": "buyer"}, True),
    ],
)
def test_orders_count_unless_pending_or_cancelled_by_their_buyer(fields: dict[str, Any], counts_: bool) -> None:
    known = state_of(order(**fields))
    assert known.order is not None
    assert counted(known.order) is counts_
    share = contribution(known, RULES)
    assert share is not None
    assert share.amount == (ONE["orders"] if counts_ else ONE[UNCOUNTED_ORDERS])


@pytest.mark.parametrize("impact", [None, "counts", "does_not_count"])
@pytest.mark.parametrize("funded_by", [None, "seller", "amazon"])
@pytest.mark.parametrize("status", ["pending", "granted", "seller_refunded", "order_cancelled", "denied", "withdrawn"])
def test_a_claim_counts_by_its_impact_then_by_the_table_unless_all_filed_count(
    status: str, funded_by: str | None, impact: str | None
) -> None:
    (defect,) = state_of(claim(status, funded_by=funded_by, odr_impact=impact)).defects
    by_table = {"granted": funded_by != "amazon", "denied": False, "withdrawn": False}.get(status, True)
    assert defective(defect, RULES) is {None: by_table, "counts": True, "does_not_count": False}[impact]
    assert defective(defect, rules_of(Switches(claims_policy="all_filed")))


@pytest.mark.parametrize("switch", ["excluded", "counted"])
@pytest.mark.parametrize("status", ["open", "upheld", "reversed"])
@pytest.mark.parametrize("kind", ["service", "fraud", "unknown"])
def test_a_chargeback_counts_unless_fraud_or_reversed(kind: str, status: str, switch: str) -> None:
    (defect,) = state_of(chargeback(kind, status)).defects
    expected = kind != "fraud" and (status != "reversed" or switch == "counted")
    assert defective(defect, rules_of(Switches(reversed_chargebacks=switch))) is expected


@pytest.mark.parametrize("status", ["posted", "removed", "struck_through"])
@pytest.mark.parametrize("rating", [1, 2, 3, 4, 5])
def test_a_feedback_counts_while_posted_with_one_or_two_stars(rating: int, status: str) -> None:
    (defect,) = state_of(feedback(rating, status=status)).defects
    assert defective(defect, RULES) is (rating <= 2 and status == "posted")


def test_an_order_is_once_in_each_figure_however_many_defects_it_has() -> None:
    state = state_of(
        order(),
        feedback(1, feedback_id="F-1"),
        feedback(2, feedback_id="F-2"),
        claim("pending", claim_id="C-1"),
        claim("granted", claim_id="C-2"),
        chargeback("service", chargeback_id="B-1"),
        chargeback("unknown", chargeback_id="B-2"),
    )
    share = contribution(state, RULES)
    assert share is not None
    assert counts(share.amount) == (1, 1, 1, 1, 1)


@pytest.mark.parametrize("status", ["Pending", "PendingAvailability"])
def test_a_defect_on_an_order_that_is_not_counted_is_in_no_figure(status: str) -> None:
    assert counted_figures(state_of(order(status=status), claim("pending"), feedback(1))) == []
    assert counted_figures(state_of(order(status=status), claim("pending"), order())) == [
        "orders",
        "defective_orders",
        "claim_orders",
    ]


def test_a_defect_without_its_order_adds_nothing() -> None:
    assert contribution(state_of(claim("pending")), RULES) is None
    assert contribution(EMPTY, RULES) is None


def test_an_order_date_is_the_day_in_the_marketplaces_zone() -> None:
    rules = rules_of(zones={US: "America/Los_Angeles"})
    late_evening = state_of(order(purchased="2026-11-03T07:59:59Z")).order  # 23:59:59 the day before, in winter time
    midnight = state_of(order(purchased="2026-11-03T08:00:00Z")).order
    assert late_evening is not None
    assert midnight is not None
    assert order_day(late_evening, rules) == D.toordinal() - 1
    assert order_day(midnight, rules) == D.toordinal()
    assert order_day(late_evening, RULES) == D.toordinal()


def test_defects_belong_to_their_orders_marketplace_and_channel_whatever_they_say() -> None:
    state = state_of(order(channel="AFN"), claim("pending", marketplace_id="ELSEWHERE"))
    share = contribution(state, Rules(marketplaces={"ELSEWHERE": Marketplace()}))
    assert share is not None
    assert share[:2] == (US, "AFN")
    assert figures_in(share.amount) == ["orders", "defective_orders", "claim_orders"]


# --- Changes ----------------------------------------------------------------------------------------------------------

DAY = D.toordinal()
GOOD = Contribution(US, "MFN", DAY, ONE["orders"])
BAD = GOOD._replace(amount=ONE["orders"] + ONE["defective_orders"] + ONE["claim_orders"])


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (None, None, []),
        (GOOD, GOOD, []),
        (None, GOOD, [Change(*GOOD)]),
        (GOOD, None, [Change(US, "MFN", DAY, -GOOD.amount)]),
        (GOOD, BAD, [Change(US, "MFN", DAY, BAD.amount - GOOD.amount)]),
        (BAD, GOOD, [Change(US, "MFN", DAY, GOOD.amount - BAD.amount)]),
        *[
            (BAD, BAD._replace(**moved), [Change(US, "MFN", DAY, -BAD.amount), Change(*BAD._replace(**moved))])
            for moved in ({"marketplace_id": "X"}, {"channel": "AFN"}, {"day": DAY + 1})
        ],
    ],
)
def test_a_change_retracts_what_was_and_adds_what_is(
    before: Contribution | None, after: Contribution | None, expected: list[Change]
) -> None:
    assert list(changes(before, after)) == expected


def test_no_change_is_ever_of_nothing() -> None:
    shares = [None, GOOD, BAD, BAD._replace(day=DAY + 1)]
    for before, after in itertools.product(shares, shares):
        assert all(change.diff for change in changes(before, after))


# --- Figures ----------------------------------------------------------------------------------------------------------


def test_figures_in_one_amount_do_not_touch_each_other() -> None:
    amount = sum(number * ONE[figure] for number, figure in enumerate((*FIGURES, UNCOUNTED_ORDERS), start=1))
    assert counts(amount) == (1, 2, 3, 4, 5)
    assert count(amount, UNCOUNTED_ORDERS) == 6
    assert figures_in(amount - ONE["orders"]) == list(FIGURES[1:])


def test_a_lane_holds_the_orders_of_any_seller() -> None:
    most = 2**32 - 1
    amount = sum(most * ONE[figure] for figure in FIGURES)
    assert counts(amount) == (most,) * len(FIGURES)
    assert count(amount, UNCOUNTED_ORDERS) == 0
