"""What is true of every history: the incremental figures equal a recount, whatever happened and in whatever order."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise, product
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from stream import audit, health
from stream.accounts import TOPIC_OF, Accounts
from stream.evaluation import EvaluationDays
from stream.events import Chargeback, Claim, Event, Feedback, Message, Package, Violation
from stream.figures import count, counts
from stream.gauges import GroupRenderer
from stream.metrics import METRICS_OF, WINDOWS
from stream.rules import Rules
from stream.states import OrderState, State, StateKey, fold, merge, pack, state_id, things_of, unpack
from tests import recount, strategies
from tests.builders import D, decoded, feedback, held, midnight, order, recounted, rules_of, shown, states, totals_of
from tests.recount import BUILT_IN, Counts, InputEvent, Series, Settings, Switches, View

Zones = Mapping[str, str]
HISTORIES = strategies.histories()
ANY_HISTORIES = HISTORIES | strategies.whole_histories()
ANY_ZONES = st.sampled_from(({}, strategies.ZONES))
OF_AN_ORDER = ("orders", "feedback", "claim-statuses", "chargebacks", "shipments")
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
    """Running totals equal the sums of the days, days the shares of states; nothing empty is kept."""
    orders = [state for state in map(unpack, states(accounts).values()) if isinstance(state, OrderState)]
    assert accounts.orders == sum(state.order is not None for state in orders)
    assert accounts.waiting == sum(len(state.attached) for state in orders if state.order is None)
    for account in accounts.sellers.values():
        assert account.states
        days = audit.recount(account.unpacked(), accounts._rules)
        assert {place: group.days for place, group in account.groups.items()} == days
        for place, group in account.groups.items():
            assert group.days
            assert 0 not in group.days.values()
            assert group.windows == WINDOWS[place[0]]
            assert group.totals == [group.trailing(window, group.evaluation_day) for window in group.windows]


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
        for place, group in account.groups.items():
            assert group.evaluation_day == evaluation.of(place[1])
    assert shown(accounts) == recounted(history, date.fromordinal(evaluation.of("any")), zones=zones)


@given(ANY_HISTORIES, st.data())
def test_two_versions_with_one_time_and_id_give_the_same_state_in_both_orders(
    history: list[InputEvent], data: st.DataObject
) -> None:
    # Every version of a thing under one time and id: what a source must not do.
    twins = [(topic, {**value, "event_id": "e", "event_time": "2026-11-01T00:00:00Z"}) for topic, value in history]
    rules = rules_of()
    one = accounts_of(events_of(twins), rules, D)
    other = accounts_of(events_of(data.draw(strategies.rearranged(twins))), rules, D)
    assert states(other) == states(one)
    assert totals_of(other) == totals_of(one)
    check_whole(other)


# --- All of account health --------------------------------------------------------------------------------------------

RETENTIONS = st.sampled_from((200, 400))
VIEWS = st.builds(
    View,
    evaluation_day=DAYS,
    switches=strategies.switches(),
    zones=strategies.zones(strategies.WHOLE_MARKETPLACES),
    retention_days=RETENTIONS,
)


def rules_for(view: View, settings: Settings = BUILT_IN) -> Rules:
    return rules_of(view.switches, view.zones, view.retention_days, settings)


def day_of(view: View) -> date:
    assert isinstance(view.evaluation_day, date)
    return view.evaluation_day


def page_of(accounts: Accounts, rules: Rules) -> dict[Series, float]:
    text = "".join(GroupRenderer(rules).render(totals_of(accounts)))
    return recount.parse_metrics(text) if text else {}


def page_differences(accounts: Accounts, history: Sequence[InputEvent], view: View) -> list[str]:
    how: dict[str, Any] = vars(view)
    expected = recount.gauges(history, **how) | recount.account_gauges(history, **how)
    return recount.gauge_differences(page_of(accounts, rules_for(view)), expected, recount.ALL_GAUGES)


def row_differences(
    accounts: Accounts, history: Sequence[InputEvent], view: View, settings: Settings = BUILT_IN
) -> list[str]:
    rules, how = rules_for(view, settings), dict[str, Any](vars(view))
    told = list(recount.in_time(history, view))
    windows = recounted(
        told, day_of(view), switches=view.switches, zones=view.zones, retention_days=view.retention_days
    )
    found = []
    for seller_id in sorted({value["seller_id"] for _, value in history}):
        account = accounts.sellers.get(seller_id)
        rows = health.figures(account, None, held(rules, day_of(view)), rules) if account else []
        found += recount.row_differences(rows, recount.account_rows(history, seller_id, settings=settings, **how))
        assert NUMERATORS.keys() | recount.ACCOUNT_METRICS.keys() >= {row["metric"] for row in rows}
        for row in rows:
            if row["metric"] in NUMERATORS:
                group = (seller_id, row["marketplace"], row["channel"])
                official, ahead = (windows.get((*group, window), Counts()) for window in ("official", "ahead"))
                check_figure(row, official, ahead, settings.minimums.get(row["marketplace"]))
    return found


Sums = dict[tuple[str, str, str, date, tuple[str, ...]], tuple[int, int]]
"""Numerator and denominator by seller, marketplace, metric, day and further labels."""


def told_by_day(accounts: Accounts, view: View) -> Sums:
    """What all ledgers hold of each day, metric by metric; a day without a denominator is absent."""
    found: Sums = {}
    for seller_id, account in accounts.sellers.items():
        for place, group in account.groups.items():
            for metric, (ordinal, amount) in product(METRICS_OF[place[0]], group.days.items()):
                day, numerator = date.fromordinal(ordinal), count(amount, metric.numerator)
                # Of violations only the open ones are told of, so that is all there can be compared.
                denominator = count(amount, metric.denominator) if metric.denominator else numerator
                if denominator and metric.is_told_in(place) and view.keeps(day, place[1]):
                    further = place[2:] if metric.by_channel or metric.denominator is None else ()
                    found[seller_id, place[1], metric.name, day, further] = numerator, denominator
    return found


def counted_by_day(history: Sequence[InputEvent], view: View) -> Sums:
    """The same by the oracle."""
    how: dict[str, Any] = vars(view)
    parts: defaultdict[Any, list[bool]] = defaultdict(list)
    for part in recount.parts(history, **how):
        if view.keeps(part.day, part.marketplace):
            parts[part.seller, part.marketplace, part.metric, part.day, part.kind or ()].append(part.hits)
    found: Sums = {key: (sum(hits), len(hits)) for key, hits in parts.items()}
    days = recount.recount(recount.in_time(history, view), switches=view.switches, zones=view.zones)
    for (seller, marketplace, channel, day), of in days.items():
        for metric, numerator in NUMERATORS.items():
            found[seller, marketplace, metric, day, (channel,)] = getattr(of, numerator), of.orders
    return found


@given(st.data(), VIEWS, strategies.settings(), st.booleans())
def test_at_every_prefix_of_any_whole_history_counts_page_and_rows_equal_a_recount(
    drawn: st.DataObject, view: View, settings: Settings, old: bool
) -> None:
    history = drawn.draw(strategies.whole_histories(retention_days=view.retention_days if old else None))
    rules = rules_for(view, settings)
    accounts = Accounts(rules, held(rules, day_of(view)))
    for read, event in enumerate(events_of(history), start=1):
        accounts.apply(event)
        told = history[:read]
        assert told_by_day(accounts, view) == counted_by_day(told, view)
        assert page_differences(accounts, told, view) == []
        assert row_differences(accounts, told, view, settings) == []
        check_whole(accounts)


@given(st.data(), VIEWS, st.booleans())
def test_any_order_of_arrival_of_a_whole_history_gives_the_same_states_and_counts(
    drawn: st.DataObject, view: View, old: bool
) -> None:
    """Case 31."""
    history = drawn.draw(strategies.whole_histories(retention_days=view.retention_days if old else None))
    rules = rules_for(view)
    one = accounts_of(events_of(history), rules, day_of(view))
    other = accounts_of(events_of(drawn.draw(strategies.rearranged(history))), rules, day_of(view))
    assert states(other) == states(one)
    assert totals_of(other) == totals_of(one)
    assert (other.orders, other.waiting) == (one.orders, one.waiting)
    assert page_differences(other, history, view) == []
    check_whole(other)


@given(st.data(), VIEWS, strategies.settings(), st.integers(0, 200), st.booleans())
def test_rows_of_any_day_in_the_past_are_judged_with_todays_knowledge(
    drawn: st.DataObject, view: View, settings: Settings, back: int, old: bool
) -> None:
    history = drawn.draw(strategies.whole_histories(retention_days=view.retention_days if old else None))
    rules, as_of = rules_for(view, settings), day_of(view) - timedelta(days=back)
    accounts = accounts_of(events_of(history), rules, day_of(view))
    how: dict[str, Any] = {**vars(view), "as_of": as_of, "settings": settings}
    for seller_id, account in accounts.sellers.items():
        rows = health.figures(account, as_of.toordinal(), held(rules, day_of(view)), rules)
        assert recount.row_differences(rows, recount.account_rows(history, seller_id, **how)) == []


def last_versions(history: Sequence[InputEvent]) -> list[InputEvent]:
    """The events without those that another of the same thing has overtaken."""
    latest = recount.latest(history)
    return [(topic, value) for topic, value in history if value == latest[recount.thing_of(topic, value)]]


# The feedback arrived after midnight, before its order that is too old was let go: it was too late with it.
@example(
    history=[order(purchased="2026-08-21T00:00:00Z"), feedback(1, event_time="2026-10-30T12:00:00Z")],
    zones={},
    passing=[(1, 330, False)],
    noon=False,
)
@given(
    strategies.whole_histories()
    | strategies.whole_histories(sellers=("S",), order_ids=("o",), topics=("orders", "feedback", "claim-statuses")),
    strategies.zones(strategies.WHOLE_MARKETPLACES),
    # After 326 days the first orders are too old, and the last feedback is still in the window of a year.
    st.lists(
        st.tuples(st.sampled_from((1, 2, 3, 5, 8, 13)), st.sampled_from((1, 20, 120, 330, 345)), st.booleans()),
        max_size=3,
    ),
    st.booleans(),
)
def test_days_that_pass_and_let_go_of_what_is_too_old_leave_the_figures_of_a_recount(
    history: list[InputEvent], zones: Zones, passing: list[tuple[int, int, bool]], noon: bool
) -> None:
    # Only the last versions: the oracle would go back to an older one where the newer has become too old.
    told = last_versions(history)
    rules = rules_of(zones=zones, retention_days=400)
    moment = midnight(D) + noon * 12 * 3_600_000_000
    evaluation = EvaluationDays(rules, moment)
    accounts = Accounts(rules, evaluation)
    for at, event in enumerate([*events_of(told), None]):
        # What is too old is let go some time after midnight: until then it is there, and events of it arrive.
        for _, days, let_go in (step for step in passing if step[0] == at or (event is None and step[0] > at)):
            moment += days * 86_400_000_000
            evaluation.move(moment)
            accounts.roll()
            if let_go:
                accounts.expire(list(accounts.sellers))
        if event is not None:
            accounts.apply(event)
    accounts.expire(list(accounts.sellers))
    today = recount.today(datetime.fromtimestamp(moment // 1_000_000, UTC), zones)
    expected = recount.account_gauges(told, today, zones=zones, retention_days=400)
    assert recount.gauge_differences(page_of(accounts, rules), expected, recount.ACCOUNT_GAUGES) == []
    check_whole(accounts)


# --- States -----------------------------------------------------------------------------------------------------------


def states_of(history: Sequence[InputEvent]) -> list[State]:
    return [unpack(packed) for packed in states(accounts_of(events_of(history), rules_of(), D)).values()]


@given(ANY_HISTORIES)
def test_a_state_comes_back_from_its_packed_form(history: list[InputEvent]) -> None:
    folded: dict[StateKey, State] = {}
    for event in events_of(history):
        key = event.seller_id, state_id(event)
        after = fold(folded.get(key), event.thing)
        if not isinstance(after, str):
            folded[key] = after
    for state in folded.values():
        assert unpack(pack(state)) == state
        assert pack(unpack(pack(state))) == pack(state)


@given(
    strategies.histories(sellers=("S",), order_ids=("o",))
    | strategies.whole_histories(sellers=("S",), order_ids=("o",), topics=OF_AN_ORDER),
    st.data(),
)
def test_merging_is_commutative_associative_and_idempotent(history: list[InputEvent], data: st.DataObject) -> None:
    parts = [0, *sorted(data.draw(st.lists(st.integers(0, len(history)), min_size=2, max_size=2))), len(history)]
    pieces = [states_of(history[start:end]) for start, end in pairwise(parts)]
    one, two, three = (piece[0] if piece else OrderState() for piece in pieces)
    whole = (states_of(history) or [OrderState()])[0]
    assert pack(merge(merge(one, two), three)) == pack(merge(one, merge(two, three))) == pack(whole)
    assert pack(merge(two, one)) == pack(merge(one, two))
    assert merge(whole, whole) == whole


@given(ANY_HISTORIES, st.data(), DAYS)
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


@given(ANY_HISTORIES, st.lists(st.integers(0, 24), max_size=4), st.data())
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
    assert totals_of(restored) == totals_of(original)
    assert states(restored) == states(original)
    assert (restored.orders, restored.waiting) == (original.orders, original.waiting)
    assert restored.newest_event_time == original.newest_event_time
    assert restored.take_changed() == {}
    check_whole(restored)


# --- Expiry -----------------------------------------------------------------------------------------------------------


def survivors(day: date, history: Sequence[InputEvent], zones: Zones) -> set[recount.Thing]:
    """What must be kept, by the oracle's reading of the events."""
    known = recount.known(history)
    return {
        thing
        for thing, value in known.winners.items()
        for moment, marketplace in [_keyed_by(thing, value, known)]
        if recount.is_kept(recount.day_in(moment, marketplace, zones), day, 200)
        # A feedback stays for as long as the day is kept on which it was received.
        or (
            thing.topic == "feedback"
            and _order_of(thing, known) is not None
            and recount.is_kept(recount.day_in(known.first_heard[thing], value["marketplace_id"], zones), day, 200)
        )
    }


