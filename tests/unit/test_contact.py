"""A worker shows its sellers only as long as the group surely counts on it."""

import asyncio
import time
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiokafka import AIOKafkaConsumer

from stream.worker import contact
from stream.worker.contact import Contact


class Coordinator:
    """Answers heartbeats as it is told to, after some time."""

    def __init__(self) -> None:
        self.member_id = "m-1"
        self.answers = True
        self.on_heartbeat: Any = lambda: None
        self.left = 0

    async def _do_heartbeat(self) -> bool:
        self.on_heartbeat()
        return self.answers

    async def _maybe_leave_group(self) -> None:
        self.left += 1


class Clock:
    """The monotonic clock, moved by hand."""

    def __init__(self) -> None:
        self.seconds = 1_000.0

    def monotonic(self) -> float:
        return self.seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    moved_by_hand = Clock()
    monkeypatch.setattr(contact, "time", moved_by_hand)
    return moved_by_hand


def watched() -> tuple[Contact, Coordinator]:
    coordinator = Coordinator()
    seen = Contact()
    seen.watch(cast("AIOKafkaConsumer", SimpleNamespace(_coordinator=coordinator)))
    return seen, coordinator


def beat(coordinator: Coordinator) -> bool:
    return asyncio.run(coordinator._do_heartbeat())


@pytest.mark.usefixtures("clock")
def test_before_the_first_heartbeat_is_answered_nothing_may_be_shown() -> None:
    seen, coordinator = watched()
    assert not seen.in_touch
    assert beat(coordinator)
    assert seen.in_touch
    assert seen.fresh


def test_the_time_that_counts_is_that_of_the_sending(clock: Clock) -> None:
    # The group's session begins anew when a heartbeat reaches it, which is before its answer is here. Counted from the
    # answer, a slow one let two workers show the same sellers for as long as it took.
    seen, coordinator = watched()
    coordinator.on_heartbeat = lambda: setattr(clock, "seconds", clock.seconds + 4)
    beat(coordinator)
    clock.seconds += 5.9
    assert seen.in_touch
    clock.seconds += 0.2
    assert not seen.in_touch
    assert seen.lost_seconds == pytest.approx(10.1)


def test_a_worker_that_the_group_no_longer_knows_shows_nothing_at_once(clock: Clock) -> None:
    seen, coordinator = watched()
    beat(coordinator)
    before = clock.seconds
    coordinator.answers = False
    clock.seconds += 1
    beat(coordinator)
    assert seen.in_touch  # no answer once is no news
    coordinator.member_id = ""
    beat(coordinator)
    assert not seen.in_touch
    assert not seen.since(before - 1)
    coordinator.member_id, coordinator.answers = "m-2", True
    beat(coordinator)
    assert seen.since(before)


@pytest.mark.usefixtures("clock")
def test_a_worker_that_leaves_because_it_was_idle_shows_nothing_from_then_on() -> None:
    seen, coordinator = watched()
    beat(coordinator)
    asyncio.run(coordinator._maybe_leave_group())
    assert coordinator.left == 1
    assert not seen.in_touch


def test_the_pinned_kafka_client_has_what_is_watched() -> None:
    async def watch() -> float:
        consumer = AIOKafkaConsumer(group_id="g", bootstrap_servers="127.0.0.1:1")
        consumer._coordinator = Coordinator()  # made when it starts; its methods are those of the class below
        seen = Contact()
        seen.watch(consumer)
        return seen.lost_seconds

    from aiokafka.consumer.group_coordinator import GroupCoordinator  # noqa: PLC0415

    assert asyncio.run(watch()) < time.monotonic()
    assert asyncio.iscoroutinefunction(GroupCoordinator._do_heartbeat)
    assert asyncio.iscoroutinefunction(GroupCoordinator._maybe_leave_group)
