"""The sellers of one partition: every order's packed state, and the counts that follow from them.

Order states are the only truth. Counts are derived: each change of a state retracts what the old one added and adds
what the new one does.
"""

from collections.abc import Iterable, Iterator
from typing import Final, TypeAlias

import msgspec

from stream.evaluation import EvaluationDays, KeptDays
from stream.events import Chargeback, Claim, Event, Feedback, Order, Thing
from stream.metrics import ORDER_WINDOWS
from stream.orders import (
    EMPTY,
    Contribution,
    OrderState,
    changes,
    contribution,
    contribution_before,
    fold,
    merge,
    pack,
    unpack,
)
from stream.rules import Rules
from stream.topics import CHARGEBACKS, CLAIM_STATUSES, FEEDBACK, ORDERS
from stream.windows import DayCounts

TOO_LATE: Final = "too_late"

TOPIC_OF: Final[dict[type[Thing], str]] = {
    Order: ORDERS,
    Feedback: FEEDBACK,
    Claim: CLAIM_STATUSES,
    Chargeback: CHARGEBACKS,
}
"""The topic whose records each kind of thing comes from."""


OrderKey: TypeAlias = tuple[str, bytes]
"""Names an order: its seller, and its id in UTF-8 (bytes are smaller than text, and there are many)."""


class Applied(msgspec.Struct, frozen=True, gc=False):
    """What an event did to its order's share in the counts; equal contributions where it changed no figure."""

    before: Contribution | None
    after: Contribution | None


class Account:
    """One seller: packed order states by order id, and day counts by marketplace and channel."""

    __slots__ = ("groups", "newest", "orders")

    def __init__(self) -> None:
        self.orders: dict[bytes, bytes] = {}
        self.groups: dict[tuple[str, str], DayCounts] = {}
        self.newest: dict[tuple[str, str], int] = {}
        """Newest event time by marketplace and topic."""

    def states(self) -> Iterator[tuple[str, OrderState]]:
        """Yield every order's id and state."""
        for order_id, packed in self.orders.items():
            yield order_id.decode(), unpack(packed)


class Accounts:
    """The accounts of one partition, by seller.

    `changed` collects the packed states that differ from what has been taken from it, None for an order that has left.
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
        self.changed: dict[OrderKey, bytes | None] = {}
        self.orders = 0
        self.waiting = 0
        self.newest_event_time: int | None = None

    def apply(self, event: Event) -> Applied | str:
        """Fold an event into its order and move the counts; return what it did.

        A valid event that changes nothing gives the reason instead: redelivered, stale or too late.
        """
        seller_id, order_id, thing = event.seller_id, event.order_id.encode(), event.thing
        account = self.sellers.get(seller_id)
        packed = None if account is None else account.orders.get(order_id)
        before = EMPTY if packed is None else unpack(packed)
        after = fold(before, thing)
        if isinstance(after, str):
            return after
        share = contribution(after, self._rules)
        if self._too_late(share, thing):
            return TOO_LATE
        if account is None:
            account = self.sellers[seller_id] = Account()
        self._note_newest(account, thing)
        former = None if before.order is None else contribution_before(before, after, share, self._rules)
        applied = Applied(former, share)
        self._put((seller_id, order_id), account, before, after, applied)
        return applied

    def take_changed(self) -> dict[OrderKey, bytes | None]:
        """Return the states changed since the last call."""
        taken, self.changed = self.changed, {}
        return taken

    def restore(self, key: OrderKey, packed: bytes | None, *, in_doubt: bool = False) -> None:
        """Take over a stored state, or the news that the order has left; versions are folded with what is here.

        One that is `in_doubt` stays among `changed`: it has to be stored again.
        """
        seller_id, order_id = key
        account = self.sellers.get(seller_id)
        if account is None:
            if packed is None:
                return
            account = self.sellers[seller_id] = Account()
        known = account.orders.get(order_id)
        before = EMPTY if known is None else unpack(known)
        after = EMPTY if packed is None else merge(before, unpack(packed))
        for thing in (*after.defects, after.order):
            if thing is not None:
                self._note_newest(account, thing)
        self._move(key, account, before, after)
        if not in_doubt:
            del self.changed[key]

    def roll(self) -> None:
        """Move every window to its marketplace's evaluation day, and what is kept with it."""
        self.kept.follow()
        for account in self.sellers.values():
            for (marketplace_id, _), counts in account.groups.items():
                today = self._evaluation.of(marketplace_id)
                if counts.evaluation_day != today:
                    counts.roll(today)

    def expire(self, sellers: Iterable[str]) -> None:
        """Let go of what is older than is kept: orders by order date, waiting things by event time."""
        for seller_id in sellers:
            account = self.sellers.get(seller_id)
            if account is not None:
                self._expire(seller_id, account)

    def _expire(self, seller_id: str, account: Account) -> None:
        for order_id, packed in list(account.orders.items()):
            state = unpack(packed)
            kept = self._kept(state)
            if kept is not state:
                self._move((seller_id, order_id), account, state, kept)

    def _kept(self, state: OrderState) -> OrderState:
        if state.order is not None:
            return EMPTY if self._too_late(contribution(state, self._rules), state.order) else state
        defects = tuple(defect for defect in state.defects if not self._too_late(None, defect))
        return state if len(defects) == len(state.defects) else OrderState(None, defects)

    def _too_late(self, share: Contribution | None, thing: Thing) -> bool:
        """Return whether `thing` is older than is kept: by its order's date, or by its own time while it waits."""
        if share is not None:
            return share.day < self.kept.first(share.marketplace_id)
        day = self._rules.day(thing.marketplace_id, thing.event_time)
        return day < self.kept.first(thing.marketplace_id)

    def _note_newest(self, account: Account, thing: Thing) -> None:
        event_time = thing.event_time
        feed = (thing.marketplace_id, TOPIC_OF[type(thing)])
        known = account.newest.get(feed)
        if known is None or event_time > known:
            account.newest[feed] = event_time
            if self.newest_event_time is None or event_time > self.newest_event_time:
                self.newest_event_time = event_time

    def _move(self, key: OrderKey, account: Account, before: OrderState, after: OrderState) -> None:
        applied = Applied(contribution(before, self._rules), contribution(after, self._rules))
        self._put(key, account, before, after, applied)

    def _put(self, key: OrderKey, account: Account, before: OrderState, after: OrderState, applied: Applied) -> None:
        if before.order is None or after.order is None:
            self.orders += (after.order is not None) - (before.order is not None)
            if before.defects or after.defects:
                self.waiting += _waiting(after) - _waiting(before)
        if applied.before != applied.after:
            self._count(account, applied)
        if after.order is None and not after.defects:
            self._drop(key, account)
        else:
            account.orders[key[1]] = self.changed[key] = pack(after)

    def _drop(self, key: OrderKey, account: Account) -> None:
        seller_id, order_id = key
        account.orders.pop(order_id, None)
        self.changed[key] = None
        if not account.orders:
            del self.sellers[seller_id]

    def _count(self, account: Account, applied: Applied) -> None:
        for change in changes(applied.before, applied.after):
            group = (change.marketplace_id, change.channel)
            counts = account.groups.get(group)
            if counts is None:
                counts = account.groups[group] = DayCounts(ORDER_WINDOWS, self._evaluation.of(change.marketplace_id))
            counts.apply(change.day, change.diff)
            if not counts.days:
                del account.groups[group]


def _waiting(state: OrderState) -> int:
    return len(state.defects) if state.order is None else 0
