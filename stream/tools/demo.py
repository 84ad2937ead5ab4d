"""`odr demo`: a real Kafka, a simulated marketplace, a worker and its page, Prometheus too, with one command.

Everything is under the topic prefix `demo.`, so that no real topic ever gets a made-up order, and starts afresh each
time. A broker named in STREAM_BROKERS is used instead of one of its own.
"""

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
from contextlib import AbstractContextManager, ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import FrameType
from typing import Final

import aiohttp
import stamina
from rich.console import Console
from rich.panel import Panel

from stream.errors import UserError
from stream.settings import Settings, variable
from stream.tools import child, prometheus
from stream.tools.kafka import Broker
from stream.tools.market import fill, live, relive
from stream.tools.produce import Producer
from stream.tools.simulate import Market, MarketSettings
from stream.tools.topics import create, delete

PREFIX: Final = "demo."
GROUP: Final = "demo"
MARKET: Final = MarketSettings(sellers=40, days=90, orders_per_day=600.0, rate=10.0)
_DIRECTORY: Final = Path(".odr/demo")
_LOOK_SECONDS: Final = 0.5
_STOP_SECONDS: Final = 30.0
_READY_SECONDS: Final = 120.0
_RELIVE: Final = "  its history in 90 seconds  odr demo --speed 1d/s\n"
_WITHOUT_PROMETHEUS: Final = """
Alerts need a `prometheus` on the PATH, and the demo again:

  apt-get install prometheus   (or however your system installs it)"""


class DemoError(UserError):
    """The demo can't go on; the message is one line for the user."""


def run(settings: Settings, *, own_broker: bool, speed: timedelta | None, console: Console) -> int:
    """Run the demo until Ctrl-C or SIGTERM; return its exit status. Everything that it started is stopped.

    `speed` is how much of its history passes in a second; None: all of it is there from the start.
    """
    _require_free_port(settings)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have started us with it ignored
    signal.signal(signal.SIGTERM, _as_interrupt)
    try:
        with ExitStack() as started:
            shutil.rmtree(_DIRECTORY, ignore_errors=True)
            if own_broker:
                broker = started.enter_context(Broker(_DIRECTORY / "kafka", on_progress=console.print))
                settings = settings.model_copy(update={"brokers": broker.bootstrap})
            if speed is not None:
                settings = settings.model_copy(update={"today": "events"})
            asyncio.run(_play(settings, started, speed, console))
    except KeyboardInterrupt:
        console.print("stopped")
    return 0


async def _play(settings: Settings, started: ExitStack, speed: timedelta | None, console: Console) -> None:
    await delete(settings)
    await create(settings)
    market = Market(MARKET, datetime.now(UTC))
    async with Producer(settings) as producer:
        if speed is None:
            await fill(producer, market, MARKET.days, console)
        worker = started.enter_context(_worker(settings))
        await _until_ready(f"{_address(settings)}/readyz", "the worker", worker)
        alerts = await _alerts(settings, started)
        console.print(_block(settings, speed, alerts))
        playing = asyncio.ensure_future(_go_on(producer, market, speed, console))
        while worker.poll() is None and not playing.done():  # noqa: ASYNC110 - a process sets no event
            await asyncio.sleep(_LOOK_SECONDS)
        if playing.done():
            playing.result()
        raise DemoError(f"the worker has ended with status {worker.poll()}; its last words are above")


async def _go_on(producer: Producer, market: Market, speed: timedelta | None, console: Console) -> None:
    if speed is not None:
        await relive(producer, market, MARKET.days, speed, console)
        console.print(f"the {MARKET.days} days have passed; live events follow")
    await live(producer, market)


def _worker(settings: Settings) -> AbstractContextManager[subprocess.Popen[bytes]]:
    """Run a worker that Ctrl-C in the terminal does not reach, so that it stops after its last event."""
    given = settings.model_dump(include={"brokers", "topic_prefix", "group", "http_host", "http_port", "today"})
    environment = os.environ | {variable(name): str(value) for name, value in given.items()}
    environment[variable("data_dir")] = str(_DIRECTORY / "worker")
    command = [sys.executable, "-m", "stream", "worker", "--quiet"]
    return child.running(command, environment=environment, stop_seconds=_STOP_SECONDS)


async def _alerts(settings: Settings, started: ExitStack) -> str:
    """Start Prometheus if there is one; return what is to be said of alerts."""
    if not prometheus.installed():
        return _WITHOUT_PROMETHEUS
    server = started.enter_context(prometheus.running(_DIRECTORY / "prometheus", settings))
    try:
        await _until_ready(f"{server.address}/-/ready", "Prometheus", server.process)
    except DemoError as problem:
        return f"\nThere are no alerts: {problem}; its log is {server.log}."
    return f"  alerts, in Prometheus      {server.address}/alerts"


class _NotReadyError(Exception):
    """A process has not answered as ready yet."""


async def _until_ready(url: str, what: str, process: subprocess.Popen[bytes]) -> None:
    """Wait until a page answers; raises DemoError where the process behind it ends."""
    async with aiohttp.ClientSession() as session:
        async for attempt in stamina.retry_context(
            on=(_NotReadyError, aiohttp.ClientError), attempts=None, timeout=_READY_SECONDS, wait_max=0.5
        ):
            with attempt:
                if process.poll() is not None:
                    raise DemoError(f"{what} has ended with status {process.returncode}")
                async with session.get(url) as answer:
                    if answer.status != 200:
                        raise _NotReadyError


def _address(settings: Settings) -> str:
    return f"http://{settings.http_host}:{settings.http_port}"


def _block(settings: Settings, speed: timedelta | None, alerts: str) -> Panel:
    address = _address(settings)
    return Panel.fit(
        f"A simulated marketplace of {MARKET.sellers} sellers, {_history(speed)} "
        f"{MARKET.rate:.0f} events a second.\n\n"
        f"  the sellers, worst first   {address}/\n"
        f"  one of them, with orders   {address}/sellers/BURST-HIT\n"
        f"  for Prometheus             {address}/metrics\n"
        f"  Kafka                      {settings.brokers}, topics {PREFIX}*\n"
        f"{_RELIVE if speed is None else ''}"
        f"{alerts}\n\n"
        "Ctrl-C stops everything.",
        title="odr demo",
    )


def _history(speed: timedelta | None) -> str:
    if speed is None:
        return f"{MARKET.days} days of history,"
    return f"{MARKET.days} days that pass in {timedelta(days=MARKET.days) / speed:,.0f} s, then"


def _require_free_port(settings: Settings) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.http_host, settings.http_port))
        except OSError as problem:
            address = f"{settings.http_host}:{settings.http_port}"
            raise DemoError(f"{address} can't be used ({problem.strerror}); choose another with --http-port") from None


def _as_interrupt(_signal: int, _frame: FrameType | None) -> None:
    signal.raise_signal(signal.SIGINT)
