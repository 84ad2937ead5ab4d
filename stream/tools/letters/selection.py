"""Which dead letters are meant: by topic, reason, time, seller or place."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import wraps
from typing import Any, Final

import click

from stream.days import parse_day
from stream.decode import REASONS, instant
from stream.tools.letters.letter import Letter, Place, read_spot
from stream.topics import INPUT_TOPICS


@dataclass(frozen=True, slots=True)
class Selection:
    """What the flags select; what is empty or None doesn't narrow it.

    `since` and `until` are microseconds since the epoch, the second one not included.
    """

    topics: tuple[str, ...] = INPUT_TOPICS
    reasons: frozenset[str] = frozenset()
    since: int | None = None
    until: int | None = None
    seller: str | None = None

    def holds(self, letter: Letter) -> bool:
        """Return whether a letter is meant."""
        written = letter.timestamp_ms * 1_000
        return (
            letter.place.topic in self.topics
            and (not self.reasons or letter.reason in self.reasons)
            and (self.since is None or self.since <= written)
            and (self.until is None or written < self.until)
            and (self.seller is None or letter.concerns(self.seller))
        )


def moment(text: str) -> int:
    """Return microseconds since the epoch of an RFC 3339 time, or of a day's beginning in UTC.

    Raises ValueError for anything else.
    """
    try:
        began = date.fromordinal(parse_day(text))
    except ValueError:
        return instant(text)
    return instant(datetime(began.year, began.month, began.day, tzinfo=UTC).isoformat())


def place(text: str) -> Place:
    """Return the place that `TOPIC/PARTITION/OFFSET` names; raises ValueError for anything else."""
    topic, _, rest = text.partition("/")
    spot = read_spot(rest.encode(errors="replace"))
    if topic not in INPUT_TOPICS or spot is None:
        raise ValueError(f"accepts TOPIC/PARTITION/OFFSET with one of the topics {', '.join(INPUT_TOPICS)}")
    return Place(topic, spot)


class _Moment(click.ParamType):
    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        try:
            return moment(value)
        except ValueError:
            self.fail(f"{value!r}: accepts an RFC 3339 time with offset, or YYYY-MM-DD", param, ctx)


class Placed(click.ParamType):
    """A command's argument that is a place."""

    name = "place"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Place:
        """Return the place, or fail with what is accepted."""
        try:
            return place(value)
        except ValueError as problem:
            self.fail(f"{value!r}: {problem}", param, ctx)


_OPTIONS: Final = (
    click.option(
        "--topic", "topics", multiple=True, type=click.Choice(INPUT_TOPICS), help="Of this input topic; repeatable."
    ),
    click.option(
        "--reason", "reasons", multiple=True, type=click.Choice(list(REASONS)), help="For this reason; repeatable."
    ),
    click.option(
        "--since",
        type=_Moment(),
        help="Written at this time or later: RFC 3339, or YYYY-MM-DD for the beginning of a day in UTC.",
    ),
    click.option("--until", type=_Moment(), help="Written before this time, in the same form."),
    click.option(
        "--seller",
        help="Of this seller: by the record's key or, where that is missing or wrong, by the seller_id in its value, "
        "as far as it can be read.",
    ),
)


def with_selection(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the flags that select dead letters; it gets them as `selection`."""

    @wraps(command)
    def wrapped(
        *,
        topics: tuple[str, ...],
        reasons: tuple[str, ...],
        since: int | None,
        until: int | None,
        seller: str | None,
        **others: Any,
    ) -> Any:
        chosen = tuple(topic for topic in INPUT_TOPICS if not topics or topic in topics)
        return command(selection=Selection(chosen, frozenset(reasons), since, until, seller), **others)

    for option in reversed(_OPTIONS):
        wrapped = option(wrapped)
    return wrapped
