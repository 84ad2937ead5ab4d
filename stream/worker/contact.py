"""Whether the group still counts on this worker: when its coordinator last answered.

aiokafka keeps heartbeats to itself, so its coordinator's own methods are wrapped; tested with the pinned version.
"""

import time
from typing import Any, Final

from aiokafka import AIOKafkaConsumer

SESSION_TIMEOUT_SECONDS: Final = 10.0
READY_SECONDS: Final = 5.0


class Contact:
    """The time, by the monotonic clock, at which the last heartbeat that the group has answered was sent.

    Of the sending, not of the answer: the group's own session timeout begins in between, and a worker must hide its
    sellers before another one may show them.
    """

    def __init__(self) -> None:
        self._answered_at = self._begun_at = time.monotonic()
        self._member = False

    @property
    def in_touch(self) -> bool:
        """Whether the group has heard of this worker within its session timeout: if not, others may own its sellers."""
        return self._member and self._silent_seconds < SESSION_TIMEOUT_SECONDS

    @property
    def fresh(self) -> bool:
        """Whether the group has answered a moment ago."""
        return self._member and self._silent_seconds < READY_SECONDS

    @property
    def lost_seconds(self) -> float:
        """For how long the group has not answered, in or out of it."""
        return time.monotonic() - max(self._answered_at, self._begun_at)

    @property
    def _silent_seconds(self) -> float:
        return time.monotonic() - self._answered_at

    def since(self, moment: float) -> bool:
        """Return whether the group has answered a heartbeat that was sent after `moment`."""
        return self._member and self._answered_at > moment

    def watch(self, consumer: AIOKafkaConsumer) -> None:
        """Take notice of the heartbeats that this consumer sends, and of its leaving the group."""
        coordinator: Any = consumer._coordinator  # noqa: SLF001 - there is no public way
        heartbeat, leave = coordinator._do_heartbeat, coordinator._maybe_leave_group  # noqa: SLF001

        async def noted() -> bool:
            sent_at = time.monotonic()
            answered: bool = await heartbeat()
            if answered:
                self._answered_at, self._member = sent_at, True
            elif not coordinator.member_id:  # the group has told us that we are none of its members
                self._member = False
            return answered

        async def left() -> None:
            self._member = False
            await leave()

        coordinator._do_heartbeat, coordinator._maybe_leave_group = noted, left  # noqa: SLF001
