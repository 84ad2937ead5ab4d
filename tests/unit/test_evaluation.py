"""Today, in each marketplace, by a clock that is moved by hand."""

from datetime import UTC, date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.decode import instant
from stream.evaluation import EvaluationDays, KeptDays
from stream.rules import Marketplace, Rules, local_day, start_of_day
from tests import strategies
from tests.builders import DE, JP, US, D, midnight, rules_of

ZONED = rules_of(zones=strategies.ZONES)


def test_a_marketplaces_today_begins_at_its_own_midnight() -> None:
    days = EvaluationDays(ZONED, instant("2026-11-03T14:59:59.999999Z"))
    assert [date.fromordinal(days.of(marketplace)) for marketplace in (US, DE, JP, "elsewhere")] == [D, D, D, D]
    assert days.move(instant("2026-11-03T15:00:00Z"))  # midnight in Tokyo
    assert [days.of(marketplace) - D.toordinal() for marketplace in (US, DE, JP, "elsewhere")] == [0, 0, 1, 0]
    assert days.move(instant("2026-11-03T23:00:00Z"))  # in Berlin
    assert [days.of(marketplace) - D.toordinal() for marketplace in (US, DE, JP, "elsewhere")] == [0, 1, 1, 0]
    assert not days.move(instant("2026-11-03T23:59:59.999999Z"))
    assert days.move(instant("2026-11-04T00:00:00Z"))
    assert days.move(instant("2026-11-04T08:00:00Z"))  # in Los Angeles
    assert {days.of(marketplace) for marketplace in (US, DE, JP, "elsewhere")} == {D.toordinal() + 1}


def test_only_marketplaces_that_were_asked_about_can_roll() -> None:
    days = EvaluationDays(ZONED, instant("2026-11-03T14:00:00Z"))
    assert not days.move(instant("2026-11-03T16:00:00Z"))
    assert days.of(JP) == D.toordinal() + 1


def test_the_clock_may_go_back() -> None:
    days = EvaluationDays(Rules(), instant("2026-11-04T00:00:00Z"))
    assert days.of(US) == D.toordinal() + 1
    assert days.move(instant("2026-11-03T23:59:59Z"))
    assert days.of(US) == D.toordinal()
    assert days.instant == instant("2026-11-03T23:59:59Z")


def test_a_held_day_is_that_day_everywhere_and_for_ever() -> None:
    days = EvaluationDays(ZONED, 0, D.toordinal())
    assert {days.of(marketplace) for marketplace in (US, DE, JP)} == {D.toordinal()}
    assert not days.move(instant("2031-01-01T00:00:00Z"))
    assert days.of(US) == D.toordinal()


@given(
    st.datetimes(min_value=datetime(2, 1, 1), max_value=datetime(9998, 12, 31), timezones=st.just(UTC)),  # noqa: DTZ001
    st.sampled_from(["UTC", "America/Los_Angeles", "Europe/Berlin", "Asia/Kolkata", "Pacific/Kiritimati"]),
)
def test_a_day_is_that_of_the_zones_calendar_and_it_begins_at_its_own_start(moment: datetime, zone: str) -> None:
    microseconds = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    rules = Rules(marketplaces={US: Marketplace(UTC if zone == "UTC" else ZoneInfo(zone))})
    day = rules.day(US, microseconds)
    assert date.fromordinal(day) == moment.astimezone(ZoneInfo(zone)).date()
    start = start_of_day(day, ZoneInfo(zone))
    assert start <= microseconds / 1_000_000 < start_of_day(day + 1, ZoneInfo(zone))


@pytest.mark.parametrize(
    ("text", "offset", "day"),
    [
        ("0001-01-01T00:00:00Z", -8, date(1, 1, 1)),
        ("9999-12-31T23:00:00Z", 9, date(9999, 12, 31)),
        ("0001-01-01T00:00:00Z", 9, date(1, 1, 1)),
    ],
)
def test_at_the_calendars_ends_a_day_that_a_zone_cannot_tell_is_utcs(text: str, offset: int, day: date) -> None:
    assert local_day(instant(text), timezone(timedelta(hours=offset))) == day.toordinal()


def test_a_moment_beyond_the_calendar_still_has_a_day() -> None:
    assert local_day(instant("0001-01-01T00:00:00+14:00"), ZoneInfo("Asia/Tokyo")) == 0
    assert local_day(instant("9999-12-31T23:59:59-12:00"), ZoneInfo("Asia/Tokyo")) == date.max.toordinal() + 1
    assert Rules().day(US, instant("9999-12-31T23:59:59-12:00")) == date.max.toordinal() + 1


