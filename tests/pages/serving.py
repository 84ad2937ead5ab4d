"""A worker's pages without Kafka: real accounts behind an intake that owns and has restored everything."""

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPResponse
from types import TracebackType
from typing import Any, Self, cast

from stream.accounts import Accounts
from stream.decode import CONVERTERS
from stream.rules import Rules
from stream.settings import Settings
from stream.worker.ground import Ground
from stream.worker.intake import Intake
from stream.worker.pages import Pages
from stream.worker.telemetry import Telemetry
from tests.builders import apply, held
from tests.recount import InputEvent

WITHIN_SECONDS = 20.0


class OnePartition:
    """A partition of which only the accounts are asked for."""

    def __init__(self, accounts: Accounts) -> None:
        self.number = 0
        self.remaining = 0
        self.lock = asyncio.Lock()
        self.accounts = accounts


class RestoredIntake:
    """The one worker of its group, with everything restored."""

    def __init__(self, accounts: Accounts, address: str) -> None:
        self.own = self.live = [OnePartition(accounts)]
        self.ready = True
        self.stuck: list[Any] = []
        self.owners = {0: address}

    def lags(self) -> Iterator[tuple[str, int, int, float]]:
        """Yield nothing: there is nothing to read."""
        return iter(())


class LivePages:
    """Pages that listen on a thread of their own while a test looks at them; events are applied as a worker does."""

    def __init__(self, token: str | None = None) -> None:
        rules = Rules()
        evaluation = held(rules)
        settings = Settings.read(http_port=0, http_token=token)
        ground = Ground(settings, rules, evaluation, Telemetry(list(CONVERTERS)), "cluster", 60.0)
        self._accounts = Accounts(rules, evaluation)
        self._pages = Pages(ground)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="pages")
        self._listening = False

    def __enter__(self) -> Self:
        self._thread.start()
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, raised: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(WITHIN_SECONDS)
        self._loop.close()

    def start(self) -> None:
        """Begin to listen."""
        self._run(self._pages.listen())
        self.intake = RestoredIntake(self._accounts, self.advertised)
        self._pages.intake = cast("Intake", self.intake)
        self._listening = True

    def stop(self) -> None:
        """Stop listening: whoever asks finds nobody."""
        if self._listening:
            self._listening = False
            self._run(self._pages.on_stop())

    @property
    def advertised(self) -> str:
        """Return host:port, for other workers."""
        return self._pages.advertised

    def get(self, path: str, **headers: str) -> HTTPResponse:
        """Return what is answered to a path, body and all."""
        connection = HTTPConnection(self.advertised, timeout=WITHIN_SECONDS)
        connection.request("GET", path, headers=headers)
        return connection.getresponse()

    def address(self, path: str, user_and_password: str = "") -> str:
        """Return the URL of a path."""
        return f"http://{user_and_password}{self._pages.advertised}{path}"

    def apply(self, *told: InputEvent) -> None:
        """Fold events into the accounts, between two answers."""

        async def fold() -> None:
            apply(self._accounts, *told)

        self._run(fold())

    @contextmanager
    def also_owned_by(self, address: str) -> Iterator[None]:
        """Give a second partition to a worker at this address."""
        self.intake.owners[1] = address
        try:
            yield
        finally:
            del self.intake.owners[1]

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(WITHIN_SECONDS)
