"""What is now true of an order, a message or a violation: the fold of their versions, and its stored form."""

import itertools
import random
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream import states
from stream.events import Chargeback, Claim, Feedback, Message, Order, Package, Thing, Violation
from stream.states import (
    MOST_ATTACHED,
    REDELIVERED,
    STALE,
    TOO_MANY,
    OrderState,
    State,
    fold,
    merge,
    order_id_of,
    pack,
    state_id,
    things_of,
    unpack,
)
from tests.builders import (
    US,
    chargeback,
    claim,
    decoded,
    feedback,
    folded,
    message,
    order,
    order_state,
    shipment,
    violation,
)
from tests.recount import InputEvent

TOPICS = ("orders", "feedback", "claim-statuses", "chargebacks", "shipments", "messages", "violations")
ONE_OF_EACH = (order(), feedback(1), claim("pending"), chargeback("service"), shipment(), message(), violation())

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
            did = fold(order_state(known), arriving)
            assert (did if isinstance(did, str) else None) == told
        assert fold(order_state(older), newer_thing) == order_state(newer)


@pytest.mark.parametrize("told", ONE_OF_EACH, ids=TOPICS)
def test_a_version_seen_twice_is_redelivered_and_changes_nothing(told: InputEvent) -> None:
    assert fold(folded(told), decoded(told).thing) == REDELIVERED


def test_digits_beyond_microseconds_do_not_make_a_version_newer() -> None:
    first = claim("pending", event_time="2026-11-01T00:00:00.1234569Z", event_id="e2")
    second = claim("denied", event_time="2026-11-01T00:00:00.123456Z", event_id="e10")
    assert fold(order_state(first), decoded(second).thing) == STALE


def test_two_versions_with_one_time_and_id_end_in_the_same_state_in_both_orders() -> None:
    # A source must not do this; if it does, the order of arrival still decides nothing.
    twins = [
        (order(event_id="e", status="Shipped"), order(event_id="e", status="Pending")),
        (order(event_id="e", cancelled_by="buyer"), order(event_id="e")),
        (feedback(1, event_id="e"), feedback(5, event_id="e")),
        (claim("pending", event_id="e"), claim("pending", event_id="e", odr_impact="does_not_count")),
        (chargeback("fraud", event_id="e"), chargeback("service", event_id="e")),
        (shipment(event_id="e"), shipment(event_id="e", delivered_at=None)),
        (message(event_id="e"), message("2026-10-30T13:00:00Z", event_id="e")),
        (violation("open", event_id="e"), violation("resolved", event_id="e")),
    ]
    for one, other in twins:
        assert pack(folded(one, other)) == pack(folded(other, one))
        assert pack(folded(one, other, one, other)) == pack(folded(other, one))


def test_things_of_one_kind_are_told_apart_by_id_and_things_of_one_id_by_kind() -> None:
    told = [
        feedback(1, feedback_id="X"),
        feedback(5, feedback_id="Y"),
        claim("pending", claim_id="X"),
        chargeback("service", chargeback_id="X"),
        shipment(shipment_id="X"),
    ]
    state = order_state(*told)
    assert [(type(thing), thing.id) for thing in state.attached] == [
        (Chargeback, "X"),
        (Claim, "X"),
        (Feedback, "X"),
        (Feedback, "Y"),
        (Package, "X"),
    ]
    for arrival in itertools.permutations(told):
        assert pack(order_state(*arrival)) == pack(state)


def test_merging_states_is_seeing_all_their_versions_in_any_order() -> None:
    told = [
        *(order(status="Pending"), order(), claim("pending"), claim("denied"), chargeback("service"), shipment()),
        *(feedback(1, event_time="2026-10-20T00:00:00Z"), feedback(4), feedback(2, event_time="2026-10-10T00:00:00Z")),
    ]
    whole = order_state(*told)
    for cut in range(len(told) + 1):
        left, right = order_state(*told[:cut]), order_state(*told[cut:])
        assert pack(merge(left, right)) == pack(merge(right, left)) == pack(whole)
        assert merge(whole, left) == whole
    assert merge(None, whole) == whole
    assert merge(OrderState(), OrderState()) == OrderState()


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
        everything = sorted(order_state(*told).attached, key=lambda thing: (type(thing).__name__, thing.id))
        patched.setattr(states, "MOST_ATTACHED", 3)
        state = order_state(*told)
        assert list(state.attached) == everything[:3]
        again = [*told, *told]
        rng.shuffle(again)
        assert pack(order_state(*again)) == pack(state)
        half = len(again) // 2
        assert pack(merge(order_state(*again[:half]), order_state(*again[half:]))) == pack(state)


