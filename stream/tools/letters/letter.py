"""A dead letter: where it stands, when and why it was written, and the record that it keeps."""

import hashlib
import re
from dataclasses import dataclass
from functools import cached_property
from typing import Final, NamedTuple

import msgspec

from stream.topics import REQUEUED_FROM

_read_number: Final = re.compile(rb"[0-9]{1,18}").fullmatch
_read_spot: Final = re.compile(rb"([0-9]{1,18})/([0-9]{1,18})").fullmatch
_find_seller: Final = re.compile(rb'"seller_id"\s*+:\s*+("(?:[^"\\]|\\.)*+")', re.DOTALL).search


class Spot(NamedTuple):
    """A partition, and an offset in it."""

    partition: int
    offset: int


class Place(NamedTuple):
    """Where a dead letter stands; the topic is the input topic's name, without prefix."""

    topic: str
    spot: Spot

    def __str__(self) -> str:
        return f"{self.topic}/{self.spot.partition}/{self.spot.offset}"


class Origin(NamedTuple):
    """The record that a letter keeps, by where it stood and what it said.

    Each group that reads a topic writes a letter of its own about the same record; those letters have one origin.
    """

    partition: int | None
    offset: int | None
    digest: bytes


class _Named(msgspec.Struct):
    seller_id: str


_decode_named = msgspec.json.Decoder(_Named).decode


@dataclass(frozen=True)
class Letter:
    """One dead letter, with the key and the value as they were in the input topic."""

    place: Place
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]

    def header(self, name: str) -> bytes | None:
        """Return the first header of this name; None where there is none, or where it is null."""
        return next((value for header, value in self.headers if header == name), None)

    @property
    def reason(self) -> str:
        """Why the record was no valid event: one of `stream.decode.REASONS`, if a worker wrote the letter."""
        return (self.header("reason") or b"").decode(errors="backslashreplace")

    @property
    def detail(self) -> str:
        """What exactly was wrong."""
        return (self.header("detail") or b"").decode(errors="backslashreplace")

    @cached_property
    def origin(self) -> Origin:
        """The record that the letter keeps; a header that is missing or no number gives None."""
        partition, offset = _number(self.header("source-partition")), _number(self.header("source-offset"))
        return Origin(partition, offset, digest(self.key, self.value))

    @property
    def was_requeued(self) -> bool:
        """Whether the record had been put back before, and was malformed again."""
        return any(name == REQUEUED_FROM for name, _ in self.headers)

    @cached_property
    def named_seller(self) -> str | None:
        """The seller_id that can be read in the value, be it a whole event or a broken one."""
        return None if self.value is None else read_seller(self.value)

    def concerns(self, seller: str) -> bool:
        """Whether the key is this seller's or, where it is missing or another, the value names the seller."""
        return self.key == seller.encode(errors="surrogateescape") or self.named_seller == seller


def _number(header: bytes | None) -> int | None:
    return int(header) if header is not None and _read_number(header) else None


def read_spot(header: bytes | None) -> Spot | None:
    """Return the spot that a `requeued-from` header names, or None where it is none."""
    found = None if header is None else _read_spot(header)
    return found and Spot(int(found[1]), int(found[2]))


def digest(key: bytes | None, value: bytes | None) -> bytes:
    """Return 16 bytes that stand for a record's key and value; null is not empty."""
    hashed = hashlib.blake2b(digest_size=16)
    for part in (key, value):
        hashed.update(b"null" if part is None else b"%d:" % len(part))
        hashed.update(part or b"")
    return hashed.digest()


def read_seller(value: bytes) -> str | None:
    """Return the seller_id of a JSON object; where the JSON is broken, the first text that is so named."""
    try:
        return _decode_named(value).seller_id
    except msgspec.ValidationError:
        return None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        found = _find_seller(value)
    return None if found is None else _text(found[1])


def _text(quoted: bytes) -> str:
    try:
        return msgspec.json.decode(quoted, type=str)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return quoted[1:-1].decode(errors="backslashreplace")
