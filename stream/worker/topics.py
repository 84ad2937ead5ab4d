"""Looking whether the topics are still as they must be: reading one that has been deleted finds nothing, for ever."""

from typing import Final

from mode import Service

from stream.connection import KafkaError
from stream.settings import Settings
from stream.tools.topics import TopicsError, check
from stream.worker.ground import SERVICE_LOG

CHECK_SECONDS: Final = 10.0


class TopicsCheck(Service):  # type: ignore[misc]
    """Ends a worker whose topics have been deleted, or changed so that figures would not survive."""

    logger = SERVICE_LOG

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self._settings = settings
        self._wrong_before = False

    @Service.timer(CHECK_SECONDS)  # type: ignore[untyped-decorator]
    async def _check(self) -> None:
        try:
            await check(self._settings)
        except TopicsError as wrong:
            if self._wrong_before:  # once is not enough: a broker that has just started may not know them all yet
                await self.crash(wrong)
            self._wrong_before = True
        except KafkaError:
            return  # no broker answers: the intake waits for it, as long as it can
        else:
            self._wrong_before = False
