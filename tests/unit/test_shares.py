"""What counts where: what an order, a message or a violation adds to each ledger, and how a change moves the counts."""

import itertools
from collections import Counter, defaultdict
from typing import Any

import pytest

from stream.events import Package
from stream.figures import FIGURES, LEDGER_OF, LEDGERS, ONE, UNCOUNTED_ORDERS, count, counts, figures_in, lanes
from stream.rules import Marketplace, Rules
from stream.shares import Share, Shares, changes, counted, defective, order_share, shares
from stream.states import OrderState
from tests.builders import (
    DE,
    US,
    D,
    cancelled,
    chargeback,
    claim,
    feedback,
    folded,
    message,
    order,
    order_state,
    rules_of,
    shipment,
    violation,
)
from tests.recount import InputEvent, Switches

RULES = Rules()
DAY = D.toordinal()


def told_by(*told: InputEvent, rules: Rules = RULES) -> dict[str, dict[int, dict[str, int]]]:
    """What these versions of one key's things add: by ledger, then by day (before or after D), the figures."""
    amounts: Counter[tuple[str, int]] = Counter()
    for share in shares(folded(*told), rules):
        amounts[share.place[0], share.day - DAY] += share.amount
    found: defaultdict[str, dict[int, dict[str, int]]] = defaultdict(dict)
    for (ledger, day), amount in amounts.items():
        found[ledger][day] = lanes(amount, LEDGERS[ledger])
    return dict(found)


def share_of(state: OrderState, rules: Rules = RULES) -> Share:
    """An order's own share, by order date."""
    share = order_share(shares(state, rules))
    assert share is not None
    return share


def counted_figures(state: OrderState, rules: Rules = RULES) -> list[str]:
    return figures_in(share_of(state, rules).amount)


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
    known = order_state(order(**fields))
    assert known.order is not None
    assert counted(known.order) is counts_
    # Whether it is a cancellation too says another lane.
    amount = share_of(known, rules_of(Switches())).amount
    assert (count(amount, "orders"), count(amount, UNCOUNTED_ORDERS)) == ((1, 0) if counts_ else (0, 1))
    assert counts(amount) == ((1, 0, 0, 0, 0) if counts_ else (0, 0, 0, 0, 0))


@pytest.mark.parametrize("impact", [None, "counts", "does_not_count"])
@pytest.mark.parametrize("funded_by", [None, "seller", "amazon"])
@pytest.mark.parametrize("status", ["pending", "granted", "seller_refunded", "order_cancelled", "denied", "withdrawn"])
def test_a_claim_counts_by_its_impact_then_by_the_table_unless_all_filed_count(
    status: str, funded_by: str | None, impact: str | None
) -> None:
    (defect,) = order_state(claim(status, funded_by=funded_by, odr_impact=impact)).attached
    assert not isinstance(defect, Package)
    by_table = {"granted": funded_by != "amazon", "denied": False, "withdrawn": False}.get(status, True)
    assert defective(defect, RULES) is {None: by_table, "counts": True, "does_not_count": False}[impact]
    assert defective(defect, rules_of(Switches(claims_policy="all_filed")))


@pytest.mark.parametrize("switch", ["excluded", "counted"])
@pytest.mark.parametrize("status", ["open", "upheld", "reversed"])
@pytest.mark.parametrize("kind", ["service", "fraud", "unknown"])
def test_a_chargeback_counts_unless_fraud_or_reversed(kind: str, status: str, switch: str) -> None:
    (defect,) = order_state(chargeback(kind, status)).attached
    assert not isinstance(defect, Package)
    expected = kind != "fraud" and (status != "reversed" or switch == "counted")
    assert defective(defect, rules_of(Switches(reversed_chargebacks=switch))) is expected


@pytest.mark.parametrize("status", ["posted", "removed", "struck_through"])
@pytest.mark.parametrize("rating", [1, 2, 3, 4, 5])
def test_a_feedback_counts_while_posted_with_one_or_two_stars(rating: int, status: str) -> None:
    (defect,) = order_state(feedback(rating, status=status)).attached
    assert not isinstance(defect, Package)
    assert defective(defect, RULES) is (rating <= 2 and status == "posted")


