"""What is true of every history: the incremental figures equal a recount, whatever happened and in whatever order."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from stream import health
from stream.accounts import Accounts
from stream.evaluation import EvaluationDays
from stream.events import Event
from stream.figures import counts
from stream.gauges import Group, GroupRenderer
from stream.metrics import ORDER_WINDOWS
from stream.orders import OrderState, fold, merge, pack, unpack
from stream.rules import Rules
from tests import recount, strategies
from tests.builders import D, decoded, held, midnight, order, recounted, rules_of, shown, states
from tests.recount import Counts, InputEvent, Switches

Zones = Mapping[str, str]
HISTORIES = strategies.histories()
DAYS = strategies.evaluation_days()


def events_of(history: Sequence[InputEvent]) -> list[Event]:
    """The events, each decoded once: decoding is most of the time."""
    return [decoded(told) for told in history]


def accounts_of(events: Sequence[Event], rules: Rules, day: date) -> Accounts:
    accounts = Accounts(rules, held(rules, day))
    for event in events:
        accounts.apply(event)
    return accounts


def check_whole(accounts: Accounts) -> None:
    """Running totals equal the sums of the days, days the contributions of states; nothing empty is kept."""
    assert accounts.orders == sum(unpack(packed).order is not None for packed in states(accounts).values())
    assert accounts.waiting == sum(
        len(state.defects) for state in map(unpack, states(accounts).values()) if state.order is None
    )
    for account in accounts.sellers.values():
        assert account.orders
        for group in account.groups.values():
            assert group.days
            assert 0 not in group.days.values()
            assert group.totals == [group.trailing(window, group.evaluation_day) for window in ORDER_WINDOWS]


# --- Counts -----------------------------------------------------------------------------------------------------------


@given(HISTORIES, strategies.switches(), strategies.zones(), DAYS)
def test_at_every_prefix_of_any_history_the_counts_equal_a_recount(
    history: list[InputEvent], switches: Switches, zones: Zones, day: date
) -> None:
    rules = rules_of(switches, zones)
    accounts = Accounts(rules, held(rules, day))
    for read, event in enumerate(events_of(history), start=1):
        accounts.apply(event)
        assert shown(accounts) == recounted(history[:read], day, switches=switches, zones=zones)
        check_whole(accounts)


@given(st.data(), HISTORIES, strategies.zones(), DAYS)
def test_any_order_of_arrival_with_any_redelivery_gives_the_same_states_and_counts(
    data: st.DataObject, history: list[InputEvent], zones: Zones, day: date
) -> None:
    """Case 31."""
    rules = rules_of(zones=zones)
    one = accounts_of(events_of(history), rules, day)
    other = accounts_of(events_of(data.draw(strategies.rearranged(history))), rules, day)
    assert states(other) == states(one)
    assert shown(other) == shown(one)
    assert (other.orders, other.waiting) == (one.orders, one.waiting)
    check_whole(other)


@given(HISTORIES, st.lists(st.tuples(st.integers(0, 24), DAYS), max_size=8), strategies.zones())
def test_days_that_pass_forwards_and_back_between_events_leave_the_counts_of_a_recount(
    history: list[InputEvent], passing: list[tuple[int, date]], zones: Zones
) -> None:
    rules = rules_of(zones=zones)
    evaluation = EvaluationDays(rules, midnight(D) + 12 * 3_600_000_000)
    accounts = Accounts(rules, evaluation)
    for at in range(len(history) + 1):
        for _, day in (step for step in passing if step[0] == at):
            evaluation.move(midnight(day) + 12 * 3_600_000_000)  # noon in UTC is the same day in all zones but Tokyo's
            accounts.roll()
            check_whole(accounts)
        if at < len(history):
            accounts.apply(decoded(history[at]))
    check_whole(accounts)
    for account in accounts.sellers.values():
        for (marketplace_id, _), group in account.groups.items():
            assert group.evaluation_day == evaluation.of(marketplace_id)
    assert shown(accounts) == recounted(history, date.fromordinal(evaluation.of("any")), zones=zones)


@given(HISTORIES, st.data())
def test_two_versions_with_one_time_and_id_give_the_same_state_in_both_orders(
    history: list[InputEvent], data: st.DataObject
) -> None:
    # Every version of a thing under one time and id: what a source must not do.
    twins = [(topic, {**value, "event_id": "e", "event_time": "2026-11-01T00:00:00Z"}) for topic, value in history]
    rules = rules_of()
    one = accounts_of(events_of(twins), rules, D)
    other = accounts_of(events_of(data.draw(strategies.rearranged(twins))), rules, D)
    assert states(other) == states(one)
    assert shown(other) == shown(one)
    check_whole(other)


# --- States -----------------------------------------------------------------------------------------------------------


def states_of(history: Sequence[InputEvent]) -> list[OrderState]:
    return [unpack(packed) for packed in states(accounts_of(events_of(history), rules_of(), D)).values()]


@given(HISTORIES)
def test_a_state_comes_back_from_its_packed_form(history: list[InputEvent]) -> None:
    folded: dict[tuple[str, str], OrderState] = {}
    for event in events_of(history):
        known = folded.get((event.seller_id, event.order_id), OrderState())
        after = fold(known, event.thing)
        if isinstance(after, OrderState):
            folded[event.seller_id, event.order_id] = after
    for state in folded.values():
        assert unpack(pack(state)) == state
        assert pack(unpack(pack(state))) == pack(state)


@given(strategies.histories(sellers=("S",), order_ids=("o",)), st.data())
def test_merging_is_commutative_associative_and_idempotent(history: list[InputEvent], data: st.DataObject) -> None:
    parts = [0, *sorted(data.draw(st.lists(st.integers(0, len(history)), min_size=2, max_size=2))), len(history)]
    pieces = [states_of(history[start:end]) for start, end in pairwise(parts)]
    one, two, three = (piece[0] if piece else OrderState() for piece in pieces)
    whole = (states_of(history) or [OrderState()])[0]
    assert pack(merge(merge(one, two), three)) == pack(merge(one, merge(two, three))) == pack(whole)
    assert pack(merge(two, one)) == pack(merge(one, two))
    assert merge(whole, whole) == whole


@given(HISTORIES, st.data(), DAYS)
def test_stored_states_restore_the_same_counts_in_any_order_and_more_than_once(
    history: list[InputEvent], data: st.DataObject, day: date
) -> None:
    rules = rules_of(zones=strategies.ZONES)
    original = accounts_of(events_of(history), rules, day)
    stored = list(original.take_changed().items())
    again = data.draw(st.lists(st.sampled_from(stored), max_size=3)) if stored else []
    restored = Accounts(rules, held(rules, day))
    for key, packed in data.draw(st.permutations([*stored, *again])):
        restored.restore(key, packed)
    check_same(restored, original)


@given(HISTORIES, st.lists(st.integers(0, 24), max_size=4), st.data())
def test_what_was_written_round_by_round_restores_the_same_counts_from_any_earlier_point(
    history: list[InputEvent], cuts: list[int], data: st.DataObject
) -> None:
    # The disk may hold any earlier round's states; the changelog is read again from there, or from before.
    rules = rules_of()
    original = Accounts(rules, held(rules))
    written: list[dict[Any, bytes | None]] = []
    for at, event in enumerate(events_of(history)):
        original.apply(event)
        if at in cuts:
            written.append(original.take_changed())
    written.append(original.take_changed())
    on_disk = data.draw(st.integers(0, len(written)))
    read_from = data.draw(st.integers(0, on_disk))
    restored = Accounts(rules, held(rules))
    disk = {key: packed for taken in written[:on_disk] for key, packed in taken.items()}
    for taken in (disk, *written[read_from:]):
        for key, packed in taken.items():
            restored.restore(key, packed)
    check_same(restored, original)


def check_same(restored: Accounts, original: Accounts) -> None:
    assert shown(restored) == shown(original)
    assert states(restored) == states(original)
    assert (restored.orders, restored.waiting) == (original.orders, original.waiting)
    assert restored.newest_event_time == original.newest_event_time
    assert restored.take_changed() == {}
    check_whole(restored)


# --- Expiry -----------------------------------------------------------------------------------------------------------


def survives(day: date, history: Sequence[InputEvent], order_key: tuple[str, str], zones: Zones) -> set[str]:
    """The own ids and topics of what must be kept of one order, by the oracle's reading of the events."""
    first_kept = day - timedelta(days=199)
    winners = {
        thing: value for thing, value in recount.latest(history).items() if (thing.seller, thing.order_id) == order_key
    }
    bought = next((value for thing, value in winners.items() if thing.topic == "orders"), None)
    names = {thing: f"{thing.topic}/{thing.own_id}" for thing in winners}
    if bought is not None:
        return set(names.values()) if recount.order_date(bought, zones) >= first_kept else set()
    return {names[thing] for thing, value in winners.items() if _event_day(value, zones) >= first_kept}