def _keyed_by(thing: recount.Thing, value: Mapping[str, Any], known: recount.Known) -> tuple[datetime, str]:
    """The moment whose day decides how long a thing is kept, and the marketplace that cuts it."""
    keyed_by = recount.KEYED_BY.get(thing.topic)
    bought = None if keyed_by else _order_of(thing, known)
    if bought is not None:
        return recount.instant(bought["purchase_date"]), bought["marketplace_id"]
    return recount.instant(value[keyed_by or "event_time"]), value["marketplace_id"]


def _order_of(thing: recount.Thing, known: recount.Known) -> Mapping[str, Any] | None:
    return known.winners.get(recount.Thing("orders", thing.seller, thing.order_id, thing.order_id))


def kept_things(accounts: Accounts) -> set[recount.Thing]:
    """What is kept, named as the oracle does."""
    return {
        recount.Thing(
            TOPIC_OF[type(thing)],
            seller_id,
            "" if isinstance(thing, Message | Violation) else known_as[1:].decode(),
            thing.id if isinstance(thing, Feedback | Claim | Chargeback | Package) else known_as[1:].decode(),
        )
        for (seller_id, known_as), packed in states(accounts).items()
        for thing in things_of(unpack(packed))
    }


@given(ANY_HISTORIES, ANY_ZONES, st.integers(1, 205))
def test_expiry_drops_exactly_what_is_older_than_kept(history: list[InputEvent], zones: Zones, days: int) -> None:
    rules = rules_of(zones=zones)
    evaluation = EvaluationDays(rules, midnight(D) + 43_200_000_000)
    accounts = Accounts(rules, evaluation)
    for event in events_of(history):
        accounts.apply(event)
    assert kept_things(accounts) == set(recount.latest(history))
    before = states(accounts)
    accounts.take_changed()
    day = D + timedelta(days=days)
    evaluation.move(midnight(day) + 43_200_000_000)
    accounts.roll()
    accounts.expire(list(accounts.sellers))
    check_whole(accounts)
    assert kept_things(accounts) == survivors(date.fromordinal(evaluation.of("any")), history, zones)
    kept = states(accounts)
    assert kept.keys() <= before.keys()
    for key, packed in kept.items():
        assert set(things_of(unpack(packed))) <= set(things_of(unpack(before[key])))
    assert accounts.take_changed() == {key: kept.get(key) for key, packed in before.items() if kept.get(key) != packed}
    accounts.expire(list(accounts.sellers))
    assert accounts.take_changed() == {}


