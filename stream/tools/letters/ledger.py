"""What is put back, and what is left alone: so that no letter is put back twice, and none for ever.

Nothing is kept but what Kafka has: every record that was put back carries where its letter stands. So a run that was
killed at any moment is simply followed by another one. (Two at the same moment may put the same record back twice: the
figures are the same even so, a record seen twice changes nothing.)
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

from stream.tools.letters.letter import Letter, Origin, Spot, digest, read_spot
from stream.topics import REQUEUED_FROM

Headers = Iterable[tuple[str, bytes | None]]
Why = Literal["back", "again_malformed", "no_partition", "no_room"]

LEFT_ALONE: Final[dict[Why, str]] = {
    "back": "put back already",
    "again_malformed": "put back before and malformed again: --again puts these back once more",
    "no_partition": "the headers don't name a partition of the input topic",
    "no_room": "too large for the input topic with the header that it would get",
}
"""Why a selected letter is not put back, in the user's words."""

_FRAME_BYTES: Final = 128  # what Kafka adds to one record in a batch of its own, at most


@dataclass(frozen=True, slots=True)
class Target:
    """An input topic: its number of partitions, and the largest batch that it takes, in bytes."""

    partitions: int
    room_bytes: int


@dataclass(slots=True)
class Bound:
    """From where on a partition of the input topic can hold what was put back: an offset, a time; the earlier one.

    A record that was put back stands behind the one that the letter is about, whatever clocks say. The time helps where
    that offset says nothing, because the input topic is a newer one than the letter.
    """

    offset: int
    timestamp_ms: int


class Ledger:
    """What is known of one topic's letters, of which some are selected; `again` puts back what failed again, too."""

    def __init__(self, target: Target, *, again: bool) -> None:
        self._target = target
        self._again = again
        self._origins: dict[Spot, Origin] = {}
        self._back: set[Origin] = set()
        self.bounds: dict[int, Bound] = {}
        self.selected = 0

    def note(self, letter: Letter, *, selected: bool) -> None:
        """Note a letter of the topic: every one, because one that isn't selected may be of the same record."""
        origin = letter.origin
        self._origins[letter.place.spot] = origin
        if selected:
            self.selected += 1
            if self._has_partition(origin):
                self._widen(origin, letter.timestamp_ms)

    def _has_partition(self, origin: Origin) -> bool:
        return origin.partition is not None and origin.partition < self._target.partitions

    def _widen(self, origin: Origin, timestamp_ms: int) -> None:
        assert origin.partition is not None  # noqa: S101 - for the type checker
        offset = 0 if origin.offset is None else origin.offset + 1
        bound = self.bounds.setdefault(origin.partition, Bound(offset, timestamp_ms))
        bound.offset = min(bound.offset, offset)
        bound.timestamp_ms = min(bound.timestamp_ms, timestamp_ms)

    def note_back(self, headers: Headers, key: bytes | None, value: bytes | None) -> None:
        """Note a record of the input topic: it may be one that was put back.

        It counts only with the letter's own bytes: where topics were made anew, a spot may mean another letter now.
        """
        for name, header in headers:
            if name == REQUEUED_FROM and (spot := read_spot(header)) is not None:
                origin = self._origins.get(spot)
                if origin is not None and origin.digest == digest(key, value):
                    self._back.add(origin)

    def why_left_alone(self, letter: Letter) -> Why | None:
        """Return why a letter is not to be put back, or None where it is."""
        origin = letter.origin
        if not self._has_partition(origin):
            return "no_partition"
        if origin in self._back:
            return "back"
        if letter.was_requeued and not self._again:
            return "again_malformed"
        return None if _bytes_needed(letter) <= self._target.room_bytes else "no_room"

    def put_back(self, letter: Letter) -> None:
        """Note that a letter is put back now."""
        self._back.add(letter.origin)


def requeued_from(letter: Letter) -> bytes:
    """Return the header of a letter's record when it is put back."""
    return f"{letter.place.spot.partition}/{letter.place.spot.offset}".encode()


def _bytes_needed(letter: Letter) -> int:
    return _FRAME_BYTES + len(letter.key or b"") + len(letter.value or b"") + len(requeued_from(letter))
