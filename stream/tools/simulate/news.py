"""What happens to orders from before once the market is live, so that figures move while one watches."""

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Final

from stream.tools.simulate.sellers import CROWD, CROWD_GROUP, NAMED, Profile, Storefront
from stream.tools.simulate.stories import FORGIVEN, MENDED, REMEMBERED, REOPENED, STANDING, counts, is_forgiven
from stream.tools.simulate.things import NEVER, Thing, new_voice
from stream.tools.simulate.timeline import Record, Timeline

_REMEMBERED: Final = 500
"""Orders, and as many defects, kept in mind for each named seller and for the crowd."""
_REMEMBERED_DAYS: Final = 70
_WINDOW: Final = timedelta(days=74)
_SETTLED: Final = timedelta(days=3)
_TRIES: Final = 16
_LAPSES: Final = 100
"""The newest cancellations, packages late or untracked, messages unanswered and violations of each group."""
_LAPSES_SHARE: Final = 0.25
_PULL: Final = 0.08


def _recent() -> deque[Thing]:
    return deque(maxlen=_REMEMBERED)


def _newest() -> deque[Thing]:
    return deque(maxlen=_LAPSES)


@dataclass
class _Group:
    """A named seller, or the whole crowd: what is remembered of it.

    `orders` are those that nobody has complained of; `orders_per_day` is how many there are to remember some of;
    `lapses` are what tells against it apart from defects; `balance` is how many more defects the news have brought than
    taken back, `forgiven` how many more lapses they have taken back than brought.
    """

    profile: Profile
    orders_per_day: float = 0.0
    orders: deque[Thing] = field(default_factory=_recent)
    defects: deque[Thing] = field(default_factory=_recent)
    lapses: deque[Thing] = field(default_factory=_newest)
    balance: int = 0
    forgiven: int = 0


class News:
    """Remembers some orders and defects of each named seller and of the crowd, and makes news of them.

    `scale` is how many orders a day a storefront of size 1 has.
    """

    def __init__(self, rng: Random, timeline: Timeline, fronts: list[Storefront], scale: float) -> None:
        self._random = rng.random
        self._choice = rng.choice
        self._timeline = timeline
        self._groups = {front.group: _Group(_profile(front.group)) for front in fronts}
        for front in fronts:
            self._groups[front.group].orders_per_day += front.orders_per_day * scale
        self._attention = [group for group in self._groups.values() for _ in range(group.profile.attention)]

    def remember_order(self, order: Thing) -> None:
        """Perhaps remember an order without complaint: so many that they reach back over the window."""
        group = self._groups[order.front.group]
        if self._random() * group.orders_per_day * _REMEMBERED_DAYS < _REMEMBERED:
            group.orders.append(order)

    def remember_defect(self, defect: Thing) -> None:
        """Remember a feedback, claim or chargeback that counts, or will."""
        self._groups[defect.front.group].defects.append(defect)

    def remember_lapse(self, lapse: Thing) -> None:
        """Remember an order that is cancelled, a package, message or violation that tells against its seller."""
        self._groups[lapse.front.group].lapses.append(lapse)

    def next(self, due: datetime) -> Record | None:
        """Let something happen to an order from before; None if none is remembered that it could happen to.

        The balance pulls each seller back to about what its profile makes it.
        """
        group = self._choice(self._attention)
        if self._random() < _LAPSES_SHARE:
            return self._reconsider(due, group)
        worsens = self._random() < 0.5 + group.profile.lean - _PULL * group.balance
        return self._worsen(due, group) if worsens else self._mend(due, group)

    def _reconsider(self, due: datetime, group: _Group) -> Record | None:
        """Let a lapse be forgiven that is settled, or one that was be counted again."""
        forgives = self._random() < 0.5 - _PULL * group.forgiven
        for _ in range(min(_TRIES, len(group.lapses))):
            lapse = self._choice(group.lapses)
            is_settled = lapse.told_at is not NEVER and not lapse.rest
            if is_settled and is_forgiven(lapse.topic, lapse.fields) != forgives:
                group.forgiven += 1 if forgives else -1
                return self._timeline.told(due, lapse, (FORGIVEN if forgives else REMEMBERED)[lapse.topic])
        return None

    def _mend(self, due: datetime, group: _Group) -> Record | None:
        defect = self._recall(due, group, counting=True)
        if defect is None:
            return None
        group.balance -= 1
        defect.rest = ()
        return self._timeline.told(due, defect, self._choice(MENDED[defect.topic]))

    def _worsen(self, due: datetime, group: _Group) -> Record | None:
        defect = self._recall(due, group, counting=False) if self._random() < 0.5 else None
        if defect is None:
            return self._complain(due, group)
        group.balance += 1
        defect.rest = ()
        return self._timeline.told(due, defect, REOPENED[defect.topic])

    def _complain(self, due: datetime, group: _Group) -> Record | None:
        order = self._take_order(due, group.orders)
        if order is None:
            return None
        group.balance += 1
        topic = self._choice(group.profile.kinds)[0]
        defect = new_voice(topic, order, self._choice(STANDING[topic]), self._choice(group.profile.reasons))
        group.defects.append(defect)
        return self._timeline.tell(due, defect)

    def _take_order(self, due: datetime, orders: deque[Thing]) -> Thing | None:
        if not orders:
            return None
        at = int(self._random() * len(orders))
        order = orders[at]
        if not _SETTLED < due - order.purchased_at < _WINDOW:
            return None
        del orders[at]
        return order

    def _recall(self, due: datetime, group: _Group, *, counting: bool) -> Thing | None:
        for _ in range(min(_TRIES, len(group.defects))):
            defect = self._choice(group.defects)
            is_news = defect.told_at is not NEVER and due - defect.purchased_at < _WINDOW
            if is_news and counts(defect.topic, defect.fields) == counting:
                return defect
        return None


def _profile(group: int) -> Profile:
    return CROWD if group == CROWD_GROUP else NAMED[group].profile
