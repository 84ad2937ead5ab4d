"""The audit finds what is wrong, and nothing where nothing is."""

from collections.abc import Mapping
from datetime import date, timedelta

from hypothesis import given

from stream.accounts import Accounts
from stream.audit import account_mismatches, by_figure, recount
from stream.figures import LANES, ONE, counts
from stream.metrics import ORDER_WINDOWS
from tests import strategies
from tests.builders import SELLER, US, D, after, claim, decoded, held, order, recounted, rules_of
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
        for group, days in recount((state for _, state in account.states()), rules).items():
            figures = by_figure(days, day.toordinal())
            for window in ORDER_WINDOWS:
                shown[seller_id, *group, window.name] = Counts(*figures[f"window {window.name}"][:5])
    counted = {key: value for key, value in shown.items() if value != Counts()}
    assert counted == recounted(history, day, switches=switches, zones=zones)


def broken() -> Accounts:
    return after(order(), claim("pending"), order("o2", purchased="2026-10-02T12:00:00Z"))


def test_a_days_count_that_drifted_is_found() -> None:
    accounts = broken()
    accounts.sellers[SELLER].groups[US, "MFN"].days[D.toordinal() - 33] += ONE["claim_orders"]
    assert mismatches(accounts) == ["day 2026-10-01"]


def test_a_running_total_that_drifted_is_found() -> None:
    accounts = broken()
    accounts.sellers[SELLER].groups[US, "MFN"].totals[0] -= ONE["orders"]
    assert mismatches(accounts) == ["window official"]


def test_an_order_that_is_counted_nowhere_is_found() -> None:
    accounts = broken()
    del accounts.sellers[SELLER].groups[US, "MFN"]
    assert mismatches(accounts) == ["day 2026-10-01", "day 2026-10-02", "window ahead", "window official"]


def test_counts_without_an_order_are_found() -> None:
    accounts = broken()
    accounts.sellers[SELLER].orders.pop(b"o2")
    assert mismatches(accounts) == ["day 2026-10-02", "window ahead", "window official"]


def test_a_window_that_missed_midnight_is_found() -> None:
    rules = rules_of()
    account = broken().sellers[SELLER]
    # On D+26 the first of the two orders, of October 1, has left the window that ends today.
    later = held(rules, D + timedelta(days=27))
    assert [found.figure for found in account_mismatches(SELLER, account, rules, later)] == ["window ahead"]


def test_figures_are_told_lane_by_lane() -> None:
    uncounted: InputEvent = order("o3", status="Pending")
    ((days),) = recount((state for _, state in after(uncounted).sellers[SELLER].states()), rules_of()).values()
    assert by_figure(days, D.toordinal())["day 2026-10-01"] == [0, 0, 0, 0, 0, 1]
    assert LANES[-1] == "uncounted_orders"
    assert counts(ONE["uncounted_orders"]) == (0, 0, 0, 0, 0)