def test_an_order_is_once_in_each_figure_however_many_defects_it_has() -> None:
    state = order_state(
        order(),
        feedback(1, feedback_id="F-1"),
        feedback(2, feedback_id="F-2"),
        claim("pending", claim_id="C-1"),
        claim("granted", claim_id="C-2"),
        chargeback("service", chargeback_id="B-1"),
        chargeback("unknown", chargeback_id="B-2"),
    )
    assert counts(share_of(state).amount) == (1, 1, 1, 1, 1)


@pytest.mark.parametrize("status", ["Pending", "PendingAvailability"])
def test_a_defect_on_an_order_that_is_not_counted_is_in_no_figure(status: str) -> None:
    assert counted_figures(order_state(order(status=status), claim("pending"), feedback(1))) == []
    assert counted_figures(order_state(order(status=status), claim("pending"), order())) == [
        "orders",
        "defective_orders",
        "claim_orders",
    ]


def test_a_defect_without_its_order_adds_nothing() -> None:
    for told in (claim("pending"), chargeback("service"), shipment(), feedback(1, status="removed")):
        assert shares(order_state(told), RULES) == ()
    assert order_share(shares(order_state(feedback(1)), RULES)) is None
    assert shares(OrderState(), RULES) == ()
    assert shares(None, RULES) == ()


def test_an_order_date_is_the_day_in_the_marketplaces_zone() -> None:
    rules = rules_of(zones={US: "America/Los_Angeles"})
    late_evening = order_state(order(purchased="2026-11-03T07:59:59Z"))  # 23:59:59 the day before, in winter time
    midnight = order_state(order(purchased="2026-11-03T08:00:00Z"))
    assert share_of(late_evening, rules).day == D.toordinal() - 1
    assert share_of(midnight, rules).day == D.toordinal()
    assert share_of(late_evening, RULES).day == D.toordinal()


def test_defects_belong_to_their_orders_marketplace_and_channel_whatever_they_say() -> None:
    state = order_state(order(channel="AFN"), claim("pending", marketplace_id="ELSEWHERE"))
    share = share_of(state, Rules(marketplaces={"ELSEWHERE": Marketplace()}))
    assert share.place == ("orders", US, "AFN")
    assert figures_in(share.amount) == ["orders", "defective_orders", "claim_orders"]


# --- Cancellations ----------------------------------------------------------------------------------------------------


def cancellations(*told: InputEvent, rules: Rules = RULES) -> tuple[int, int]:
    """How many of an order's are cancelled, and how many counted."""
    amount = share_of(order_state(*told), rules).amount
    return count(amount, "cancelled_orders"), count(amount, "orders")


ITEMS_BY = {
    by: [{"sku": "S-1", "quantity": 1}, {"sku": "S-2", "quantity": 2, "cancelled_by": by}]
    for by in ("seller", "buyer", "amazon", None)
}


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (cancelled("seller"), (1, 1)),
        (cancelled("seller", cancel_reason="out_of_stock"), (1, 1)),
        (cancelled("amazon", cancel_reason="not_shipped"), (1, 1)),
        (cancelled("amazon", cancel_reason="fraud"), (0, 1)),
        (cancelled("amazon"), (0, 1)),
        (cancelled(None), (0, 1)),
        (cancelled(None, cancel_reason="not_shipped"), (0, 1)),
        (cancelled("buyer"), (0, 0)),
        (cancelled("seller", channel="AFN"), (0, 1)),
        (cancelled("seller", excused=True), (0, 1)),
        (cancelled("amazon", cancel_reason="not_shipped", excused=True), (0, 1)),
        (cancelled("seller", status="Unshipped"), (0, 1)),
        (order(items=ITEMS_BY["seller"]), (1, 1)),
        (order(items=ITEMS_BY["buyer"]), (0, 1)),
        (order(items=ITEMS_BY["amazon"]), (0, 1)),
        (order(items=ITEMS_BY[None]), (0, 1)),
        (order(items=ITEMS_BY["seller"], excused=True), (0, 1)),
        (order(items=ITEMS_BY["seller"], status="Pending"), (0, 0)),
        (cancelled("buyer", items=ITEMS_BY["seller"]), (0, 0)),
        (cancelled("amazon", items=ITEMS_BY["seller"]), (1, 1)),
    ],
)
def test_a_cancellation_is_the_sellers_or_amazons_for_want_of_shipping(
    told: InputEvent, expected: tuple[int, int]
) -> None:
    """Case 26."""
    assert cancellations(told) == expected


