"""The audit finds what is wrong, and nothing where nothing is."""

from collections.abc import Mapping
from datetime import date, timedelta

import pytest
from hypothesis import given

from stream.accounts import Accounts
from stream.audit import account_mismatches, by_figure, recount
from stream.figures import FIGURES, LEDGERS, ONE, counts
from stream.metrics import ORDER_WINDOWS, WINDOWS
from stream.shares import Place
from tests import strategies
from tests.builders import (
    SELLER,
    US,
    D,
    after,
    claim,
    decoded,
    feedback,
    held,
    message,
    order,
    recounted,
    rules_of,
    shipment,
    violation,
)
from tests.recount import Counts, InputEvent, Switches


def mismatches(accounts: Accounts) -> list[str]:
    """The figures of the one seller that are not those of a recount."""
    found = account_mismatches(SELLER, accounts.sellers[SELLER], rules_of(), held(rules_of()))
    return [mismatch.figure for mismatch in found]


@given(strategies.histories(min_size=1), strategies.switches(), strategies.zones(), strategies.evaluation_days())
def test_live_figures_of_any_history_pass_and_the_recount_is_the_oracles(
    history: list[InputEvent], switches: Switches, zones: Mapping[str, str], day: date
) -> None:
    rules = rules_of(switches, zones)
    evaluation = held(rules, day)
    accounts = Accounts(rules, evaluation)
    for told in history:
        accounts.apply(decoded(told))
    shown = {}
    for seller_id, account in accounts.sellers.items():
        assert list(account_mismatches(seller_id, account, rules, evaluation)) == []
        for place, days in recount(account.unpacked(), rules).items():
            if place[0] == "orders":
                figures = by_figure(place, days, day.toordinal())
                for window in ORDER_WINDOWS:
                    found = figures[f"window {window.name}"]
                    shown[seller_id, *place[1:], window.name] = Counts(*(found.get(figure, 0) for figure in FIGURES))
    counted = {key: value for key, value in shown.items() if value != Counts()}
    assert counted == recounted(history, day, switches=switches, zones=zones)


def broken() -> Accounts:
    return after(order(), claim("pending"), order("o2", purchased="2026-10-02T12:00:00Z"))


def test_a_days_count_that_drifted_is_found() -> None:
    accounts = broken()
    accounts.sellers[SELLER].groups["orders", US, "MFN"].days[D.toordinal() - 33] += ONE["claim_orders"]
    assert mismatches(accounts) == ["day 2026-10-01"]


def test_a_running_total_that_drifted_is_found() -> None:
    accounts = broken()
    accounts.sellers[SELLER].groups["orders", US, "MFN"].totals[0] -= ONE["orders"]
    assert mismatches(accounts) == ["window official"]


def test_an_order_that_is_counted_nowhere_is_found() -> None:
    accounts = broken()
    del accounts.sellers[SELLER].groups["orders", US, "MFN"]
    assert mismatches(accounts) == [
        "day 2026-10-01",
        "day 2026-10-02",
        "window 7d",
        "window ahead",
        "window official",
    ]


def test_counts_without_an_order_are_found() -> None:
    accounts = broken()
    accounts.sellers[SELLER].states.pop(b"oo2")
    assert mismatches(accounts) == ["day 2026-10-02", "window ahead", "window official"]


def test_a_window_that_missed_midnight_is_found() -> None:
    rules = rules_of()
    account = broken().sellers[SELLER]
    # On D+26 the first of the two orders, of October 1, has left the window that ends today.
    later = held(rules, D + timedelta(days=27))
    assert [found.figure for found in account_mismatches(SELLER, account, rules, later)] == ["window ahead"]


def test_figures_are_told_lane_by_lane() -> None:
    uncounted: InputEvent = order("o3", status="Pending")
    ((place, days),) = recount(after(uncounted).sellers[SELLER].unpacked(), rules_of()).items()
    assert by_figure(place, days, D.toordinal())["day 2026-10-01"] == {"uncounted_orders": 1}
    assert LEDGERS[place[0]].figures[-1] == "uncounted_orders"
    assert counts(ONE["uncounted_orders"]) == (0, 0, 0, 0, 0)


