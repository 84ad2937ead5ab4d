"""The market itself: orders are placed, and everything that follows from them arrives in its time.

Memory is bounded by what is pending and a few hundred remembered orders, however long the market runs. Pure: no clock,
no Kafka, no environment. The same settings and end of history give the same records, however `advance` is cut.
"""

from bisect import bisect
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from math import isfinite
from random import Random
from typing import Final

from stream.tools.simulate.fulfilment import Fulfilment
from stream.tools.simulate.news import News
from stream.tools.simulate.sellers import CROWD, CROWD_GROUP, NAMED, Service, Storefront, storefronts
from stream.tools.simulate.stories import (
    CANCELLED,
    CANCELLED_AFTER_CLAIM,
    CONTENT,
    LATE,
    ODD,
    OFFENCES,
    PART_BY_PART,
    PRAISE,
    REVERSED,
    SHIPPED,
    STANDING,
    STOLEN_CARD,
    UNFULFILLED,
    VIOLATIONS_COME,
    Fields,
    Table,
)
from stream.tools.simulate.things import Thing, new_order, new_violation, new_voice
from stream.tools.simulate.timeline import LONGEST_LATENCY, Record, Timeline
from stream.topics import CHARGEBACKS, CLAIM_STATUSES, FEEDBACK

EVENTS_PER_ORDER: Final = 5.5
"""About how many records an order gives in the end."""

_DAY_SECONDS: Final = 86_400
_DAY: Final = timedelta(seconds=_DAY_SECONDS)
_SCATTER: Final = 77_777_777_777_777_777  # no factor of 2 or 5, so that order ids repeat only after 10**17 of them

_BUSY_HOURS: Final = (4, 3, 3, 4, 6, 8, 10, 11, 11, 11, 11, 12, 12, 12, 12, 12, 13, 14, 16, 17, 16, 13, 9, 6)
_MEAN_HOUR: Final = sum(_BUSY_HOURS) / len(_BUSY_HOURS)

# Shares of the orders that no buyer complains of, one after the other; the seller's unfulfilled ones come first.
_CANCELLED_BELOW: Final = 0.033
_ODD_BELOW: Final = 0.036
_PART_BY_PART_BELOW: Final = 0.056
_STOLEN_CARD_BELOW: Final = 0.057
_FEEDBACK_BELOW: Final = 0.28

_CLAIM_ON_CANCELLED_SHARE: Final = 0.06
_TWO_ITEMS_SHARE: Final = 0.15
_ORDERS_PER_VIOLATION: Final = 3000
"""Of the crowd; who sells more is caught more often."""