@pytest.mark.parametrize("told", [cancelled("seller"), order(items=ITEMS_BY["seller"])])
def test_a_cancellation_on_the_buyers_request_is_none_unless_the_switch_says_so(told: InputEvent) -> None:
    topic, value = told
    asked_for = topic, {**value, "buyer_requested_cancel": True}
    assert cancellations(asked_for) == (0, 1)
    counted_too = rules_of(Switches(buyer_requested_cancellations="counted"))
    assert cancellations(asked_for, rules=counted_too) == (1, 1)


@pytest.mark.parametrize("package", [shipment(), shipment(excused=True), shipment(confirmed_at="2026-12-01T00:00:00Z")])
def test_an_order_with_a_confirmed_package_is_no_cancellation(package: InputEvent) -> None:
    """Case 27."""
    assert cancellations(cancelled("seller"), package) == (0, 1)
    assert cancellations(order(items=ITEMS_BY["seller"]), package) == (0, 1)


def test_a_cancelled_order_may_be_defective_too() -> None:
    """Case 6."""
    state = order_state(cancelled("seller"), claim("order_cancelled"))
    amount = share_of(state).amount
    assert counts(amount) == (1, 1, 0, 1, 0)
    assert count(amount, "cancelled_orders") == 1


# --- Late shipment ----------------------------------------------------------------------------------------------------

ON_TIME, LATE = {"confirmed_orders": 1}, {"confirmed_orders": 1, "late_orders": 1}


@pytest.mark.parametrize(
    ("ship_by", "expected"),
    [
        (None, ON_TIME),
        ("2026-10-15T12:00:00Z", ON_TIME),
        ("2026-10-15T13:00:00+01:00", ON_TIME),
        ("2026-10-15T11:59:59.999999Z", LATE),
        ("2026-10-16T00:00:00Z", ON_TIME),
    ],
)
def test_a_shipment_is_late_when_confirmed_after_its_latest_ship_date(
    ship_by: str | None, expected: dict[str, int]
) -> None:
    found = told_by(order(latest_ship_date=ship_by), shipment(promised_by=None))
    assert found["confirmations"] == {-19: expected}


def test_an_order_is_confirmed_when_its_first_package_is() -> None:
    told = [
        order(latest_ship_date="2026-10-12T12:00:00Z"),
        shipment(shipment_id="P-1", confirmed_at="2026-10-15T12:00:00Z"),
        shipment(shipment_id="P-2", confirmed_at="2026-10-12T12:00:00Z"),
        shipment(shipment_id="P-3", confirmed_at="2026-10-20T12:00:00Z"),
    ]
    for arrival in itertools.permutations(told):
        assert told_by(*arrival)["confirmations"] == {-22: ON_TIME}
    assert told_by(told[0], told[1], told[3])["confirmations"] == {-19: LATE}


def test_an_order_whose_first_package_is_excused_is_not_late() -> None:
    bought = order(latest_ship_date="2026-10-01T12:00:00Z")
    first = shipment(shipment_id="P-1", excused=True)
    later = shipment(shipment_id="P-2", confirmed_at="2026-10-20T12:00:00Z")
    assert told_by(bought, first, later)["confirmations"] == {-19: ON_TIME}
    excused_later = shipment(shipment_id="P-2", confirmed_at="2026-10-20T12:00:00Z", excused=True)
    assert told_by(bought, shipment(), excused_later)["confirmations"] == {-19: LATE}


@pytest.mark.parametrize(("excused", "other"), [("P-1", "P-2"), ("P-2", "P-1")])
def test_of_two_packages_confirmed_first_at_one_moment_either_excuses_the_order(excused: str, other: str) -> None:
    # The one with the smaller id decided, which says nothing of either.
    told = [
        order(latest_ship_date="2026-10-01T12:00:00Z"),
        shipment(shipment_id=excused, excused=True),
        shipment(shipment_id=other),
    ]
    assert told_by(*told)["confirmations"] == {-19: ON_TIME}


@pytest.mark.parametrize("status", ["Pending", "Unshipped", "Shipped", "Canceled"])
def test_an_order_with_a_package_is_confirmed_whatever_its_status(status: str) -> None:
    found = told_by(order(status=status, cancelled_by="buyer"), shipment())
    assert found["confirmations"] == {-19: ON_TIME}
    assert found["packages"] == {-14: {"packages": 1, "tracked_packages": 1, "on_time_packages": 1}}


