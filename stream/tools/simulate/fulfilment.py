"""What happens between seller and buyer once an order is placed: packages on their way, messages and their answers."""

from datetime import datetime, timedelta
from random import Random
from typing import Final

from stream.tools.simulate.news import News
from stream.tools.simulate.sellers import Service
from stream.tools.simulate.stories import (
    AFTER_LATE,
    AFTER_THE_WEEKEND,
    ANSWERED,
    ARRIVES,
    COMPLAINED_OF,
    SLOW,
    UNANSWERED,
    UNTRACKED,
    Table,
)
from stream.tools.simulate.things import Thing, new_package, new_voice
from stream.tools.simulate.timeline import Timeline
from stream.topics import MESSAGES

_WRITING_SHARE: Final = {"MFN": 0.08, "AFN": 0.03}
_UNHAPPY_WRITING_SHARE: Final = 0.35
_BEFORE_BUYING_SHARE: Final = 0.1
_SOONEST_DAYS, _LATEST_DAYS = 0.02, 14.0
_SATURDAY: Final = 5


class Fulfilment:
    """Packs orders and answers buyers, as well as their seller's service is."""

    def __init__(self, rng: Random, timeline: Timeline, news: News) -> None:
        self._random = rng.random
        self._choice = rng.choice
        self._timeline = timeline
        self._news = news

    def ship(self, order: Thing, service: Service, *, leaves_late: bool = False, complaint: str | None = None) -> bool:
        """Pack what the order's story will send; return whether something is amiss with it.

        `complaint` is why its buyer complains, if it does.
        """
        packages = sum(chapter.packages for chapter in order.rest)
        if not packages:
            return False
        on_its_way = ARRIVES[order.front.channel]
        journeys = COMPLAINED_OF.get(complaint or "") or (
            AFTER_LATE if leaves_late else self._journeys(on_its_way, service)
        )
        order.packages = tuple(new_package(order, number, self._choice(journeys)) for number in range(1, packages + 1))
        if journeys is on_its_way:
            return False
        self._news.remember_lapse(order.packages[0])
        return True

    def _journeys(self, on_its_way: Table, service: Service) -> Table:
        chance = self._random()
        if chance < service.slow:
            return SLOW
        return UNTRACKED if chance < service.slow + service.untracked else on_its_way

    def hear(self, due: datetime, order: Thing, service: Service, *, is_unhappy: bool) -> None:
        """Perhaps let the buyer write, and the seller answer."""
        if self._random() >= (_UNHAPPY_WRITING_SHARE if is_unhappy else _WRITING_SHARE[order.front.channel]):
            return
        received_at = due + timedelta(days=_SOONEST_DAYS + _LATEST_DAYS * self._random() ** 2)
        answers = self._answers(received_at, service)
        message = new_voice(MESSAGES, order, self._choice(answers), None)
        if self._random() < _BEFORE_BUYING_SHARE:
            del message.fields["order_id"]
        if answers is not ANSWERED:
            self._news.remember_lapse(message)
        self._timeline.put(received_at, self._timeline.tell, message)

    def _answers(self, received_at: datetime, service: Service) -> Table:
        if service.weekends_off and received_at.weekday() >= _SATURDAY:
            return AFTER_THE_WEEKEND
        return UNANSWERED if self._random() < service.unanswered else ANSWERED