# --- All ledgers ------------------------------------------------------------------------------------------------------


@given(
    strategies.whole_histories(min_size=1),
    strategies.switches(),
    strategies.zones(strategies.WHOLE_MARKETPLACES),
    strategies.evaluation_days(),
)
def test_live_figures_of_any_whole_history_pass(
    history: list[InputEvent], switches: Switches, zones: Mapping[str, str], day: date
) -> None:
    rules = rules_of(switches, zones)
    evaluation = held(rules, day)
    accounts = Accounts(rules, evaluation)
    for told in history:
        accounts.apply(decoded(told))
    for seller_id, account in accounts.sellers.items():
        assert list(account_mismatches(seller_id, account, rules, evaluation)) == []


def whole() -> Accounts:
    """A seller with one of everything in every ledger."""
    return after(order(), shipment(), feedback(1), message(), violation())


EVERY_PLACE = {
    ("orders", US, "MFN"): (33, ["official", "ahead"], "orders"),
    ("confirmations", US): (19, ["30d"], "late_orders"),
    ("packages", US): (14, ["30d", "14d"], "on_time_packages"),
    ("feedback", US): (2, ["30d", "90d", "365d"], "received_feedback"),
    ("messages", US): (4, ["7d", "30d", "90d"], "answered_messages"),
    ("violations", US, "listing", "high"): (33, ["180d"], "open_violations"),
}


@pytest.mark.parametrize("place", EVERY_PLACE)
def test_a_days_count_and_a_total_that_drifted_are_found_in_every_ledger(place: Place) -> None:
    back, windows, figure = EVERY_PLACE[place]
    day = D - timedelta(days=back)
    accounts = whole()
    assert mismatches(accounts) == []
    group = accounts.sellers[SELLER].groups[place]
    group.days[day.toordinal()] += ONE[figure]
    (found,) = account_mismatches(SELLER, accounts.sellers[SELLER], rules_of(), held(rules_of()))
    assert (found.seller, found.place, found.figure) == (SELLER, place, f"day {day}")
    assert found.live == {**found.recounted, figure: found.recounted.get(figure, 0) + 1}
    group.days[day.toordinal()] -= ONE[figure]
    group.totals[-1] += ONE[figure]
    assert mismatches(accounts) == [f"window {WINDOWS[place[0]][-1].name}"]
    group.totals[-1] -= ONE[figure]
    figures = by_figure(place, group.days, D.toordinal())
    held_by = [name.removeprefix("window ") for name, of in figures.items() if name.startswith("window ") and of]
    assert held_by == windows


@pytest.mark.parametrize(
    ("key", "ledgers"),
    [
        (b"mM-1", {"messages"}),
        (b"vV-1", {"violations"}),
        (b"oo1", {"orders", "confirmations", "packages", "feedback"}),
    ],
)
def test_counts_without_the_state_that_they_are_of_are_found_in_every_ledger(key: bytes, ledgers: set[str]) -> None:
    account = whole().sellers[SELLER]
    del account.states[key]
    found = list(account_mismatches(SELLER, account, rules_of(), held(rules_of())))
    assert {mismatch.place[0] for mismatch in found} == ledgers
    assert all(mismatch.recounted is None and mismatch.live is not None for mismatch in found)


@pytest.mark.parametrize("place", EVERY_PLACE)
def test_a_place_that_is_counted_nowhere_is_found(place: Place) -> None:
    account = whole().sellers[SELLER]
    del account.groups[place]
    found = list(account_mismatches(SELLER, account, rules_of(), held(rules_of())))
    assert {mismatch.place for mismatch in found} == {place}
    assert all(mismatch.live is None and mismatch.recounted is not None for mismatch in found)
