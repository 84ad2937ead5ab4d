"""What is now true of one order, message or violation: the fold of its versions.

The fold keeps, of each thing, the version with the greatest `(event_time, event_id)`. It is commutative and idempotent:
late, doubled, shuffled or replayed events give the same state. Of a feedback it keeps too when its earliest version was
told: that is the day it was received.
"""

from collections.abc import Iterator
from typing import Final, TypeAlias

import msgspec
from msgspec.structs import replace

from stream.events import STATE_TAG, Attached, Event, Feedback, Message, Order, Single, Thing, Violation

REDELIVERED: Final = "redelivered"
STALE: Final = "stale"
TOO_MANY: Final = "too_many"

MOST_ATTACHED: Final = 500
"""How many things an order keeps beside itself: the first by kind and id, so that their order of arrival means nothing.

A broker takes no record above 1 MiB, and each thing's ids may take 1.5 KiB: without a limit, a source that gives one
order id to everything would end every worker that reads it.
"""


class OrderState(msgspec.Struct, array_like=True, frozen=True, gc=False, tag=STATE_TAG):
    """The current version of an order and of everything that belongs to it.

    `order` is None while only other things have arrived: they wait. `attached` is sorted by kind and id, so that equal
    histories give equal bytes.
    """

    order: Order | None = None
    attached: tuple[Attached, ...] = ()


State: TypeAlias = OrderState | Single
"""What is stored under one key: an order with all that belongs to it, a message, or a violation."""

StateKey: TypeAlias = tuple[str, bytes]
"""Names a state: its seller, and its kind and id in UTF-8 (bytes are smaller than text, and there are many)."""

_ORDER_KIND: Final = "o"
_KINDS: Final[dict[type[Thing], str]] = {Message: "m", Violation: "v"}

pack = msgspec.msgpack.Encoder().encode
"""Return a state, or a thing, as bytes."""

unpack = msgspec.msgpack.Decoder(State).decode
"""Return the state in what `pack` gave; raises msgspec.DecodeError for anything else, other formats included."""


def state_id(event: Event) -> bytes:
    """Return the second half of the `StateKey` of the state that an event belongs to."""
    return f"{_KINDS.get(type(event.thing), _ORDER_KIND)}{event.subject_id}".encode()


def order_id_of(state_id: bytes) -> str:
    """Return the order's id in the key of an order's state."""
    return state_id[1:].decode()


def fold(state: State | None, thing: Thing) -> State | str:
    """Return the state with `thing` in it, or why it changes nothing: `REDELIVERED`, `STALE` or `TOO_MANY`.

    `state` is the one of the thing's own key, None where there is none yet.
    """
    if isinstance(thing, Order):
        if state is None:
            return OrderState(thing)
        assert isinstance(state, OrderState)  # noqa: S101 - no other state is kept under an order's key
        ignored = state.order and _ignored(state.order, thing)
        return ignored or OrderState(thing, state.attached)
    if isinstance(thing, _SINGLES):
        return thing if state is None else _ignored(state, thing) or thing  # type: ignore[arg-type]
    assert state is None or isinstance(state, OrderState)  # noqa: S101
    return _attach(state or _NOTHING, thing)


_SINGLES: Final = (Message, Violation)
_NOTHING: Final = OrderState()


def _attach(state: OrderState, thing: Attached) -> OrderState | str:
    current = next((known for known in state.attached if known.id == thing.id and type(known) is type(thing)), None)
    if current is None:
        attached = tuple(sorted((*state.attached, thing), key=_kind_and_id))[:MOST_ATTACHED]
        cut = len(state.attached) == MOST_ATTACHED and attached[-1] is state.attached[-1]
        return TOO_MANY if cut else OrderState(state.order, attached)
    newer: Attached | str
    if isinstance(thing, Feedback) and isinstance(current, Feedback):
        newer = _newer_feedback(current, thing)
    else:
        newer = _ignored(current, thing) or thing
    if isinstance(newer, str):
        return newer
    return OrderState(state.order, tuple(newer if known is current else known for known in state.attached))


def _newer_feedback(current: Feedback, thing: Feedback) -> Feedback | str:
    """Return the newer of two versions, received when the earlier one was told; or why it changes nothing."""
    received_at = min(current.received_at, thing.received_at)
    known, told = replace(current, received_at=received_at), replace(thing, received_at=received_at)
    ignored = _ignored(known, told)
    if ignored is None:
        return told
    return ignored if known == current else known


def merge(state: State | None, other: State) -> State:
    """Return what is true when all things of both states have been seen, in whatever order."""
    merged = state
    for thing in things_of(other):
        folded = fold(merged, thing)
        if not isinstance(folded, str):
            merged = folded
    return other if merged is None else merged


def things_of(state: State) -> Iterator[Thing]:
    """Yield everything that a state holds."""
    if isinstance(state, OrderState):
        if state.order is not None:
            yield state.order
        yield from state.attached
    else:
        yield state


def _ignored(current: Thing, thing: Thing) -> str | None:
    ahead = current.event_time - thing.event_time
    if ahead:
        return STALE if ahead > 0 else None
    if current.event_id != thing.event_id:
        return STALE if current.event_id > thing.event_id else None
    if current == thing:
        return REDELIVERED
    # Sources must not give two versions the same time and id. If one does, the greater bytes win: any order of arrival
    # must still give the same figures.
    return STALE if pack(current) > pack(thing) else None


def _kind_and_id(thing: Attached) -> tuple[str, str]:
    return type(thing).__name__, thing.id
