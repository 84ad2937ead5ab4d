"""The worker's own audit: every seller recounted in turn in the background, and all of them told for `odr audit`."""

import asyncio
import logging
from collections.abc import Iterator
from contextlib import AsyncExitStack
from itertools import chain
from typing import Any, Final

import orjson
from mode import Service

from stream.agreement import agreement
from stream.audit import account_mismatches, by_day, by_window
from stream.days import iso_day
from stream.worker.exposition import Exposition, Scrape
from stream.worker.ground import SERVICE_LOG, Ground
from stream.worker.intake import Intake
from stream.worker.partition import Partition

_LOG: Final = logging.getLogger(__name__)
_SLICE_STATES: Final = 2_000
_SETTLE_SECONDS: Final = 10.0


class NotSettledError(Exception):
    """The figures can't be told now; the message says why."""


class Auditor(Service):  # type: ignore[misc]
    """Recounts a slice of the sellers every second, each seller at one moment: it is never half changed."""

    logger = SERVICE_LOG

    def __init__(self, ground: Ground, intake: Intake) -> None:
        super().__init__()
        self._ground = ground
        self._intake = intake
        self._left: Iterator[tuple[Partition, str]] = iter(())
        self._wrong = 0

    @Service.timer(1.0)  # type: ignore[untyped-decorator]
    async def _tick(self) -> None:
        await self.slice()

    async def slice(self) -> None:
        """Recount some sellers; when all have been, say how many were wrong, and begin anew."""
        states = 0
        for partition, seller_id in self._left:
            states += self._recount(partition, seller_id)
            if states >= _SLICE_STATES:
                return
        self._ground.telemetry.audit_mismatches.set(self._wrong)
        self._wrong = 0
        live = self._intake.live
        self._left = chain.from_iterable([(part, seller) for seller in part.accounts.sellers] for part in live)

    def _recount(self, partition: Partition, seller_id: str) -> int:
        """Recount one seller that is still here; return how many states it has."""
        account = partition.accounts.sellers.get(seller_id)
        if account is None or not partition.live:
            return 0
        found = list(account_mismatches(seller_id, account, self._ground.rules, self._ground.evaluation))
        self._ground.telemetry.audited.inc()
        if found:
            self._wrong += 1
            self._ground.telemetry.audit_mismatches.set(self._wrong)
            _LOG.error("audit: %d figures of a seller are not those of a recount, such as %s", len(found), found[0])
        return len(account.states)


async def snapshot(ground: Ground, intake: Intake, exposition: Exposition) -> bytes:
    """Return, as JSON, all live figures of one moment between two rounds, and where the changelogs are then.

    Raises NotSettledError where a round does not end, or where something has yet to be committed.
    """
    async with AsyncExitStack() as locks:
        live = intake.live
        try:
            async with asyncio.timeout(_SETTLE_SECONDS):
                for partition in live:
                    await locks.enter_async_context(partition.lock)
        except TimeoutError:
            raise NotSettledError("a round does not end") from None
        if live != intake.live or any(partition.accounts.changed for partition in live):
            raise NotSettledError("partitions are being given away or restored")
        told = {
            "partitions": {str(partition.number): partition.changelog_offset for partition in live},
            "export": ground.settings.export,
            "agreed": agreement(ground.rules),
            "groups": list(chain.from_iterable(_groups(partition) for partition in live)),
        }
        scrape = exposition.take(intake)
    return await asyncio.get_running_loop().run_in_executor(None, _rendered, told, scrape, exposition)


def _groups(partition: Partition) -> Iterator[dict[str, Any]]:
    for seller_id, account in partition.accounts.sellers.items():
        for place, counts in account.groups.items():
            yield {
                "seller": seller_id,
                "place": place,
                "evaluation_day": iso_day(counts.evaluation_day),
                "figures": by_day(place, counts.days) | by_window(place, counts.totals),
            }


def _rendered(told: dict[str, Any], scrape: Scrape, exposition: Exposition) -> bytes:
    return orjson.dumps({**told, "metrics": exposition.render(scrape).decode()})