def test_a_thing_beyond_what_an_order_keeps_changes_nothing_and_says_so() -> None:
    state = order_state(*(claim("pending", claim_id=f"C-{at:03}") for at in range(MOST_ATTACHED)))
    assert fold(state, decoded(claim("pending", claim_id="C-999")).thing) == TOO_MANY
    assert fold(state, decoded(feedback(1)).thing) == TOO_MANY
    newer = fold(state, decoded(claim("denied", claim_id="C-007")).thing)
    earlier = fold(state, decoded(chargeback("service")).thing)
    assert isinstance(newer, OrderState)
    assert isinstance(earlier, OrderState)
    assert len(newer.attached) == len(earlier.attached) == MOST_ATTACHED
    assert earlier.attached[-1] == state.attached[-2]


def test_the_largest_state_fits_into_a_record_of_one_mib() -> None:
    # A source that gave one order id to all its claims made a state that no broker takes: every worker ended on it.
    letters = "\U0010ffff" * 125
    large = {"marketplace_id": letters, "event_id": letters, "event_time": "9999-12-31T23:59:59.999999-23:59"}
    status = {"funded_by": "amazon", "odr_impact": "does_not_count", "reason": "damaged_or_defective"}
    longest = decoded(claim("order_cancelled", claim_id=f"{letters}000", **large, **status), timestamp=2**53).thing
    state = OrderState(decoded(order(**large), timestamp=2**53).thing, (longest,) * MOST_ATTACHED)  # type: ignore[arg-type]
    assert 750_000 < len(pack(state)) < 1_000_000


@pytest.mark.parametrize("told", [(order(), claim("pending")), (message(),), (violation(),)])
def test_a_packed_state_of_another_format_is_refused(told: tuple[InputEvent, ...]) -> None:
    packed = pack(folded(*told))
    assert pack(unpack(packed)) == packed
    tag = packed[1:2]
    others = [bytes([number]) for number in range(128) if number not in {16, 17, 18}]
    for damaged in (b"", packed[:-1], packed + b"\x00", b"\xc0", *(packed.replace(tag, other, 1) for other in others)):
        with pytest.raises(msgspec.DecodeError):
            unpack(damaged)


def test_a_state_of_the_first_format_is_refused() -> None:
    bought, became = 1_790_856_000_000_000, 1_793_491_200_000_000
    first = msgspec.msgpack.encode([1, [became, "e1", US, bought, "MFN", "Shipped", None], []])
    with pytest.raises(msgspec.DecodeError):
        unpack(first)


BOUGHT, BECAME, EARLIER, LATER = (
    1_790_856_000_000_000,
    1_793_491_200_000_000,
    1_793_000_000_000_000,
    1_794_000_000_000_000,
)
STORED: list[tuple[State, list[Any]]] = [
    (
        OrderState(
            Order(BECAME, "e1", US, BOUGHT, "MFN", "Canceled", LATER, "amazon", "not_shipped", True, False, True),
            (
                Chargeback("B", BECAME, "e2", US, "service", "open", None),
                Claim("C", BECAME, "e3", US, "granted", "seller", "counts", "late"),
                Feedback("F", BECAME, "e4", US, EARLIER, 2, "posted", None),
                Package("P", BECAME, "e5", US, EARLIER, LATER, None, True, False),
            ),
        ),
        [
            16,
            [BECAME, "e1", US, BOUGHT, "MFN", "Canceled", LATER, "amazon", "not_shipped", True, False, True],
            [
                [3, "B", BECAME, "e2", US, "service", "open", None],
                [2, "C", BECAME, "e3", US, "granted", "seller", "counts", "late"],
                [1, "F", BECAME, "e4", US, EARLIER, 2, "posted", None],
                [4, "P", BECAME, "e5", US, EARLIER, LATER, None, True, False],
            ],
        ],
    ),
    (OrderState(), [16, None, []]),
    (Message(BECAME, "e6", US, EARLIER, LATER, True), [17, BECAME, "e6", US, EARLIER, LATER, True]),
    (
        Violation(BECAME, "e7", US, "listing", "high", "open", EARLIER),
        [18, BECAME, "e7", US, "listing", "high", "open", EARLIER],
    ),
]


@pytest.mark.parametrize(("state", "stored"), STORED)
def test_the_packed_form_is_the_stored_one(state: State, stored: list[Any]) -> None:
    # What is on disks and in changelogs: another order of fields needs another FORMAT, and so other tags.
    assert msgspec.msgpack.decode(pack(state)) == stored
    assert unpack(pack(state)) == state


# --- When a feedback was received -------------------------------------------------------------------------------------

FIRST = feedback(1, event_time="2026-10-05T12:00:00Z", marketplace_id="ELSEWHERE", reason="late")
SECOND = feedback(2, event_time="2026-10-20T12:00:00Z")
THIRD = feedback(4, event_time="2026-10-25T12:00:00Z")