def _event_day(value: Mapping[str, Any], zones: Zones) -> date:
    return recount.order_date({**value, "purchase_date": value["event_time"]}, zones)


@given(HISTORIES, strategies.zones(), st.integers(120, 205))
def test_expiry_drops_exactly_what_is_older_than_kept(history: list[InputEvent], zones: Zones, days: int) -> None:
    rules = rules_of(zones=zones)
    evaluation = EvaluationDays(rules, midnight(D) + 43_200_000_000)
    accounts = Accounts(rules, evaluation)
    for event in events_of(history):
        accounts.apply(event)
    before = states(accounts)
    accounts.take_changed()
    day = D + timedelta(days=days)
    evaluation.move(midnight(day) + 43_200_000_000)
    accounts.roll()
    accounts.expire(list(accounts.sellers))
    check_whole(accounts)
    kept = states(accounts)
    for key, packed in before.items():
        expected = survives(day, history, (key[0], key[1].decode()), zones)
        found = unpack(kept[key]) if key in kept else OrderState()
        assert len(found.defects) + (found.order is not None) == len(expected)
        if found.order is not None:
            assert kept[key] == packed
        else:
            assert set(found.defects) <= set(unpack(packed).defects)
    assert kept.keys() <= before.keys()
    assert accounts.take_changed() == {key: kept.get(key) for key, packed in before.items() if kept.get(key) != packed}


