"""The worker's pages: metrics, health checks and the API (contract: HTTP).

A worker answers for sellers of other workers by asking them: a seller's owner says what is true, and where an owner is
down the answer is 503, never a wrong or partial one.
"""

import asyncio
import base64
import binascii
import hmac
import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final, NamedTuple

import aiohttp
import orjson
from aiohttp import web
from mode import Service
from yarl import URL

from stream import health
from stream.accounts import Account
from stream.days import iso_day, parse_day
from stream.gauges import CONTENT_TYPE
from stream.metrics import OFFICIAL
from stream.settings import Settings
from stream.worker.address import reachable
from stream.worker.auditor import NotSettledError, snapshot
from stream.worker.exposition import Exposition
from stream.worker.ground import SERVICE_LOG, Ground
from stream.worker.intake import STUCK_SECONDS, Intake
from stream.worker.logs import told_in_one_line
from stream.worker.site import SELLER, in_utf_8, protect, site_routes

_LOG: Final = logging.getLogger(__name__)
_PEER: Final = "X-Odr-Peer"
"""Marks a question from another worker: it is answered from what is here, not handed on."""

_PARTITIONS: Final = "X-Odr-Partitions"
"""The partitions that an answer to another worker speaks for: who owns what may have changed since it was asked."""

_OPEN: Final = frozenset({"/healthz", "/readyz"})
_PEER_TIMEOUT: Final = aiohttp.ClientTimeout(total=5)
_RETRY_AFTER: Final = {"Retry-After": "2"}
_LIMIT: Final = 1000
_MOST_CHARACTERS: Final = 19

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def _json(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(body=orjson.dumps(body), status=status, headers=headers, content_type="application/json")


def _unavailable(why: str) -> web.Response:
    return _json({"error": why}, 503, _RETRY_AFTER)


class _Answer(NamedTuple):
    """What another worker says, and the partitions that it speaks for; status 503 where it says nothing."""

    status: int
    body: bytes = b""
    partitions: tuple[int, ...] = ()


class _BadParameterError(Exception):
    """A query parameter can't be used; the message says what it accepts."""


class Pages(Service):  # type: ignore[misc]
    """The HTTP server of one worker. It listens before the worker joins its group: its address is told there."""

    logger = SERVICE_LOG

    def __init__(self, ground: Ground) -> None:
        super().__init__()
        self._ground = ground
        self._settings: Settings = ground.settings
        self._exposition = Exposition(ground)
        self.intake: Intake | None = None
        self.port = ground.settings.http_port
        self._runner: web.AppRunner | None = None
        self._peers: aiohttp.ClientSession | None = None

    @property
    def advertised(self) -> str:
        """The address, host:port, under which other workers reach this one."""
        return self._settings.http_advertised or reachable(self._settings.http_host, self.port)

    async def listen(self) -> None:
        """Begin to listen; raises OSError where the address is taken."""
        app = web.Application(middlewares=[self._errors, self._token, in_utf_8])
        app.add_routes(
            [
                web.get("/metrics", self._metrics),
                web.get("/healthz", self._healthz),
                web.get("/readyz", self._readyz),
                web.get("/api/sellers", self._sellers),
                web.get("/api/audit", self._audit),
                *self._seller_routes("health", self._health),
                *self._seller_routes("defects", self._defects),
                *self._seller_routes("forecast", self._forecast),
                *site_routes(),
            ]
        )
        app.on_response_prepare.append(protect)
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=2)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._settings.http_host, self._settings.http_port)
        await site.start()
        self.port = self._runner.addresses[0][1]
        self._peers = aiohttp.ClientSession(timeout=_PEER_TIMEOUT)

    async def on_stop(self) -> None:
        """Stop listening."""
        if self._peers is not None:
            await self._peers.close()
        if self._runner is not None:
            await self._runner.cleanup()

    # Around every page.

    @web.middleware
    async def _errors(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except _BadParameterError as bad:
            return _json({"error": str(bad)}, 400)
        except web.HTTPMethodNotAllowed as refused:
            return _json(
                {"error": refused.reason}, refused.status, {"Allow": ", ".join(sorted(refused.allowed_methods))}
            )
        except web.HTTPException as refused:
            return _json({"error": refused.reason}, refused.status)
        except Exception as surprise:  # noqa: BLE001 - of one answer, whose reader must not see the trace
            _LOG.error("no answer to %s %s: %s", request.method, request.path, told_in_one_line(surprise))
            return _json({"error": "the worker failed to answer; its log says why"}, 500)

    @web.middleware
    async def _token(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        token = self._settings.http_token
        if token is None or request.path in _OPEN or _presents(request, token.get_secret_value()):
            return await handler(request)
        headers = {"WWW-Authenticate": 'Basic realm="odr", charset="UTF-8"'}
        return _json({"error": "this page asks for STREAM_HTTP_TOKEN"}, 401, headers)

    # Metrics and health checks.

    async def _metrics(self, _: web.Request) -> web.Response:
        scrape = await self._exposition.take_in_slices(self._intake)
        page = await asyncio.get_running_loop().run_in_executor(None, self._exposition.render, scrape)
        return web.Response(body=page, headers={"Content-Type": CONTENT_TYPE})

    async def _healthz(self, _: web.Request) -> web.Response:
        stuck = [] if self.intake is None else self.intake.stuck
        if stuck:
            told = ", ".join(f"{partition.number} (at `{partition.step}`)" for partition in stuck)
            return _unavailable(f"partitions that have not moved for {STUCK_SECONDS:.0f} s: {told}")
        return _json({"status": "ok"})

    async def _readyz(self, _: web.Request) -> web.Response:
        if self._intake.ready:
            return _json({"status": "ready", "partitions": [partition.number for partition in self._intake.own]})
        return _unavailable("not in the group yet, or partitions are still being restored")

    async def _audit(self, _: web.Request) -> web.Response:
        if not self._intake.ready:
            return _unavailable("own partitions are not restored")
        try:
            body = await snapshot(self._ground, self._intake, self._exposition)
        except NotSettledError as problem:
            return _unavailable(str(problem))
        return web.Response(body=body, content_type="application/json")

    @property
    def _intake(self) -> Intake:
        if self.intake is None:
            raise web.HTTPServiceUnavailable(reason="the worker is starting")
        return self.intake

    # One seller.

    def _seller_routes(self, name: str, answer: Callable[[Account, int | None], dict[str, Any]]) -> list[web.RouteDef]:
        handler = self._seller(answer)
        return [web.get(f"/api/sellers/{SELLER}/{name}", handler), web.get(f"/api/seller/{name}", handler)]

    def _seller(self, answer: Callable[[Account, int | None], dict[str, Any]]) -> Handler:
        async def handler(request: web.Request) -> web.StreamResponse:
            seller_id = request.match_info.get("seller", request.query.get("id", ""))
            account = next(
                (found for partition in self._intake.live if (found := partition.accounts.sellers.get(seller_id))), None
            )
            if account is not None:
                return _json({"seller": seller_id, **answer(account, self._as_of(request, account))})
            self._as_of(request, None)
            if not self._intake.ready:
                return _unavailable("own partitions are not restored: the seller may be in one of them")
            if _PEER in request.headers:
                return _json({"error": "unknown seller"}, 404, self._speaks_for(self._own_numbers()))
            return await self._ask_owner(request)

        return handler

    def _own_numbers(self) -> list[int]:
        return [partition.number for partition in self._intake.live]

    @staticmethod
    def _speaks_for(numbers: Iterable[int]) -> dict[str, str]:
        return {_PARTITIONS: ",".join(map(str, numbers))}

    async def _ask_owner(self, request: web.Request) -> web.Response:
        own = self._own_numbers()
        answers = await self._ask_peers(request.raw_path)
        for answer in answers:
            if answer.status in {200, 400}:
                return web.Response(body=answer.body, status=answer.status, content_type="application/json")
        if self._everybody(own, [answer for answer in answers if answer.status == 404]):
            return _json({"error": "unknown seller"}, 404)
        return _unavailable("a worker that may own the seller does not answer")

    def _everybody(self, own: Iterable[int], answers: Iterable[_Answer]) -> bool:
        """Return whether each partition that there is has been spoken for, once."""
        spoken_for = [*own, *(number for answer in answers for number in answer.partitions)]
        return bool(self._intake.owners) and sorted(spoken_for) == sorted(self._intake.owners)

    async def _ask_peers(self, path: str) -> list[_Answer]:
        """Return every other worker's answer."""
        others = sorted(set(self._intake.owners.values()) - {self.advertised})
        return list(await asyncio.gather(*(self._ask(f"http://{address}{path}") for address in others)))

    async def _ask(self, url: str) -> _Answer:
        assert self._peers is not None  # noqa: S101 - opened with the server
        token = self._settings.http_token
        headers = {_PEER: "1"} | ({} if token is None else {"Authorization": f"Bearer {token.get_secret_value()}"})
        try:
            async with self._peers.get(URL(url, encoded=True), headers=headers) as answer:
                numbers = answer.headers.get(_PARTITIONS, "")
                spoken_for = tuple(int(number) for number in numbers.split(",") if number)
                return _Answer(answer.status, await answer.read(), spoken_for)
        except (aiohttp.ClientError, TimeoutError, ValueError) as problem:
            _LOG.warning("another worker does not answer at %s: %r", url, problem)
            return _Answer(503)

    def _as_of(self, request: web.Request, account: Account | None) -> int | None:
        """Return the evaluation day asked for: today or earlier, its official window wholly kept."""
        text = request.query.get("as_of")
        if text is None:
            return None
        try:
            day = parse_day(text)
        except ValueError:
            raise _BadParameterError("as_of accepts a day, YYYY-MM-DD") from None
        evaluation, rules = self._ground.evaluation, self._ground.rules
        todays = {evaluation.of(marketplace_id) for marketplace_id in account.marketplaces} if account else set()
        today = max(todays, default=day)
        if day > today:
            raise _BadParameterError(f"as_of must be today, {iso_day(today)}, or earlier")
        if OFFICIAL.first(day) < rules.first_kept_day(today):
            raise _BadParameterError(f"as_of is too early: only {rules.retention_days} days are kept")
        return day

    def _health(self, account: Account, as_of: int | None) -> dict[str, Any]:
        figures = health.figures(account, as_of, self._ground.evaluation, self._ground.rules)
        return {"as_of": self._told_day(account, as_of), "figures": figures}

    def _told_day(self, account: Account, as_of: int | None) -> str:
        days = [self._ground.evaluation.of(marketplace_id) for marketplace_id in account.marketplaces]
        return iso_day(as_of or max(days, default=self._ground.evaluation.of("")))

    def _defects(self, account: Account, as_of: int | None) -> dict[str, Any]:
        return {"defects": health.defects(account, as_of, self._ground.evaluation, self._ground.rules)}

    def _forecast(self, account: Account, _: int | None) -> dict[str, Any]:
        return {"forecast": health.forecast(account, self._ground.evaluation)}

    # All sellers.

    async def _sellers(self, request: web.Request) -> web.Response:
        limit = _whole(request, "limit", 100, 1, _LIMIT if _PEER not in request.headers else None)
        offset = _whole(request, "offset", 0, 0, None)
        part = request.query.get("q", "")
        if not self._intake.ready:
            return _unavailable("own partitions are not restored")
        own = self._own_numbers()
        total, found = self._own_sellers(part, offset + limit)
        if _PEER not in request.headers:
            path = f"/api/sellers?{URL.build(query={'limit': offset + limit, 'q': part}).raw_query_string}"
            answers = [answer for answer in await self._ask_peers(path) if answer.status == 200]
            if not self._everybody(own, answers):
                return _unavailable("another worker does not answer")
            for body in (orjson.loads(answer.body) for answer in answers):
                total += body["total"]
                found += body["sellers"]
        sellers = sorted(found, key=health.worst_first)[offset : offset + limit]
        return _json({"total": total, "sellers": sellers}, headers=self._speaks_for(own))

    def _own_sellers(self, part: str, most: int) -> tuple[int, list[dict[str, Any]]]:
        summaries = [
            summary
            for partition in self._intake.live
            for seller_id, account in partition.accounts.sellers.items()
            if part in seller_id
            for summary in health.summaries(seller_id, account, self._ground.evaluation, self._ground.rules)
        ]
        return len(summaries), sorted(summaries, key=health.worst_first)[:most]


def _presents(request: web.Request, token: str) -> bool:
    """Return whether the request carries the token, as bearer or as password of HTTP Basic."""
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            given = base64.b64decode(given, validate=True).decode().partition(":")[2]
        except (binascii.Error, UnicodeDecodeError):
            return False
    elif scheme.lower() != "bearer":
        return False
    return hmac.compare_digest(given.strip().encode(errors="surrogateescape"), token.encode())


def _whole(request: web.Request, name: str, default: int, least: int, most: int | None) -> int:
    text = request.query.get(name)
    if text is None:
        return default
    accepts = f"{name} accepts a whole number from {least}" + ("" if most is None else f" to {most}")
    if not (text.isascii() and text.isdigit() and len(text) <= _MOST_CHARACTERS):
        raise _BadParameterError(accepts)
    if int(text) < least or (most is not None and int(text) > most):
        raise _BadParameterError(accepts)
    return int(text)
