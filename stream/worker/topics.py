"""Looking whether the topics are still as they must be: reading one that has been deleted finds nothing, for ever."""

from typing import Final

from mode import Service

from stream.connection import KafkaError
from stream.settings import Settings
from stream.tools.topics import TopicsError, check
from stream.worker.ground import SERVICE_LOG

CHECK_SECONDS: Final = 10.0
_AGAIN_SECONDS: Final = 5.0


class TopicsCheck(Service):  # type: ignore[misc]
    """Ends a worker whose topics have been deleted, or changed so that figures would not survive."""

    logger = SERVICE_LOG

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self._settings = settings

    @Service.timer(CHECK_SECONDS)  # type: ignore[untyped-decorator]
    async def _check(self) -> None:
        if await self._wrong() is not None:
            await self.sleep(_AGAIN_SECONDS)  # once is not enough: a broker that has just started may not know all yet
            wrong = await self._wrong()
            if wrong is not None:
                await self.crash(wrong)

    async def _wrong(self) -> TopicsError | None:
        try:
            await check(self._settings)
        except TopicsError as wrong:
            return wrong
        except KafkaError:
            return None  # no broker answers: the intake waits for it, as long as it can
        return None