# --- What is shown ----------------------------------------------------------------------------------------------------


@given(HISTORIES, strategies.switches(), strategies.zones(), DAYS)
def test_the_page_that_prometheus_reads_says_what_the_oracle_says(
    history: list[InputEvent], switches: Switches, zones: Zones, day: date
) -> None:
    accounts = accounts_of(events_of(history), rules_of(switches, zones), day)
    totals = {
        Group(seller_id, *group): tuple(of.totals)
        for seller_id, account in accounts.sellers.items()
        for group, of in account.groups.items()
    }
    text = "".join(GroupRenderer(rules_of(switches, zones)).render(totals))
    series = recount.parse_metrics(text) if text else {}
    expected = recount.gauges(history, day, switches=switches, zones=zones)
    assert recount.gauge_differences(series, expected) == []


@given(HISTORIES, strategies.switches(), strategies.zones(), DAYS, st.booleans())
def test_defects_and_forecast_say_what_the_oracle_says(
    history: list[InputEvent], switches: Switches, zones: Zones, day: date, asked: bool
) -> None:
    rules = rules_of(switches, zones)
    accounts = accounts_of(events_of(history), rules, D if asked else day)
    evaluation = held(rules, D if asked else day)
    for seller_id, account in accounts.sellers.items():
        found = health.defects(account, day.toordinal() if asked else None, evaluation, rules)
        assert recount.canonical_defects(found) == recount.defects(
            history, seller_id, day, switches=switches, zones=zones
        )
        assert [row["order_date"] for row in found] == sorted(row["order_date"] for row in found)
        if not asked:
            ahead = recount.forecast(history, seller_id, day, switches=switches, zones=zones)
            told = health.forecast(account, evaluation)
            assert recount.canonical_forecast(told) == recount.canonical_forecast(ahead)


