"""Dead letters as text for a person, and as JSON for a program.

What they hold was written by anybody: for a person everything that a terminal could take for a command, or that would
break a line, is written as an escape.
"""

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from rich.table import Table
from rich.text import Text

from stream.health import iso_instant
from stream.tools.letters.letter import Letter


def shown(told: str | bytes | None) -> str:
    """Return what a terminal can show of a text on one line; bytes that are no UTF-8 become escapes, too."""
    if told is None:
        return "(null)"
    text = told.decode(errors="backslashreplace") if isinstance(told, bytes) else told
    return "".join(letter if letter.isprintable() else _escaped(letter) for letter in text)


def _escaped(letter: str) -> str:
    return letter.encode("unicode_escape").decode()


def written_at(timestamp_ms: int) -> str:
    """Return a Kafka timestamp as a person reads it, in UTC, to the second."""
    return iso_instant(timestamp_ms // 1_000 * 1_000_000).replace("T", " ").removesuffix("Z")


def line(letter: Letter) -> str:
    """Return a letter on one line: place, time, seller, reason, detail."""
    seller = letter.named_seller if letter.key is None else letter.key
    told = f"{letter.place!s:<25} {written_at(letter.timestamp_ms)}  {shown(seller):<20} {shown(letter.reason):<15}"
    return f"{told} {shown(letter.detail)}".rstrip()


def whole(letter: Letter) -> Iterator[str]:
    """Yield the lines of a whole letter."""
    yield f"{letter.place}"
    yield f"  written  {written_at(letter.timestamp_ms)} UTC"
    for name, value in letter.headers:
        yield f"  header   {shown(name)}: {shown(value)}"
    yield f"  key      {_with_size(letter.key)}"
    yield f"  value    {_with_size(letter.value)}"


def _with_size(told: bytes | None) -> str:
    return shown(told) if told is None else f"[{len(told):,} B] {shown(told)}"


def as_json(letter: Letter, *, whole: bool) -> str:
    """Return a letter as one line of JSON, in ASCII; `whole` adds headers, key and value, exactly."""
    origin = letter.origin
    told: dict[str, Any] = {
        "topic": letter.place.topic,
        "partition": letter.place.spot.partition,
        "offset": letter.place.spot.offset,
        "timestamp": iso_instant(letter.timestamp_ms * 1_000),
        "reason": letter.reason,
        "detail": letter.detail,
        "source_partition": origin.partition,
        "source_offset": origin.offset,
        "requeued": letter.was_requeued,
        "seller_id": letter.named_seller,
        **_exactly("key", letter.key),
    }
    if whole:
        told |= _exactly("value", letter.value)
        told["headers"] = [{"name": name, **_exactly("value", value)} for name, value in letter.headers]
    # JSON escapes all that isn't ASCII, and every control character but this one.
    return json.dumps(told).replace("\x7f", "\\u007f")


def _exactly(name: str, told: bytes | None) -> dict[str, str | None]:
    """Return bytes as text where they are UTF-8, else in base64 under a name that says so."""
    try:
        return {name: None if told is None else told.decode()}
    except UnicodeDecodeError:
        return {f"{name}_base64": base64.b64encode(told or b"").decode()}


@dataclass(slots=True)
class Summary:
    """How many letters there are of each topic and reason, with the first and the last timestamp (milliseconds)."""

    groups: dict[tuple[str, str], "Group"] = field(default_factory=dict)

    def add(self, letter: Letter) -> None:
        """Count a letter."""
        at = letter.timestamp_ms
        group = self.groups.setdefault((letter.place.topic, letter.reason), Group(0, at, at))
        group.letters += 1
        group.oldest_ms, group.newest_ms = min(group.oldest_ms, at), max(group.newest_ms, at)

    @property
    def letters(self) -> int:
        """How many there are in all."""
        return sum(group.letters for group in self.groups.values())


@dataclass(slots=True)
class Group:
    """The letters of one topic and reason."""

    letters: int
    oldest_ms: int
    newest_ms: int


def table(summary: Summary) -> Table:
    """Return the summary as a table, the most frequent first."""
    drawn = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))  # narrow enough for 80 columns
    for name in ("topic", "reason"):
        drawn.add_column(name, overflow="fold")
    drawn.add_column("letters", justify="right")
    for name in ("oldest (UTC)", "newest (UTC)"):
        drawn.add_column(name, no_wrap=True)
    groups = sorted(summary.groups.items(), key=lambda item: (-item[1].letters, item[0]))
    for (topic, reason), group in groups:
        span = (written_at(at).rpartition(":")[0] for at in (group.oldest_ms, group.newest_ms))
        drawn.add_row(*(Text(cell) for cell in (topic, shown(reason), f"{group.letters:,}", *span)))
    return drawn
