"""The evaluation day of each marketplace, by a clock that the shell moves, and how far back things are kept."""

from typing import Final

from stream.rules import Rules, utc_day

LEAP_DAYS: Final = 2
"""A clock that moves on by more days than this at once is not believed before somebody confirms it."""


class EvaluationDays:
    """The evaluation day (proleptic ordinal) of every marketplace as of `instant` (microseconds since the epoch).

    With `held_day` it is that day everywhere and for ever.
    """

    def __init__(self, rules: Rules, instant: int, held_day: int | None = None) -> None:
        self._rules = rules
        self._held_day = held_day
        self._days: dict[str, int] = {}
        self.instant = instant

    def of(self, marketplace_id: str) -> int:
        """Return the evaluation day of a marketplace."""
        day = self._days.get(marketplace_id)
        if day is None:
            day = self._days[marketplace_id] = self._compute(marketplace_id)
        return day

    def in_utc(self) -> int:
        """Return the evaluation day in UTC, whatever the marketplaces' zones."""
        return utc_day(self.instant) if self._held_day is None else self._held_day

    def move(self, instant: int) -> bool:
        """Move the clock to `instant`, forwards or back; return whether it is another day anywhere."""
        was = self.in_utc()
        self.instant = instant
        days = {marketplace_id: self._compute(marketplace_id) for marketplace_id in self._days}
        rolled = days != self._days or self.in_utc() != was
        self._days = days
        return rolled

    def _compute(self, marketplace_id: str) -> int:
        return self._rules.day(marketplace_id, self.instant) if self._held_day is None else self._held_day


class KeptDays:
    """The oldest day that is kept in every marketplace: it follows the evaluation days, unless their clock leaps.

    A wrong clock must not erase history. So where `guarded`, a clock that leaps ahead by more than `LEAP_DAYS` moves
    every window, but nothing is let go and no event is too late that was not before: `day`, the evaluation day (in UTC)
    that has been believed, stays, until the clock is back or its day is not after `confirmed_day`.
    """

    def __init__(
        self, rules: Rules, evaluation: EvaluationDays, *, guarded: bool = False, confirmed_day: int | None = None
    ) -> None:
        self._rules = rules
        self._evaluation = evaluation
        self._guarded = guarded
        self._confirmed_day = confirmed_day
        self._first: dict[str, int] = {}
        self.day = evaluation.in_utc()

    @property
    def unconfirmed(self) -> bool:
        """Whether the clock has leapt, and nobody has confirmed it."""
        return self._evaluation.in_utc() != self.day

    def first(self, marketplace_id: str) -> int:
        """Return the oldest day (proleptic ordinal) that is kept in a marketplace."""
        day = self._first.get(marketplace_id)
        if day is None:
            evaluated = self._evaluation.of(marketplace_id)
            believed = min(evaluated, self.day) if self.unconfirmed else evaluated
            day = self._first[marketplace_id] = self._rules.first_kept_day(believed)
        return day

    def follow(self, believed_day: int | None = None) -> None:
        """Follow the evaluation days from `believed_day`, if given (UTC), as far as they can be believed."""
        self._first.clear()
        if believed_day is not None:
            self.day = believed_day
        today = self._evaluation.in_utc()
        leaps = self._guarded and today - self.day > LEAP_DAYS
        if not leaps or (self._confirmed_day is not None and today <= self._confirmed_day):
            self.day = today
