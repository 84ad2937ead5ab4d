"""Trailing windows: their edges, and the running totals of a seller's days."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.figures import ONE
from stream.metrics import AHEAD, METRICS, OFFICIAL, ORDER_WINDOWS
from stream.windows import DayCounts, Window
from tests.builders import D

DAY = D.toordinal()
ORDER = ONE["orders"]
WINDOWS = st.builds(Window, st.just("any"), st.integers(1, 12), st.integers(0, 6))


def test_a_trailing_window_includes_its_first_and_last_day() -> None:
    #   D-6 | D-5   D-4   D-3 | D-2   D-1   D
    #       [---- days=3 -----]  lag=2 (D-2, D-1)... the last day is D-lag
    window = Window("three", days=3, lag=2)
    assert (window.first(DAY), window.last(DAY)) == (DAY - 4, DAY - 2)
    assert [window.holds(DAY - back, DAY) for back in (5, 4, 3, 2, 1)] == [False, True, True, True, False]


@pytest.mark.parametrize(
    ("window", "first", "last"), [(OFFICIAL, 74, 15), (AHEAD, 59, 0)], ids=lambda value: getattr(value, "name", value)
)
def test_the_order_windows_are_those_of_the_rules(window: Window, first: int, last: int) -> None:
    """Case 19."""
    assert (DAY - window.first(DAY), DAY - window.last(DAY)) == (first, last)
    assert ORDER_WINDOWS == (OFFICIAL, AHEAD)
    assert all(metric.windows == ORDER_WINDOWS for metric in METRICS if metric.by_channel)


@given(WINDOWS, st.integers(-30, 30))
def test_a_day_enters_and_drops_off_exactly_when_the_window_holds_it(window: Window, back: int) -> None:
    day = DAY - back
    held = [evaluation_day for evaluation_day in range(day - 20, day + 40) if window.holds(day, evaluation_day)]
    assert held == list(range(window.entry(day), window.drop_off(day)))


def test_a_window_rolls_day_by_day_without_any_change() -> None:
    """Case 20."""
    counts = DayCounts(ORDER_WINDOWS, DAY)
    counts.apply(DAY, ORDER)
    seen = []
    for ahead in range(76):
        counts.roll(DAY + ahead)
        seen.append(tuple(bool(total) for total in counts.totals))
    assert seen == [(15 <= ahead <= 74, ahead <= 59) for ahead in range(76)]


def test_a_day_that_comes_to_nothing_vanishes() -> None:
    counts = DayCounts(ORDER_WINDOWS, DAY)
    counts.apply(DAY - 20, 2 * ORDER)
    counts.apply(DAY - 20, -ORDER)
    assert counts.days == {DAY - 20: ORDER}
    counts.apply(DAY - 20, -ORDER)
    assert counts.days == {}
    assert counts.totals == [0, 0]


def test_a_day_outside_every_window_is_kept_for_later() -> None:
    counts = DayCounts(ORDER_WINDOWS, DAY)
    counts.apply(DAY + 3, ORDER)
    counts.apply(DAY - 100, ORDER)
    assert counts.totals == [0, 0]
    assert counts.trailing(AHEAD, DAY + 3) == ORDER
    assert counts.trailing(OFFICIAL, DAY - 40) == ORDER
    counts.roll(DAY + 3)
    assert counts.totals == [0, ORDER]


def test_looking_at_another_day_moves_nothing() -> None:
    counts = DayCounts(ORDER_WINDOWS, DAY)
    counts.apply(DAY, ORDER)
    counts.trailing(OFFICIAL, DAY + 15)
    assert (counts.evaluation_day, counts.totals) == (DAY, [0, ORDER])


STEPS = st.lists(
    st.tuples(st.just("roll"), st.integers(-40, 40)) | st.tuples(st.just("change"), st.integers(-40, 40)), max_size=30
)


@given(st.lists(WINDOWS, min_size=1, max_size=3), STEPS, st.data())
def test_totals_are_the_sums_of_the_days_after_any_rolls_and_changes(
    windows: list[Window], steps: list[tuple[str, int]], data: st.DataObject
) -> None:
    counts = DayCounts(tuple(windows), DAY)
    days: dict[int, int] = {}
    for step, offset in steps:
        if step == "roll":
            counts.roll(DAY + offset)
        else:
            day = DAY + offset
            had = days.get(day, 0) // ORDER
            diff = data.draw(st.integers(-had, 3).filter(bool)) * ORDER
            counts.apply(day, diff)
            days[day] = days.get(day, 0) + diff
        for window, total in zip(windows, counts.totals, strict=True):
            expected = sum(amount for day, amount in days.items() if window.holds(day, counts.evaluation_day))
            assert total == expected == counts.trailing(window, counts.evaluation_day)
    assert counts.days == {day: amount for day, amount in days.items() if amount}
