"""Starting and ending a worker: everything is checked before anything is joined, and the end is told in one line."""

import asyncio
import ctypes
import gc
import logging
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from ipaddress import ip_address
from typing import Final

import mode

from stream.decode import CONVERTERS
from stream.errors import UserError
from stream.evaluation import EvaluationDays
from stream.lines import one_line
from stream.settings import Settings, SettingsError
from stream.tools.topics import check
from stream.worker.app import Agents, new_app
from stream.worker.auditor import Auditor
from stream.worker.ground import SERVICE_LOG, Ground, Reached, go_on
from stream.worker.intake import Intake
from stream.worker.logs import log_to_stderr
from stream.worker.pages import Pages
from stream.worker.store import DataDirectory
from stream.worker.telemetry import Telemetry
from stream.worker.topics import TopicsCheck

_LOG: Final = logging.getLogger(__name__)
GC_THRESHOLDS: Final = (100_000, 50, 100)
"""The fold makes few cycles and many objects: Python's own thresholds cost a third of its speed."""

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8  # malloc.h
_MALLOC: Final = {_M_TRIM_THRESHOLD: 128 * 1024, _M_MMAP_THRESHOLD: 128 * 1024, _M_ARENA_MAX: 1}


class _Worker(mode.Worker):  # type: ignore[misc]
    """Mode's worker, which is Faust's: signals, and a clean stop of the services in reverse order."""

    logger = SERVICE_LOG

    def carp(self, msg: str) -> None:
        """Keep quiet on Ctrl-C."""


def run(settings: Settings, log_level: str = "usual", reached: Reached = go_on) -> int:
    """Run a worker until it is told to stop; return its exit status. Errors in the setting up are raised.

    `log_level` is `quiet` (warnings only), `usual`, or `verbose` (what the Kafka client and Faust do, too). `reached`
    is told of every step of the protocol.
    """
    log_to_stderr(log_level)
    gc.set_threshold(*GC_THRESHOLDS)
    _give_memory_back()
    rules = settings.rules
    directory = DataDirectory(settings.data_dir).lock()
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    facts = loop.run_until_complete(check(settings))
    evaluation = EvaluationDays(rules, _started_at(settings), settings.held_day)
    telemetry = Telemetry(list(CONVERTERS))
    ground = Ground(settings, rules, evaluation, telemetry, facts.cluster_id, facts.tombstones_live_seconds, reached)
    pages = loop.run_until_complete(_listening(ground))
    app = new_app(settings.data_dir)
    intake = pages.intake = Intake(ground, directory, Agents(app).dispatch, lambda: pages.advertised)
    services = app, pages, intake, Auditor(ground, intake), TopicsCheck(settings)
    worker = _Worker(*services, loop=loop, override_logging=False, redirect_stdouts=False)
    return _until_stopped(worker)


def _give_memory_back() -> None:
    """Let glibc return what fetches and restores needed for a moment: a fifth of a full worker's resident memory."""
    with suppress(OSError, AttributeError):  # another C library has other habits
        mallopt = ctypes.CDLL(None).mallopt
        for parameter, value in _MALLOC.items():
            mallopt(parameter, value)


def _started_at(settings: Settings) -> int:
    """Return the instant of the first evaluation day: where it follows the events, no event is too late for it."""
    return 0 if settings.today == "events" else time.time_ns() // 1_000


async def _listening(ground: Ground) -> Pages:
    settings = ground.settings
    pages = Pages(ground)
    try:
        await pages.listen()
    except OSError as problem:
        told = f"{settings.http_host}:{settings.http_port}"
        raise SettingsError(f"STREAM_HTTP_HOST, STREAM_HTTP_PORT: can't listen on {told}: {problem}") from None
    _LOG.info("worker of group %s listens on http://%s:%d", settings.group, settings.http_host, pages.port)
    for warning in warnings(settings):
        _LOG.warning("%s", warning)
    return pages


def warnings(settings: Settings) -> Iterator[str]:
    """Yield what is allowed but rarely meant: open doors, and locks that are not in use."""
    if settings.http_token is None and not _is_loopback(settings.http_host):
        yield "whoever reaches this port can read every seller's figures: set STREAM_HTTP_TOKEN"
    protocol = f"STREAM_SECURITY_PROTOCOL={settings.security_protocol}"
    if settings.tls_ca is not None and not settings.security_protocol.endswith("SSL"):
        yield f"STREAM_TLS_CA is set, but {protocol} encrypts nothing"
    if settings.sasl_password is not None and not settings.security_protocol.startswith("SASL"):
        yield f"STREAM_SASL_PASSWORD is set, but {protocol} logs nobody in"


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _until_stopped(worker: _Worker) -> int:
    try:
        worker.execute_from_commandline()
    except SystemExit as end:
        surprise = worker.crash_reason
        if surprise is None:
            return int(end.code or 0)
        if not isinstance(surprise, UserError):
            _LOG.error("the worker ends on a surprise", exc_info=surprise)
        sys.stderr.write(f"odr worker: {one_line(str(surprise) or type(surprise).__name__)}\n")
        return 1
    return 0