@given(HISTORIES, strategies.switches(), strategies.zones(), DAYS)
def test_figures_and_summaries_say_what_the_oracle_says(
    history: list[InputEvent], switches: Switches, zones: Zones, day: date
) -> None:
    rules = rules_of(switches, zones)
    accounts = accounts_of(events_of(history), rules, D)
    windows = recounted(history, day, switches=switches, zones=zones)
    for seller_id, account in accounts.sellers.items():
        for row in health.figures(account, day.toordinal(), held(rules, day), rules):
            group = (seller_id, row["marketplace"], row["channel"])
            check_figure(row, *(windows.get((*group, window), Counts()) for window in ("official", "ahead")))
        by_group = {
            (row["marketplace"], row["channel"]): row
            for row in health.summaries(seller_id, account, held(rules, day), rules)
        }
        assert by_group.keys() == account.groups.keys()
        for group_, row in by_group.items():
            official = windows.get((seller_id, *group_, "official"), Counts())
            ahead = windows.get((seller_id, *group_, "ahead"), Counts())
            assert (row["orders"], row["defective_orders"]) == (official.orders, official.defective_orders)
            assert row["order_defect_ratio"] == recount.ratio(official.defective_orders, official.orders)
            assert row["verdict"] == verdict_of(official, ahead)


def verdict_of(official: Counts, ahead: Counts | None) -> str:
    warning = None if ahead is None else (ahead.defective_orders, ahead.orders)
    return recount.verdict(official.defective_orders, official.orders, ahead=warning)


NUMERATORS = {
    "order_defect": "defective_orders",
    "negative_feedback": "negative_feedback_orders",
    "claim": "claim_orders",
    "chargeback": "chargeback_orders",
}


def check_figure(row: dict[str, Any], official: Counts, ahead: Counts) -> None:
    of = official if row["window"] == "official" else ahead
    numerator = getattr(of, NUMERATORS[row["metric"]])
    assert (row["numerator"], row["denominator"]) == (numerator, of.orders)
    assert row["ratio"] == recount.ratio(numerator, of.orders)
    assert (row["interval"] is None) == (of.orders == 0)
    if row["metric"] == "order_defect":
        assert row["headroom"] == recount.headroom(numerator, of.orders)
        assert row["low_volume"] == recount.low_volume(of.orders)
        assert row["verdict"] == verdict_of(of, ahead if of is official else None)
    else:
        assert row["headroom"] is None
        assert row["verdict"] is None


@given(st.integers(0, 400), st.integers(0, 6), st.integers(0, 6))
def test_sellers_of_any_size_are_judged_as_the_oracle_judges(number: int, defective: int, later: int) -> None:
    rules = rules_of()
    base = decoded(order())
    accounts = Accounts(rules, held(rules))
    for at in range(number):
        accounts.apply(Event(base.seller_id, f"o{at}", base.thing))
    claims = [decoded(("claim-statuses", {**order()[1], "claim_id": "C", "status": "pending"}))]
    for at in range(min(defective, number)):
        accounts.apply(Event(base.seller_id, f"o{at}", claims[0].thing))
    recent = decoded(order(purchased="2026-10-25T12:00:00Z"))
    for at in range(later):
        accounts.apply(Event(base.seller_id, f"r{at}", recent.thing))
        accounts.apply(Event(base.seller_id, f"r{at}", claims[0].thing))
    for account in accounts.sellers.values():
        for group in account.groups.values():
            official, ahead = (Counts(*counts(total)) for total in group.totals)
            assert official.orders == number
            for row in health.figures(account, None, held(rules), rules):
                check_figure(row, official, ahead)
