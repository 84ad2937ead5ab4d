"""What each day adds up to: trailing windows over a seller's days."""

from typing import NamedTuple


class Window(NamedTuple):
    """A trailing window: the `days` days that end `lag` days before the evaluation day, both ends included."""

    name: str
    days: int
    lag: int

    def first(self, evaluation_day: int) -> int:
        """Return the oldest day in the window."""
        return evaluation_day - self.lag - self.days + 1

    def last(self, evaluation_day: int) -> int:
        """Return the newest day in the window."""
        return evaluation_day - self.lag

    def entry(self, day: int) -> int:
        """Return the first evaluation day whose window holds `day`."""
        return day + self.lag

    def drop_off(self, day: int) -> int:
        """Return the first evaluation day whose window no longer holds `day`."""
        return day + self.lag + self.days

    def holds(self, day: int, evaluation_day: int) -> bool:
        """Return whether `day` is in the window on `evaluation_day`."""
        return self.first(evaluation_day) <= day <= self.last(evaluation_day)


class DayCounts:
    """The counts of one seller, marketplace and channel: an amount for each day, and each window's running total.

    Days are proleptic ordinals, amounts lanes of figures (see `figures`). `totals` has one amount for each of
    `windows`, always as of `evaluation_day`.
    """

    __slots__ = ("_bounds", "days", "evaluation_day", "totals", "windows")

    def __init__(self, windows: tuple[Window, ...], evaluation_day: int) -> None:
        self.windows = windows
        self.days: dict[int, int] = {}
        self.totals = [0] * len(windows)
        self._settle(evaluation_day)

    def _settle(self, evaluation_day: int) -> None:
        self.evaluation_day = evaluation_day
        self._bounds = [
            (at, window.first(evaluation_day), window.last(evaluation_day)) for at, window in enumerate(self.windows)
        ]

    def apply(self, day: int, diff: int) -> None:
        """Add `diff`, a signed amount, to `day`. A day that comes to nothing vanishes."""
        amount = self.days.get(day, 0) + diff
        if amount:
            self.days[day] = amount
        else:
            del self.days[day]
        for at, first, last in self._bounds:
            if first <= day <= last:
                self.totals[at] += diff

    def roll(self, evaluation_day: int) -> None:
        """Move every window to `evaluation_day`, forwards or back."""
        was = self._bounds
        self._settle(evaluation_day)
        for (at, old_first, old_last), (_, first, last) in zip(was, self._bounds, strict=True):
            before, after = range(old_first, old_last + 1), range(first, last + 1)
            self.totals[at] += self._sum(_without(after, before)) - self._sum(_without(before, after))

    def trailing(self, window: Window, evaluation_day: int) -> int:
        """Return the amount in `window` on any evaluation day."""
        return self._sum([range(window.first(evaluation_day), window.last(evaluation_day) + 1)])

    def _sum(self, spans: list[range]) -> int:
        get = self.days.get
        return sum(get(day, 0) for span in spans for day in span)


def _without(span: range, other: range) -> list[range]:
    """Return the parts of `span` that `other`, of the same length, does not have."""
    if span.start < other.start:
        return [range(span.start, min(span.stop, other.start))]
    return [range(max(span.start, other.stop), span.stop)]
