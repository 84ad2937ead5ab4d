"""How long an event loop stands still, seen from outside: a question each 20 ms, and how late the answer is."""

import asyncio
import http.client
import multiprocessing
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import NamedTuple

from aiohttp import web

EVERY_SECONDS = 0.02


class Stalls(NamedTuple):
    """Seconds that answers took, sorted."""

    seconds: list[float]

    def told(self) -> str:
        at = self.seconds
        return (
            f"p50 {at[len(at) // 2] * 1000:.0f}, p99 {at[len(at) * 99 // 100] * 1000:.0f}, worst {at[-1] * 1000:.0f} ms"
        )


@contextmanager
def asked(port: int) -> Iterator[Stalls]:
    """Ask /healthz all the time; what was seen is complete when the context has ended."""
    seen, over = Stalls([]), threading.Event()
    asking = threading.Thread(target=_ask, args=(port, seen.seconds, over))
    asking.start()
    try:
        yield seen
    finally:
        over.set()
        asking.join()
        seen.seconds.sort()


def _ask(port: int, seconds: list[float], over: threading.Event) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    while not over.wait(EVERY_SECONDS):
        began = time.perf_counter()
        connection.request("GET", "/healthz")
        connection.getresponse().read()
        seconds.append(time.perf_counter() - began)


@contextmanager
def idle_server() -> Iterator[int]:
    """A server in a process of its own that does nothing but answer; yields its port.

    Its answers are late where the machine is busy, whatever the worker does: the limit to compare with.
    """
    context = multiprocessing.get_context("spawn")
    ours, its = context.Pipe()
    process = context.Process(target=_serve, args=(its,), daemon=True)
    process.start()
    try:
        yield ours.recv()
    finally:
        process.kill()
        process.join()


def _serve(told: Connection) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.Response()

    async def run() -> None:
        app = web.Application()
        app.add_routes([web.get("/healthz", answer)])
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        told.send(runner.addresses[0][1])
        await asyncio.Event().wait()

    asyncio.run(run())