def received(*told: InputEvent) -> Feedback:
    (thing,) = order_state(*told).attached
    assert isinstance(thing, Feedback)
    return thing


def received_at(told: InputEvent) -> int:
    return decoded(told).thing.event_time


def test_a_feedback_is_received_when_its_earliest_version_is_told() -> None:
    assert received(SECOND).received_at == received_at(SECOND)
    newer = received(SECOND, THIRD)
    assert (newer.rating, newer.event_time, newer.received_at) == (4, received_at(THIRD), received_at(SECOND))


def test_an_earlier_version_that_arrives_late_moves_the_day_received_and_nothing_else() -> None:
    known = received(THIRD, SECOND)
    moved = received(THIRD, SECOND, FIRST)
    assert moved == msgspec.structs.replace(known, received_at=received_at(FIRST))
    assert (moved.rating, moved.marketplace_id, moved.reason) == (4, US, None)


def test_a_version_between_the_earliest_and_the_newest_is_stale() -> None:
    assert fold(order_state(FIRST, THIRD), decoded(SECOND).thing) == STALE


@pytest.mark.parametrize("again", [FIRST, SECOND, THIRD])
def test_a_redelivery_after_an_earlier_version_changes_nothing(again: InputEvent) -> None:
    state = order_state(THIRD, FIRST)
    assert fold(state, decoded(again).thing) == (REDELIVERED if again is THIRD else STALE)


def test_the_order_of_arrival_of_a_feedbacks_versions_decides_nothing() -> None:
    """Case 31."""
    expected = pack(order_state(FIRST, SECOND, THIRD))
    for arrival in itertools.permutations((FIRST, SECOND, THIRD, FIRST, THIRD)):
        assert pack(order_state(*arrival)) == expected


def test_merging_two_states_keeps_the_earlier_day_received_whichever_comes_first() -> None:
    early, late = order_state(order(), FIRST), order_state(THIRD)
    assert pack(merge(early, late)) == pack(merge(late, early)) == pack(merge(merge(late, early), late))
    merged = merge(late, early)
    assert isinstance(merged, OrderState)
    (thing,) = merged.attached
    assert isinstance(thing, Feedback)
    assert (thing.rating, thing.received_at) == (4, received_at(FIRST))
    assert merge(merged, late) == merge(merged, early) == merged


def test_twin_versions_of_a_feedback_are_received_at_the_earlier_time_too() -> None:
    # Two versions of one time and id, which a source must not tell, with an earlier one: still no order of arrival.
    told = [feedback(1, event_id="e"), feedback(5, event_id="e"), FIRST]
    expected = pack(order_state(*told))
    for arrival in itertools.permutations((*told, told[0])):
        assert pack(order_state(*arrival)) == expected
    assert received(*told).received_at == received_at(FIRST)


# --- What stands for itself -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("told", "key"),
    [
        (order(), b"oo1"),
        (feedback(1), b"oo1"),
        (claim("pending"), b"oo1"),
        (chargeback("service"), b"oo1"),
        (shipment(), b"oo1"),
        (message(), b"mM-1"),
        (violation(), b"vV-1"),
        (message(message_id="o1"), b"mo1"),
        (violation(violation_id="\U0001f4e6\x00"), b"v\xf0\x9f\x93\xa6\x00"),
    ],
)
def test_a_thing_is_kept_under_its_orders_id_or_its_own(told: InputEvent, key: bytes) -> None:
    assert state_id(decoded(told)) == key


@given(st.text(min_size=1, max_size=128).filter(lambda text: text.isprintable()))
def test_an_orders_id_comes_back_from_its_key(order_id: str) -> None:
    assert order_id_of(state_id(decoded(order(order_id)))) == order_id


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        (message(event_time="2026-10-30T12:00:00Z"), message("2026-10-30T13:00:00Z")),
        (violation(event_time="2026-10-30T12:00:00Z"), violation("resolved")),
    ],
)
def test_of_a_message_or_violation_the_newest_version_is_all_there_is(older: InputEvent, newer: InputEvent) -> None:
    newest = decoded(newer).thing
    assert folded(older, newer) == folded(newer, older) == folded(newer) == newest
    assert fold(folded(newer), decoded(older).thing) == STALE
    known = folded(newer)
    assert known is not None
    assert list(things_of(known)) == [newest]
    for one, other in itertools.product((folded(older), folded(newer)), repeat=2):
        assert one is not None
        assert other is not None
        assert merge(one, other) == merge(other, one)
    assert merge(None, known) == known


def test_an_order_holds_itself_and_all_that_belongs_to_it() -> None:
    told = [order(), claim("pending"), feedback(1), shipment()]
    things: list[Thing] = [decoded(one).thing for one in told]
    assert list(things_of(order_state(*reversed(told)))) == things
    assert list(things_of(order_state(*told[1:]))) == things[1:]
