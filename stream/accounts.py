"""The sellers of one partition: everything's packed state, and the counts that follow from them.

States are the only truth. Counts are derived: each change of a state retracts what the old one added and adds what the
new one does.
"""

from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from stream.evaluation import EvaluationDays, KeptDays
from stream.events import Chargeback, Claim, Event, Feedback, Message, Order, Package, Thing, Violation
from stream.metrics import WINDOWS
from stream.rules import Rules
from stream.shares import Place, Shares, changes, shares, shares_before
from stream.states import OrderState, State, StateKey, fold, merge, order_id_of, pack, state_id, things_of, unpack
from stream.topics import CHARGEBACKS, CLAIM_STATUSES, FEEDBACK, MESSAGES, ORDERS, SHIPMENTS, VIOLATIONS
from stream.windows import DayCounts

TOO_LATE: Final = "too_late"

TOPIC_OF: Final[dict[type[Thing], str]] = {
    Order: ORDERS,
    Feedback: FEEDBACK,
    Claim: CLAIM_STATUSES,
    Chargeback: CHARGEBACKS,
    Package: SHIPMENTS,
    Message: MESSAGES,
    Violation: VIOLATIONS,
}
"""The topic whose records each kind of thing comes from."""


class Applied(msgspec.Struct, frozen=True, gc=False):
    """What an event did to its state's shares in the counts; equal ones where it changed no figure."""

    before: Shares
    after: Shares


class Account:
    """One seller: packed states by kind and id, and day counts by place."""

    __slots__ = ("groups", "newest", "states")

    def __init__(self) -> None:
        self.states: dict[bytes, bytes] = {}
        self.groups: dict[Place, DayCounts] = {}
        self.newest: dict[tuple[str, str], int] = {}
        """Newest event time by marketplace and topic."""

    def unpacked(self) -> Iterator[State]:
        """Yield every state."""
        return map(unpack, self.states.values())

    def orders(self) -> Iterator[tuple[str, OrderState]]:
        """Yield the id and state of every order, known or waited for."""
        for known_as, packed in self.states.items():
            state = unpack(packed)
            if isinstance(state, OrderState):
                yield order_id_of(known_as), state

    def in_ledger(self, ledger: str) -> Iterator[tuple[Place, DayCounts]]:
        """Yield the places of one ledger with their counts, in order."""
        return ((place, counts) for place, counts in sorted(self.groups.items()) if place[0] == ledger)

    @property
    def marketplaces(self) -> list[str]:
        """The marketplaces of its events, in order, whether anything is counted there or not."""
        return sorted({marketplace_id for marketplace_id, _ in self.newest})