def test_only_what_the_seller_fulfils_is_in_shipping_and_tracking() -> None:
    """Case 24."""
    assert told_by(order(channel="AFN", latest_ship_date="2026-10-01T12:00:00Z"), shipment()).keys() == {"orders"}


# --- Tracking and delivery --------------------------------------------------------------------------------------------

UNTRACKED, TRACKED = {"packages": 1}, {"packages": 1, "tracked_packages": 1}
DELIVERED = {**TRACKED, "on_time_packages": 1}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, DELIVERED),
        ({"first_scan_at": None}, UNTRACKED),
        ({"first_scan_at": None, "tracking_confirmed_at": None}, UNTRACKED),
        ({"tracking_confirmed_at": None}, DELIVERED),
        ({"tracking_confirmed_at": "2026-10-19T12:00:00Z"}, DELIVERED),
        ({"tracking_confirmed_at": "2026-10-19T12:00:00.000001Z"}, UNTRACKED),  # case 29
        ({"tracking_confirmed_at": "2026-10-19T12:00:00.000001Z", "delivered_at": None}, TRACKED),
        ({"delivered_at": None}, TRACKED),
        ({"delivered_at": "2026-10-20T23:59:59.999999Z"}, DELIVERED),
        ({"delivered_at": "2026-10-21T00:00:00Z"}, TRACKED),
        ({"delivered_at": "2026-10-21T00:00:00Z", "first_scan_at": None}, UNTRACKED),
    ],
)
def test_a_package_is_tracked_and_on_time_by_the_promised_day(fields: dict[str, Any], expected: dict[str, int]) -> None:
    """Case 29."""
    assert told_by(order(), shipment(**fields))["packages"] == {-14: expected}


@pytest.mark.parametrize("fields", [{"promised_by": None}, {"excused": True}])
def test_a_package_without_a_promise_and_an_excused_one_are_in_no_tracking_figure(fields: dict[str, Any]) -> None:
    found = told_by(order(), shipment(**fields))
    assert "packages" not in found
    assert found["confirmations"] == {-19: ON_TIME}


def test_each_package_counts_on_the_day_that_it_was_promised_for() -> None:
    told = [
        order(),
        shipment(shipment_id="P-1"),
        shipment(shipment_id="P-2", promised_by="2026-10-18T00:00:00Z"),
        shipment(shipment_id="P-3", promised_by="2026-10-22T00:00:00Z", first_scan_at=None),
    ]
    assert told_by(*told)["packages"] == {-14: DELIVERED, -16: TRACKED, -12: UNTRACKED}


def test_packages_of_one_day_add_up_and_go_again_in_one_change() -> None:
    none, three = order_state(order()), order_state(order(), *(shipment(shipment_id=f"P-{at}") for at in range(3)))
    assert told_by(order(), *(shipment(shipment_id=f"P-{at}") for at in range(3)))["packages"] == {
        -14: {"packages": 3, "tracked_packages": 3, "on_time_packages": 3}
    }
    amount = 3 * (ONE["packages"] + ONE["tracked_packages"] + ONE["on_time_packages"])
    assert changes(shares(three, RULES), shares(none, RULES)) == [
        Share(("confirmations", US), DAY - 19, -ONE["confirmed_orders"]),
        Share(("packages", US), DAY - 14, -amount),
    ]


def test_packages_belong_to_their_orders_marketplace_and_its_zone() -> None:
    rules = rules_of(zones={US: "America/Los_Angeles", DE: "Europe/Berlin"})
    state = order_state(
        order(),
        shipment(
            marketplace_id=DE,
            confirmed_at="2026-10-15T06:59:59Z",
            promised_by="2026-10-20T06:59:59Z",
            delivered_at="2026-10-20T07:00:00Z",
        ),
    )
    found = {share.place: (share.day - DAY, share.amount) for share in shares(state, rules)}
    assert found.keys() == {("orders", US, "MFN"), ("confirmations", US), ("packages", US)}
    assert found["confirmations", US] == (-20, ONE["confirmed_orders"])
    assert found["packages", US] == (-15, ONE["packages"] + ONE["tracked_packages"])  # a day late in Los Angeles


