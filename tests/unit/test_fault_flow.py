"""What flows while faults happen changes what is true all the time, so that no loss heals before it is looked for."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

import pytest

from stream.gauges import GroupRenderer
from stream.rules import Rules
from stream.states import StateKey
from tests.broker.harness import DAY, READ
from tests.builders import accounts_on, apply, totals_of
from tests.faults.oracle import Verdict, judge_gauges
from tests.faults.stretches import stretches
from tests.recount import InputEvent, all_gauges, latest, parse_metrics, thing_of

ORDERS = 400
STRETCHES = list(islice(stretches(1, ORDERS, DAY), 4))
FLOW = [event for stretch in STRETCHES for event in stretch]
GAUGES = all_gauges(FLOW, DAY)
ROUND = 200
ROUNDS = len(FLOW) // ROUND


def rounds(flow: Sequence[InputEvent]) -> Iterator[Sequence[InputEvent]]:
    """Yield what flows so many events at a time."""
    return (flow[first : first + ROUND] for first in range(0, len(flow), ROUND))


def test_the_same_seed_gives_the_same_events_and_another_one_others() -> None:
    assert list(islice(stretches(1, ORDERS, DAY), 4)) == STRETCHES
    assert next(stretches(2, ORDERS, DAY)) != STRETCHES[0]


def test_every_round_of_every_stretch_changes_figures() -> None:
    accounts = accounts_on(DAY)
    for events in rounds(FLOW):
        done = [applied for applied in apply(accounts, *events) if not isinstance(applied, str)]
        assert sum(applied.before != applied.after for applied in done) > len(events) / 3


def test_every_later_stretch_has_new_orders_news_of_earlier_ones_and_redeliveries_in_all_topics() -> None:
    for number in range(1, len(STRETCHES)):
        before = [event for stretch in STRETCHES[:number] for event in stretch]
        known, told = latest(before), {value["event_id"]: (topic, value) for topic, value in before}
        stretch = STRETCHES[number]
        again = [event for event in stretch if event[1]["event_id"] in told]
        news = [event for event in stretch if thing_of(*event) in known and event[1]["event_id"] not in told]
        assert len(again) == ORDERS // 10
        assert all(event == told[event[1]["event_id"]] for event in again)
        assert all(value["event_id"] > known[thing_of(topic, value)]["event_id"] for topic, value in news)
        assert len({topic for topic, _ in news}) >= 5
        assert {topic for topic, _ in stretch} == set(READ)
        orders = {thing for thing in latest(stretch) if thing.topic == "orders"}
        assert len(orders - known.keys()) == ORDERS


# --- What a worker that loses states shows ----------------------------------------------------------------------------


def verdict_on(flow: Sequence[InputEvent], faulty: int, lost: int | None = None) -> Verdict:
    """Judge a worker that is restored after one of its rounds, of whose states the changelog then lacks some.

    That is one of them, or all.
    """
    accounts = accounts_on(DAY)
    changelog: dict[StateKey, bytes | None] = {}
    for number, events in enumerate(rounds(flow)):
        apply(accounts, *events)
        changed = accounts.take_changed()
        if number == faulty:
            changed = kept_of(changed, lost)
        changelog |= changed
        if number == faulty:
            accounts = accounts_on(DAY)
            for key, packed in changelog.items():
                accounts.restore(key, packed)
    shown = parse_metrics("".join(GroupRenderer(Rules()).render(totals_of(accounts))))
    return judge_gauges(shown, GAUGES if flow is FLOW else all_gauges(flow, DAY))


def kept_of(changed: Mapping[StateKey, bytes | None], lost: int | None) -> dict[StateKey, bytes | None]:
    """Return a round's states without one of them, or none."""
    if lost is None:
        return {}
    return {key: packed for at, (key, packed) in enumerate(changed.items()) if at != lost}


def test_a_worker_that_loses_nothing_is_right_after_a_restore() -> None:
    assert verdict_on(FLOW, ROUNDS // 2, lost=-1) == Verdict()


@pytest.mark.parametrize("faulty", [ROUNDS // 5, ROUNDS // 2, ROUNDS * 3 // 4, ROUNDS - 1])
def test_states_of_one_round_that_are_lost_at_any_time_of_the_flow_are_found(faulty: int) -> None:
    assert verdict_on(FLOW, faulty).lost > 0


def test_a_state_that_is_lost_alone_late_in_the_flow_is_found_where_figures_rest_on_it() -> None:
    # On most none does: they are of days that no window has, change no figure, or a later version says the same anew.
    found = [verdict_on(FLOW, ROUNDS * 7 // 8, lost).lost > 0 for lost in range(0, 120, 8)]
    assert sum(found) > len(found) / 6


def test_a_flow_that_came_again_would_hide_what_is_lost() -> None:
    # It was so: the same 3,000 orders flowed until the end, and from the second time on no fault could lose anything.
    once = STRETCHES[0]
    assert verdict_on(once * 3, 2 * len(once) // ROUND - 1) == Verdict()