# --- What is shown ----------------------------------------------------------------------------------------------------


@given(HISTORIES, strategies.switches(), strategies.zones(), DAYS)
def test_the_page_that_prometheus_reads_says_what_the_oracle_says(
    history: list[InputEvent], switches: Switches, zones: Zones, day: date
) -> None:
    accounts = accounts_of(events_of(history), rules_of(switches, zones), day)
    text = "".join(GroupRenderer(rules_of(switches, zones)).render(totals_of(accounts)))
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
            if row["metric"] not in NUMERATORS:
                continue
            group = (seller_id, row["marketplace"], row["channel"])
            official, ahead = (windows.get((*group, window), Counts()) for window in ("official", "ahead"))
            check_figure(row, official, ahead)
        by_group = {
            (row["marketplace"], row["channel"]): row
            for row in health.summaries(seller_id, account, held(rules, day), rules)
        }
        assert by_group.keys() == {place[1:] for place, _ in account.in_ledger("orders")}
        for group_, row in by_group.items():
            official = windows.get((seller_id, *group_, "official"), Counts())
            ahead = windows.get((seller_id, *group_, "ahead"), Counts())
            assert (row["orders"], row["defective_orders"]) == (official.orders, official.defective_orders)
            assert row["order_defect_ratio"] == recount.ratio(official.defective_orders, official.orders)
            assert row["verdict"] == verdict_of(official, ahead)