class Accounts:
    """The accounts of one partition, by seller.

    `changed` collects the packed states that differ from what has been taken from it, None for one that has left.
    `orders` and `waiting` count the orders kept and the things whose order is not known; `newest_event_time` is the
    newest of them all, in microseconds since the epoch.
    """

    def __init__(self, rules: Rules, evaluation: EvaluationDays, kept: KeptDays | None = None) -> None:
        self._rules = rules
        self._evaluation = evaluation
        self.kept = kept or KeptDays(rules, evaluation)
        self.clear()

    def clear(self) -> None:
        """Forget everybody."""
        self.sellers: dict[str, Account] = {}
        self.changed: dict[StateKey, bytes | None] = {}
        self.orders = 0
        self.waiting = 0
        self.newest_event_time: int | None = None

    def apply(self, event: Event) -> Applied | str:
        """Fold an event into its state and move the counts; return what it did.

        A valid event that changes nothing gives the reason instead: redelivered, stale or too late.
        """
        seller_id, thing = event.seller_id, event.thing
        key = state_id(event)
        account = self.sellers.get(seller_id)
        packed = None if account is None else account.states.get(key)
        before = None if packed is None else unpack(packed)
        after = fold(before, thing)
        if isinstance(after, str):
            return after
        told = shares(after, self._rules)
        if self._too_late(after, thing, told):
            return TOO_LATE
        if account is None:
            account = self.sellers[seller_id] = Account()
        self._note_newest(account, thing)
        applied = Applied(shares_before(before, after, told, self._rules), told)
        self._put((seller_id, key), account, before, after, applied)
        return applied

    def take_changed(self) -> dict[StateKey, bytes | None]:
        """Return the states changed since the last call."""
        taken, self.changed = self.changed, {}
        return taken

    def restore(self, key: StateKey, packed: bytes | None, *, in_doubt: bool = False) -> None:
        """Take over a stored state in place of what is here, or the news that it has left.

        One that is `in_doubt` is folded with what is here, and stays among `changed`: it has to be stored again.
        """
        seller_id, known_as = key
        account = self.sellers.get(seller_id)
        if account is None:
            if packed is None:
                return
            account = self.sellers[seller_id] = Account()
        known = account.states.get(known_as)
        before = None if known is None else unpack(known)
        stored = None if packed is None else unpack(packed)
        after = merge(before, stored) if in_doubt and stored is not None else stored
        if after is not None:
            for thing in things_of(after):
                self._note_newest(account, thing)
        self._move(key, account, before, after)
        if not in_doubt:
            del self.changed[key]

    def roll(self) -> None:
        """Move every window to its marketplace's evaluation day, and what is kept with it."""
        self.kept.follow()
        for account in self.sellers.values():
            for place, counts in account.groups.items():
                today = self._evaluation.of(place[1])
                if counts.evaluation_day != today:
                    counts.roll(today)

    def expire(self, sellers: Iterable[str]) -> None:
        """Let go of what is older than is kept: by the day that keys it, and waiting things by event time."""
        for seller_id in sellers:
            account = self.sellers.get(seller_id)
            if account is not None:
                self._expire(seller_id, account)

    def _expire(self, seller_id: str, account: Account) -> None:
        for known_as, packed in list(account.states.items()):
            state = unpack(packed)
            kept = self._kept(state)
            if kept is not state:
                self._move((seller_id, known_as), account, state, kept)

    def _kept(self, state: State) -> State | None:
        if not isinstance(state, OrderState):
            return None if self._too_late(state, state, ()) else state
        told = shares(state, self._rules)
        if state.order is not None and not self._too_late(state, state.order, told):
            return state
        left = tuple(thing for thing in state.attached if not self._too_late(state, thing, told))
        if state.order is None and len(left) == len(state.attached):
            return state
        return OrderState(None, left) if left else None

    def _too_late(self, state: State, thing: Thing, told: Shares) -> bool:
        """Return whether `thing` is older than is kept, in a `state` with the shares `told`: by the day that keys it.

        That is its order's date, and its own time while it waits for its order.
        """
        if isinstance(state, OrderState):
            order = state.order
            if order is None:
                return not self._is_kept(thing.marketplace_id, thing.event_time)
            if told[0].day >= self.kept.first(order.marketplace_id):
                return False
            # A feedback has a day of its own, on which it was received; all else of an order goes with it.
            return not (isinstance(thing, Feedback) and self._is_kept(thing.marketplace_id, thing.received_at))
        keyed = state.received_at if isinstance(state, Message) else state.detected_at
        return not self._is_kept(state.marketplace_id, keyed)

    def _is_kept(self, marketplace_id: str, instant: int) -> bool:
        return self._rules.day(marketplace_id, instant) >= self.kept.first(marketplace_id)

    def _note_newest(self, account: Account, thing: Thing) -> None:
        event_time = thing.event_time
        feed = (thing.marketplace_id, TOPIC_OF[type(thing)])
        known = account.newest.get(feed)
        if known is None or event_time > known:
            account.newest[feed] = event_time
            if self.newest_event_time is None or event_time > self.newest_event_time:
                self.newest_event_time = event_time

    def _move(self, key: StateKey, account: Account, before: State | None, after: State | None) -> None:
        self._put(key, account, before, after, Applied(shares(before, self._rules), shares(after, self._rules)))

    def _put(
        self, key: StateKey, account: Account, before: State | None, after: State | None, applied: Applied
    ) -> None:
        if not (_is_order(before) and _is_order(after)):
            self.orders += _is_order(after) - _is_order(before)
            self.waiting += _waiting(after) - _waiting(before)
        if applied.before != applied.after:
            self._count(account, applied)
        if after is None:
            self._drop(key, account)
        else:
            account.states[key[1]] = self.changed[key] = pack(after)

    def _drop(self, key: StateKey, account: Account) -> None:
        seller_id, known_as = key
        account.states.pop(known_as, None)
        self.changed[key] = None
        if not account.states:
            del self.sellers[seller_id]

    def _count(self, account: Account, applied: Applied) -> None:
        for change in changes(applied.before, applied.after):
            counts = account.groups.get(change.place)
            if counts is None:
                ledger, marketplace_id = change.place[:2]
                today = self._evaluation.of(marketplace_id)
                counts = account.groups[change.place] = DayCounts(WINDOWS[ledger], today)
            counts.apply(change.day, change.amount)
            if not counts.days:
                del account.groups[change.place]


def _is_order(state: State | None) -> bool:
    return isinstance(state, OrderState) and state.order is not None


def _waiting(state: State | None) -> int:
    return len(state.attached) if isinstance(state, OrderState) and state.order is None else 0