# --- Feedback received ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["posted", "removed", "struck_through"])
@pytest.mark.parametrize("rating", [1, 2, 3, 4, 5])
def test_feedback_received_is_counted_while_posted_and_negative_up_to_two_stars(rating: int, status: str) -> None:
    found = told_by(feedback(rating, status=status, event_time="2026-10-25T12:00:00Z"))
    negative = {"received_feedback": 1, "negative_received_feedback": 1}
    expected = negative if rating <= 2 else {"received_feedback": 1}
    assert found == ({"feedback": {-9: expected}} if status == "posted" else {})


def test_feedback_goes_by_its_own_marketplace_until_its_order_is_known_and_by_the_orders_after() -> None:
    left = feedback(1, marketplace_id=DE)
    places = [{share.place for share in shares(order_state(*told), RULES)} for told in ([left], [left, order()])]
    assert places == [{("feedback", DE)}, {("feedback", US), ("orders", US, "MFN")}]


def test_the_day_a_feedback_is_received_is_cut_in_its_marketplaces_zone() -> None:
    rules = rules_of(zones={US: "America/Los_Angeles"})
    left = feedback(5, marketplace_id=DE, event_time="2026-11-03T07:59:59Z")
    assert told_by(left, rules=rules) == {"feedback": {0: {"received_feedback": 1}}}
    assert told_by(left, order(), rules=rules)["feedback"] == {-1: {"received_feedback": 1}}


@pytest.mark.parametrize("fields", [{"channel": "AFN"}, {"status": "Pending"}, {"status": "Canceled"}])
def test_feedback_received_asks_nothing_of_its_order(fields: dict[str, Any]) -> None:
    assert told_by(order(**fields), feedback(1))["feedback"] == {
        -2: {"received_feedback": 1, "negative_received_feedback": 1}
    }


# --- Messages and violations ------------------------------------------------------------------------------------------

ANSWERED = {"messages": 1, "answered_messages": 1}


@pytest.mark.parametrize(
    ("answered", "expected"),
    [
        (None, {"messages": 1}),
        ("2026-10-30T12:00:00Z", ANSWERED),
        ("2026-10-31T12:00:00Z", ANSWERED),
        ("2026-10-31T12:00:00.000001Z", {"messages": 1}),
        ("2026-10-31T12:00:01Z", {"messages": 1}),
        ("2026-10-29T12:00:00Z", ANSWERED),  # before it was received
    ],
)
def test_a_message_is_answered_in_time_within_24_hours(answered: str | None, expected: dict[str, int]) -> None:
    """Case 28."""
    assert told_by(message(answered)) == {"messages": {-4: expected}}


@pytest.mark.parametrize("answered", [None, "2026-10-30T13:00:00Z"])
def test_a_message_that_needs_no_answer_counts_nowhere(answered: str | None) -> None:
    assert told_by(message(answered, needs_response=False)) == {}
    assert told_by(message(answered, needs_response=True)).keys() == {"messages"}


def test_a_message_and_a_violation_count_on_their_days_in_their_own_marketplace() -> None:
    rules = rules_of(zones={DE: "Europe/Berlin"})
    told = [
        message(received="2026-10-30T23:30:00Z", marketplace_id=DE, order_id="o1"),
        violation(detected_at="2026-10-30T23:30:00Z", marketplace_id=DE),
    ]
    found = [shares(folded(one), rules) for one in told]
    assert found == [
        (Share(("messages", DE), DAY - 3, ONE["messages"]),),
        (Share(("violations", DE, "listing", "high"), DAY - 3, ONE["violations"] + ONE["open_violations"]),),
    ]


@pytest.mark.parametrize("severity", ["low", "medium", "high", "critical"])
def test_a_violation_is_open_until_it_is_resolved_whatever_its_severity(severity: str) -> None:
    told = [violation(severity=severity), violation("resolved", severity=severity)]
    assert told_by(told[0]) == {"violations": {-33: {"violations": 1, "open_violations": 1}}}
    assert told_by(*told) == {"violations": {-33: {"violations": 1}}}


# --- All that one state adds ------------------------------------------------------------------------------------------