@dataclass(frozen=True)
class MarketSettings:
    """How large and how lively the market is. Raises ValueError, naming the setting and what it accepts.

    `orders_per_day` makes the history, about `EVENTS_PER_ORDER` records each (below 300 the named sellers shrink, and
    can't keep their promises); `rate` is the live phase's records per second, `liveliness` the share of its turns that
    are news of orders from before rather than new ones, `disorder` the share of all records that is minutes to days
    late, `duplicates` the share that arrives twice. `sellers` counts the named ones in.
    """

    seed: int = 7
    sellers: int = 50
    days: int = 100
    orders_per_day: float = 1000.0
    rate: float = 5.0
    liveliness: float = 0.3
    disorder: float = 0.02
    duplicates: float = 0.01

    def __post_init__(self) -> None:
        for name in ("sellers", "days"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be 1 or more, not {getattr(self, name)}")
        for name in ("orders_per_day", "rate"):
            if getattr(self, name) <= 0 or not isfinite(getattr(self, name)):
                raise ValueError(f"{name} must be above 0, not {getattr(self, name)}")
        for name in ("liveliness", "disorder", "duplicates"):
            if not 0 <= getattr(self, name) <= 0.5:
                raise ValueError(f"{name} must be 0 to 0.5, not {getattr(self, name)}")


class Market:
    """A marketplace from `settings.days` before `until`, for as long as one likes.

    Up to `until` orders come by `orders_per_day`, more in the evening than at night; from then on so that all records
    together make `rate`, what the history left pending among them. `until` must be aware.
    """

    def __init__(self, settings: MarketSettings, until: datetime) -> None:
        if until.tzinfo is None:
            raise ValueError("until must have a time zone")
        self.until: Final = until.astimezone(UTC)
        self._settings = settings
        rng = Random(settings.seed)  # noqa: S311 - a load, no secret
        self._random = rng.random
        self._choice = rng.choice
        self._expovariate = rng.expovariate
        self._fronts = storefronts(settings.sellers, settings.orders_per_day, rng)
        self._sizes = list(accumulate(front.orders_per_day for front in self._fronts))
        # Ids differ with the end of history too, so that two runs into one topic don't speak of the same orders.
        self._names = Random(f"{settings.seed} {self.until.isoformat()}").getrandbits(64)  # noqa: S311 - the same
        self._timeline = Timeline(rng, self._names, settings.disorder, settings.duplicates)
        self._news = News(rng, self._timeline, self._fronts, settings.orders_per_day / self._sizes[-1])
        self._fulfilment = Fulfilment(rng, self._timeline, self._news)
        self._orders_placed = 0
        self._sent_live = 0
        self._timeline.put(self.until - settings.days * _DAY, self._turn, None)
        self._expect_offences()

    @property
    def pending(self) -> int:
        """How many things are known to happen later."""
        return len(self._timeline)

    @property
    def next_due(self) -> datetime:
        """The moment (UTC) before which nothing arrives."""
        return self._timeline.next_due

    def history(self) -> Iterator[Record]:
        """Yield what arrives before `until` and hasn't been yielded yet, in order of arrival."""
        return self._timeline.before(self.until)

    def advance(self, to: datetime) -> Iterator[Record]:
        """Yield what arrives before `to` and hasn't been yielded yet, in order of arrival; it may be left halfway."""
        yield from self._timeline.before(min(to, self.until))
        for record in self._timeline.before(to):
            self._sent_live += 1
            yield record

    # --- Whose turn it is ---------------------------------------------------------------------------------------------

    def _turn(self, due: datetime, _: None) -> Record | None:
        self._timeline.put(self._next_turn(due), self._turn, None)
        if due >= self.until and self._random() < self._settings.liveliness:
            return self._news.next(due) or self._order(due)
        return self._order(due)

    def _next_turn(self, due: datetime) -> datetime:
        wait = self._expovariate(1.0)
        if due < self.until:
            per_day = self._settings.orders_per_day * _BUSY_HOURS[due.hour] / _MEAN_HOUR
            in_turn = due + timedelta(seconds=wait * _DAY_SECONDS / per_day)
            if in_turn < self.until:
                return in_turn
        # Whatever else arrives counts towards the rate: turns fill it up.
        in_turn = self.until + timedelta(seconds=(self._sent_live + wait) / self._settings.rate)
        return max(due, in_turn)

    # --- Orders -------------------------------------------------------------------------------------------------------

    def _order(self, due: datetime) -> Record | None:
        front = self._fronts[bisect(self._sizes, self._random() * self._sizes[-1])]
        days_before_end = (self.until - due) / _DAY
        service = front.conduct.on(days_before_end)
        goes_wrong = front.health.goes_wrong(days_before_end, self._random())
        order = self._bad_order(due, front, service) if goes_wrong else self._good_order(due, front, service)
        return self._timeline.tell(due, order)

    def _good_order(self, due: datetime, front: Storefront, service: Service) -> Thing:
        leaves_late = self._random() < service.late
        order = self._placed(due, front, LATE if leaves_late else SHIPPED[front.channel])
        chance = self._random()
        if chance < service.unfulfilled:
            order.rest = self._choice(UNFULFILLED)
            self._news.remember_lapse(order)
        elif chance < _PART_BY_PART_BELOW:
            order.rest = self._choice(_shipped_otherwise(chance, front))
        elif chance < _STOLEN_CARD_BELOW:
            self._timeline.tell_later(due, new_voice(CHARGEBACKS, order, STOLEN_CARD, "other"))
        elif chance < _FEEDBACK_BELOW:
            self._praise(due, order)
        else:
            self._news.remember_order(order)
        is_amiss = self._fulfilment.ship(order, service, leaves_late=leaves_late)
        self._fulfilment.hear(due, order, service, is_unhappy=is_amiss)
        if front.group == CROWD_GROUP and self._random() * _ORDERS_PER_VIOLATION < 1:
            story = self._choice(VIOLATIONS_COME)
            violation = new_violation(
                f"{self._names:x}-{self._orders_placed}", front, due, self._choice(OFFENCES), story
            )
            self._timeline.put(due, self._detect, violation)
        return order

    def _expect_offences(self) -> None:
        """Put the violations of the named sellers on the timeline, at the first place where each sells."""
        of_group = {front.group: front for front in reversed(self._fronts) if front.group != CROWD_GROUP}
        for group, front in sorted(of_group.items()):
            for number, offence in enumerate(NAMED[group].profile.offences):
                detected_at = self.until - timedelta(days=offence.days_before_end)
                name = f"{self._names:x}-{front.seller_id}-{number}"
                violation = new_violation(name, front, detected_at, (offence.category, offence.severity), offence.story)
                if offence.days_before_end <= self._settings.days:
                    self._timeline.put(detected_at, self._detect, violation)

    def _detect(self, due: datetime, violation: Thing) -> Record | None:
        self._news.remember_lapse(violation)
        return self._timeline.tell(due, violation)

    def _praise(self, due: datetime, order: Thing) -> None:
        feedback = new_voice(FEEDBACK, order, self._choice(CONTENT), None)
        feedback.fields["comment"] = self._choice(PRAISE)
        self._timeline.tell_later(due, feedback)

    def _bad_order(self, due: datetime, front: Storefront, service: Service) -> Thing:
        profile = front.health.profile
        order = self._placed(due, front, SHIPPED[front.channel], profile.bad_sku)
        if profile is CROWD and front.channel == "MFN" and self._random() < _CLAIM_ON_CANCELLED_SHARE:
            order.rest, story = CANCELLED_AFTER_CLAIM
            self._timeline.tell_later(due, new_voice(CLAIM_STATUSES, order, story, "not_received"))
        else:
            reason = self._complaints(due, order)
            self._fulfilment.ship(order, service, complaint=reason)
        self._fulfilment.hear(due, order, service, is_unhappy=True)
        return order

    def _complaints(self, due: datetime, order: Thing) -> str:
        """Put an order's defects on the timeline; return the reason of all of them."""
        profile = order.front.health.profile
        reason, taken_back = self._choice(profile.reasons), order.front.health.is_taken_back(self._random())
        for topic in self._choice(profile.kinds):
            reversals = profile.reversed_claims if topic == CLAIM_STATUSES else REVERSED[topic]
            defect = new_voice(topic, order, self._choice(reversals if taken_back else STANDING[topic]), reason)
            self._news.remember_defect(defect)
            self._timeline.tell_later(due, defect, profile.pace)
        return reason

    def _placed(self, due: datetime, front: Storefront, stories: Table, sku: str | None = None) -> Thing:
        self._orders_placed += 1
        number = (self._orders_placed * _SCATTER + self._names) % 10**17
        order_id = f"{number // 10**14:03}-{number // 10**7 % 10**7:07}-{number % 10**7:07}"
        items: list[Fields] = [{"sku": sku or _sku(number), "quantity": 1}]
        if self._random() < _TWO_ITEMS_SHARE:
            items.append({"sku": _sku(number // 100), "quantity": 2})
        return new_order(order_id, front, due - LONGEST_LATENCY, items, stories[number // 1000 % len(stories)])


def _sku(number: int) -> str:
    return f"SKU-{number % 97:02}"


def _shipped_otherwise(chance: float, front: Storefront) -> Table:
    if chance < _CANCELLED_BELOW:
        return CANCELLED[front.channel]
    return ODD if chance < _ODD_BELOW else PART_BY_PART


def history(settings: MarketSettings, until: datetime) -> Iterator[Record]:
    """Yield everything that arrives in the `settings.days` before `until`, in order of arrival."""
    return Market(settings, until).history()