def verdict_of(official: Counts, ahead: Counts | None, minimum: int | None = None) -> str:
    warning = None if ahead is None else (ahead.defective_orders, ahead.orders)
    return recount.verdict(official.defective_orders, official.orders, ahead=warning, minimum=minimum)


NUMERATORS = {
    "order_defect": "defective_orders",
    "negative_feedback": "negative_feedback_orders",
    "claim": "claim_orders",
    "chargeback": "chargeback_orders",
}


def check_figure(row: dict[str, Any], official: Counts, ahead: Counts, minimum: int | None = None) -> None:
    of = official if row["window"] == "official" else ahead
    numerator = getattr(of, NUMERATORS[row["metric"]])
    assert (row["numerator"], row["denominator"]) == (numerator, of.orders)
    assert row["ratio"] == recount.ratio(numerator, of.orders)
    assert (row["interval"] is None) == (of.orders == 0)
    if row["metric"] == "order_defect":
        assert row["headroom"] == recount.headroom(numerator, of.orders)
        assert row["low_volume"] == recount.low_volume(of.orders, minimum=minimum)
        assert row["verdict"] == verdict_of(of, ahead if of is official else None, minimum)
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
        for _, group in account.in_ledger("orders"):
            official, ahead = (Counts(*counts(total)) for total in group.totals[:2])
            assert official.orders == number
            for row in health.figures(account, None, held(rules), rules):
                if row["metric"] in NUMERATORS:
                    check_figure(row, official, ahead)