def test_an_orders_own_share_is_the_first_of_all_its_shares() -> None:
    found = shares(order_state(order(), claim("pending"), feedback(1), shipment()), RULES)
    assert [share.place for share in found] == [
        ("orders", US, "MFN"),
        ("feedback", US),
        ("confirmations", US),
        ("packages", US),
    ]
    assert order_share(found) is found[0]
    assert order_share(found[1:]) is None
    assert order_share(shares(folded(message()), RULES)) is None


@pytest.mark.parametrize("told", [order(), claim("pending"), message(), message(needs_response=False), violation()])
def test_nothing_that_is_added_is_of_nothing(told: InputEvent) -> None:
    assert all(share.amount for share in shares(folded(told), RULES))


# --- Changes ----------------------------------------------------------------------------------------------------------

PLACE = ("orders", US, "MFN")
GOOD = Share(PLACE, DAY, ONE["orders"])
BAD = Share(PLACE, DAY, ONE["orders"] + ONE["defective_orders"] + ONE["claim_orders"])
ANSWER = Share(("messages", US), DAY, ONE["messages"])


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ((), (), []),
        ((GOOD,), (GOOD,), []),
        ((), (GOOD,), [GOOD]),
        ((GOOD,), (), [Share(PLACE, DAY, -GOOD.amount)]),
        ((GOOD,), (BAD,), [Share(PLACE, DAY, BAD.amount - GOOD.amount)]),
        ((BAD,), (GOOD,), [Share(PLACE, DAY, GOOD.amount - BAD.amount)]),
        *[
            ((BAD,), (Share(place, day, BAD.amount),), [Share(PLACE, DAY, -BAD.amount), Share(place, day, BAD.amount)])
            for place, day in ((("orders", "X", "MFN"), DAY), (("orders", US, "AFN"), DAY), (PLACE, DAY + 1))
        ],
        ((GOOD, ANSWER), (ANSWER, BAD), [Share(PLACE, DAY, BAD.amount - GOOD.amount)]),
        ((ANSWER,), (ANSWER, ANSWER), [ANSWER]),
        ((ANSWER, ANSWER), (ANSWER,), [Share(ANSWER.place, DAY, -ANSWER.amount)]),
    ],
)
def test_a_change_retracts_what_was_and_adds_what_is(before: Shares, after: Shares, expected: list[Share]) -> None:
    assert list(changes(before, after)) == expected


def test_no_change_is_ever_of_nothing() -> None:
    each: list[Shares] = [(), (GOOD,), (BAD,), (Share(PLACE, DAY + 1, BAD.amount),), (GOOD, ANSWER), (ANSWER, ANSWER)]
    for before, after in itertools.product(each, each):
        assert all(change.amount for change in changes(before, after))


# --- Figures ----------------------------------------------------------------------------------------------------------


def test_figures_in_one_amount_do_not_touch_each_other() -> None:
    for ledger in LEDGERS.values():
        amount = sum(number * ONE[figure] for number, figure in enumerate(ledger.figures, start=1))
        assert lanes(amount, ledger) == {figure: number for number, figure in enumerate(ledger.figures, start=1)}
        assert [count(amount, figure) for figure in ledger.figures] == list(range(1, len(ledger.figures) + 1))
        assert all(LEDGER_OF[figure] is ledger for figure in ledger.figures)


def test_the_figures_of_the_order_defect_rate_are_the_first_lanes_of_their_ledger() -> None:
    amount = sum(number * ONE[figure] for number, figure in enumerate((*FIGURES, UNCOUNTED_ORDERS), start=1))
    assert counts(amount) == (1, 2, 3, 4, 5)
    assert count(amount, UNCOUNTED_ORDERS) == 6
    assert figures_in(amount - ONE["orders"]) == list(FIGURES[1:])


def test_no_two_ledgers_have_a_figure_of_one_name() -> None:
    assert len(LEDGER_OF) == sum(len(ledger.figures) for ledger in LEDGERS.values())


def test_a_lane_holds_the_orders_of_any_seller() -> None:
    most = 2**32 - 1
    amount = sum(most * ONE[figure] for figure in FIGURES)
    assert counts(amount) == (most,) * len(FIGURES)
    assert count(amount, UNCOUNTED_ORDERS) == 0
    for ledger in LEDGERS.values():
        full = sum(most * ONE[figure] for figure in ledger.figures)
        assert lanes(full, ledger) == dict.fromkeys(ledger.figures, most)