def test_as_many_days_are_kept_as_said_today_included() -> None:
    rules = Rules(retention_days=200)
    assert rules.first_kept_day(D.toordinal()) == (D - timedelta(days=199)).toordinal()


def test_a_summer_day_and_a_winter_day_begin_at_their_own_offsets() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    for day, start in [("2026-10-25", "2026-10-24T22:00:00Z"), ("2026-10-26", "2026-10-25T23:00:00Z")]:
        assert start_of_day(date.fromisoformat(day).toordinal(), berlin) * 1_000_000 == instant(start)


# --- What is kept -----------------------------------------------------------------------------------------------------


def guarded(rules: Rules = ZONED, confirmed_day: date | None = None) -> tuple[EvaluationDays, KeptDays]:
    """A clock that stands at noon of D, and what is kept by it."""
    evaluation = EvaluationDays(rules, midnight(D) + 43_200_000_000)
    confirmed = None if confirmed_day is None else confirmed_day.toordinal()
    return evaluation, KeptDays(rules, evaluation, guarded=True, confirmed_day=confirmed)


def move(evaluation: EvaluationDays, kept: KeptDays, day: date) -> None:
    evaluation.move(midnight(day) + 43_200_000_000)
    kept.follow()


def first_kept(kept: KeptDays, marketplace_id: str = US) -> date:
    return date.fromordinal(kept.first(marketplace_id))


def test_what_is_kept_follows_the_day_two_days_at_a_time() -> None:
    #  D-199 [--- 200 days are kept ---] D
    evaluation, kept = guarded()
    assert first_kept(kept) == D - timedelta(days=199)
    for days in (1, 3, 5):
        move(evaluation, kept, D + timedelta(days=days))
        assert first_kept(kept) == D + timedelta(days=days - 199)
        assert not kept.unconfirmed


@pytest.mark.parametrize("days", [3, 31, 400])
def test_a_clock_that_leaps_lets_nothing_go_until_it_is_back(days: int) -> None:
    evaluation, kept = guarded()
    move(evaluation, kept, D + timedelta(days=days))
    assert kept.unconfirmed
    assert first_kept(kept) == D - timedelta(days=199)
    move(evaluation, kept, D + timedelta(days=days + 1))  # a day later it is not righter
    assert kept.unconfirmed
    assert first_kept(kept) == D - timedelta(days=199)
    move(evaluation, kept, D + timedelta(days=1))
    assert not kept.unconfirmed
    assert first_kept(kept) == D - timedelta(days=198)


def test_a_leap_is_believed_up_to_the_day_that_is_confirmed() -> None:
    evaluation, kept = guarded(confirmed_day=D + timedelta(days=30))
    move(evaluation, kept, D + timedelta(days=30))
    assert not kept.unconfirmed
    assert first_kept(kept) == D + timedelta(days=30 - 199)
    move(evaluation, kept, D + timedelta(days=60))
    assert kept.unconfirmed
    assert first_kept(kept) == D + timedelta(days=30 - 199)


def test_a_clock_that_goes_back_is_believed_and_keeps_more() -> None:
    evaluation, kept = guarded()
    move(evaluation, kept, D - timedelta(days=31))
    assert not kept.unconfirmed
    assert first_kept(kept) == D - timedelta(days=31 + 199)


def test_what_a_former_worker_believed_is_the_start_of_the_leap() -> None:
    _, kept = guarded()
    kept.follow(believed_day=D.toordinal() - 30)
    assert kept.unconfirmed
    assert first_kept(kept) == D - timedelta(days=30 + 199)
    kept.follow(believed_day=D.toordinal() - 2)
    assert first_kept(kept) == D - timedelta(days=199)


def test_days_that_come_from_events_or_are_held_are_no_clock_that_could_leap() -> None:
    evaluation = EvaluationDays(ZONED, 0)
    kept = KeptDays(ZONED, evaluation)
    move(evaluation, kept, D)
    assert not kept.unconfirmed
    assert first_kept(kept) == D - timedelta(days=199)


def test_what_is_kept_is_cut_in_each_marketplaces_zone_also_when_the_clock_is_not_believed() -> None:
    evaluation = EvaluationDays(ZONED, instant("2026-11-03T15:30:00Z"))  # the 4th in Tokyo
    kept = KeptDays(ZONED, evaluation, guarded=True)
    assert first_kept(kept, JP) == D + timedelta(days=1 - 199)
    evaluation.move(instant("2026-12-03T15:30:00Z"))
    kept.follow()
    assert first_kept(kept, JP) == D - timedelta(days=199)  # a day more than was: nothing goes
