"""The evaluation day of each marketplace: today there, by a clock that the shell moves."""

from stream.rules import Rules


class EvaluationDays:
    """The evaluation day (proleptic ordinal) of every marketplace as of `instant` (microseconds since the epoch).

    With `held_day` it is that day everywhere and for ever.
    """

    def __init__(self, rules: Rules, instant: int, held_day: int | None = None) -> None:
        self._rules = rules
        self._held_day = held_day
        self._days: dict[str, int] = {}
        self._first_kept: dict[str, int] = {}
        self.instant = instant

    def of(self, marketplace_id: str) -> int:
        """Return the evaluation day of a marketplace."""
        day = self._days.get(marketplace_id)
        if day is None:
            day = self._days[marketplace_id] = self._compute(marketplace_id)
        return day

    def first_kept(self, marketplace_id: str) -> int:
        """Return the oldest day that is kept in a marketplace."""
        day = self._first_kept.get(marketplace_id)
        if day is None:
            day = self._first_kept[marketplace_id] = self._rules.first_kept_day(self.of(marketplace_id))
        return day

    def move(self, instant: int) -> bool:
        """Move the clock to `instant`, forwards or back; return whether it is another day anywhere."""
        self.instant = instant
        days = {marketplace_id: self._compute(marketplace_id) for marketplace_id in self._days}
        rolled = days != self._days
        self._days = days
        self._first_kept.clear()
        return rolled

    def _compute(self, marketplace_id: str) -> int:
        return self._rules.day(marketplace_id, self.instant) if self._held_day is None else self._held_day
