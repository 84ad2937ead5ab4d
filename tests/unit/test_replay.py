"""History replayed equals a recount of what was known on each day, and of what is known now."""

from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from stream import metrics
from stream.figures import counts
from stream.replay import Replayed, replay
from tests import recount, strategies
from tests.builders import US, D, claim, decoded, feedback, order, rules_of
from tests.recount import WINDOWS, Counts, InputEvent, Switches

Days = dict[tuple[str, str, str, date, str], tuple[Counts, Counts]]
"""Counts as known then and now, by seller, marketplace, channel, day and window; where there is nothing, absent."""


def replayed(history: list[InputEvent], first: date, last: date, rules: object = None) -> Days:
    """What the product says of each day."""
    events = [decoded(told) for told in history]
    found: Days = {}
    for row in replay(events, rules or rules_of(), first.toordinal(), last.toordinal()):  # type: ignore[arg-type]
        seller_id, (ledger, *further) = row.group
        if ledger == "orders":
            marketplace_id, channel = further
            for window, both in by_window(row).items():
                if both != (Counts(), Counts()):
                    found[seller_id, marketplace_id, channel, date.fromordinal(row.day), window] = both
    return found


def by_window(row: Replayed) -> dict[str, tuple[Counts, Counts]]:
    """The counts, then and now, of each window of the Order Defect Rate."""
    return {
        window.name: (Counts(*counts(then)), Counts(*counts(now)))
        for window, then, now in zip(metrics.WINDOWS[row.group.place[0]], row.then, row.now, strict=True)
        if window.name in WINDOWS
    }


def known_by(history: list[InputEvent], day: date, zone: str) -> list[InputEvent]:
    """The events up to the end of a day there."""
    end = datetime.combine(day + timedelta(days=1), time(), ZoneInfo(zone))
    return [event for event in history if recount.instant(event[1]["event_time"]) < end]


def oracle(history: list[InputEvent], first: date, last: date, switches: Switches, zones: Mapping[str, str]) -> Days:
    """The same by counting everything from scratch for each day."""
    found: Days = {}
    everything = recount.recount(history, switches=switches, zones=zones)
    for number in range((last - first).days + 1):
        day = first + timedelta(days=number)
        for zone in {*zones.values(), "UTC"}:
            then = recount.recount(known_by(history, day, zone), switches=switches, zones=zones)
            for group in {*recount.groups(then), *recount.groups(everything)}:
                if zones.get(group[1], "UTC") == zone:
                    for window in WINDOWS:
                        both = tuple(recount.window_counts(days, *group, day, window) for days in (then, everything))
                        if both != (Counts(), Counts()):
                            found[*group, day, window] = both[0], both[1]
    return found


@given(
    strategies.histories(max_size=16),
    strategies.switches(),
    strategies.zones(),
    st.integers(-24, 20),
    st.integers(0, 6),
)
def test_every_day_of_any_history_is_a_recount_of_what_was_known_then_and_is_known_now(
    history: list[InputEvent], switches: Switches, zones: Mapping[str, str], start: int, days: int
) -> None:
    first = D + timedelta(days=start)
    last = first + timedelta(days=days)
    rules = rules_of(switches, zones)
    assert replayed(history, first, last, rules) == oracle(history, first, last, switches, zones)


@given(st.data(), strategies.histories(max_size=16))
def test_the_order_of_arrival_decides_nothing(data: st.DataObject, history: list[InputEvent]) -> None:
    """Case 31."""
    first, last = D - timedelta(days=21), D + timedelta(days=2)
    again = data.draw(strategies.rearranged(history))
    assert replayed(again, first, last) == replayed(history, first, last)


def test_a_claim_withdrawn_weeks_later_was_known_then_and_is_not_counted_now() -> None:
    history = [
        order(event_time="2026-10-01T12:00:00Z"),
        claim("pending", event_time="2026-10-20T12:00:00Z"),
        claim("withdrawn", event_time="2026-10-30T12:00:00Z"),
    ]
    found = replayed(history, date(2026, 10, 19), date(2026, 10, 30))
    defects = {
        day.day: tuple(known.defective_orders for known in both)
        for (*_, day, window), both in found.items()
        if window == "official"
    }
    #            known then, known now
    assert defects == {19: (0, 0), **dict.fromkeys(range(20, 30), (1, 0)), 30: (0, 0)}


def test_a_feedback_that_came_late_was_not_known_then_and_is_counted_now() -> None:
    history = [order(event_time="2026-10-01T12:00:00Z"), feedback(1, event_time="2026-10-25T12:00:00Z")]
    found = replayed(history, date(2026, 10, 24), date(2026, 10, 25))
    before = found["A2SELLER", US, "MFN", date(2026, 10, 24), "official"]
    assert (before[0].negative_feedback_orders, before[1].negative_feedback_orders) == (0, 1)
    after = found["A2SELLER", US, "MFN", date(2026, 10, 25), "official"]
    assert (after[0].negative_feedback_orders, after[1].negative_feedback_orders) == (1, 1)


def test_an_event_at_midnight_is_of_the_day_that_begins() -> None:
    history = [
        order("o1", event_time="2026-10-01T23:59:59.999999Z"),
        order("o2", event_time="2026-10-02T00:00:00Z"),
    ]
    found = replayed(history, date(2026, 10, 1), date(2026, 10, 2))
    ahead = {day.day: both[0].orders for (*_, day, window), both in found.items() if window == "ahead"}
    assert ahead == {1: 1, 2: 2}


def test_a_group_that_an_order_has_moved_away_from_is_told_as_it_was_known() -> None:
    history = [
        order(event_time="2026-10-01T12:00:00Z", channel="MFN"),
        order(event_time="2026-10-03T12:00:00Z", channel="AFN"),
    ]
    found = replayed(history, date(2026, 10, 2), date(2026, 10, 3))
    orders = {
        (channel, day.day): tuple(known.orders for known in both)
        for (_, _, channel, day, window), both in found.items()
        if window == "ahead"
    }
    assert orders == {("MFN", 2): (1, 0), ("AFN", 2): (0, 1), ("AFN", 3): (1, 1)}


def test_old_history_is_not_too_late_for_a_replay() -> None:
    history = [order(purchased="2019-03-01T12:00:00Z", event_time="2019-03-01T12:00:00Z")]
    found = replayed(history, date(2019, 3, 16), date(2019, 3, 16))
    assert {window: both for (*_, window), both in found.items()} == dict.fromkeys(
        ("official", "ahead"), (Counts(orders=1), Counts(orders=1))
    )
