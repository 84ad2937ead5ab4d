"""The pages from outside, byte by byte: whatever is asked, the answer is the right one, and the log one line."""

import base64
import hmac
import json
import socket
from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream import health
from tests.builders import order
from tests.logs import worker_log
from tests.pages.serving import WITHIN_SECONDS, LivePages
from tests.strategies import foreign_text

TOKEN = "tok3n-ä\U0001f600:c6f0b2e1"
SEVERAL_WAYS = (
    "A/B",
    "%2F",
    "..",
    ".",
    "a+b",
    "a b",
    "\x00",
    "é",
    "e\u0301",
    "a%b",
    "x\ny",
    "\ufffd",
    "%ff",
    "?q=1#f",
    "%",
)


class Answer(NamedTuple):
    """What came back, as it was sent."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        assert self.headers["content-type"].startswith("application/json"), self
        return json.loads(self.body)


def sent(pages: LivePages, request: bytes) -> bytes:
    """Everything that comes back for these bytes until the worker closes the connection."""
    host, _, port = pages.address("").removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), WITHIN_SECONDS) as connection:
        connection.sendall(request)
        return b"".join(iter(lambda: connection.recv(65_536), b""))


def asked(pages: LivePages, path: str | bytes, method: str = "GET", **headers: str) -> Answer:
    target = path if isinstance(path, bytes) else path.encode()
    told = "".join(f"{name}: {value}\r\n" for name, value in headers.items()).encode()
    came = sent(
        pages, method.encode() + b" " + target + b" HTTP/1.1\r\nHost: w\r\nConnection: close\r\n" + told + b"\r\n"
    )
    head, _, body = came.partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    return Answer(int(status.split()[1]), {k.lower(): v for k, _, v in (line.partition(": ") for line in lines)}, body)


@pytest.fixture(scope="module")
def pages() -> Iterator[LivePages]:
    with LivePages() as listening:
        for seller in SEVERAL_WAYS:
            listening.apply(order(seller_id=seller))
        yield listening


# --- Sellers' ids -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "seller"),
    [
        ("/api/sellers/A%2FB/health", "A/B"),
        ("/api/sellers/A%2fB/health", "A/B"),
        ("/api/sellers/%252F/health", "%2F"),
        ("/api/sellers/../health", ".."),
        ("/api/sellers/%2e%2e/health", ".."),
        ("/api/sellers/./health", "."),
        ("/api/sellers/a+b/health", "a+b"),
        ("/api/sellers/a%20b/health", "a b"),
        ("/api/sellers/%00/health", "\x00"),
        ("/api/sellers/%C3%A9/health", "é"),
        ("/api/sellers/e%CC%81/health", "e\u0301"),
        ("/api/sellers/a%25b/health", "a%b"),
        ("/api/sellers/x%0Ay/health", "x\ny"),
        ("/api/sellers/%EF%BF%BD/health", "\ufffd"),
        ("/api/sellers/%25ff/health", "%ff"),
        ("/api/sellers/%3Fq=1%23f/health", "?q=1#f"),
        ("/api/seller/health?id=A/B", "A/B"),
        ("/api/seller/health?id=A%2FB", "A/B"),
        ("/api/seller/health?id=%252F", "%2F"),
        ("/api/seller/health?id=..", ".."),
        ("/api/seller/health?id=a%2Bb", "a+b"),
        ("/api/seller/health?id=a+b", "a b"),  # in a query, as forms write it
        ("/api/seller/health?id=a%20b", "a b"),
        ("/api/seller/health?id=%00", "\x00"),
        ("/api/seller/health?id=%EF%BF%BD", "\ufffd"),
        ("/api/seller/health?id=%25ff", "%ff"),
    ],
)
def test_a_seller_is_asked_for_by_its_percent_encoded_id(pages: LivePages, path: str, seller: str) -> None:
    answer = asked(pages, path)
    assert answer.status == 200
    assert answer.json["seller"] == seller


@pytest.mark.parametrize(
    "path",
    [
        "/api/sellers/%ff/health",
        "/api/sellers/%FF/defects",
        "/api/sellers/a%80/forecast",
        "/api/sellers/%C0%AF/health",
        "/api/sellers/%ED%A0%80/health",
        "/api/sellers/%F0%9F/health",
        "/api/seller/health?id=%ff",
        "/api/seller/defects?id=%F0%9F",
        "/api/sellers?q=%ff",
        "/api/sellers?limit=%ff",
    ],
)
def test_an_id_that_is_no_utf_8_is_refused(pages: LivePages, path: str) -> None:
    # It was answered: with the seller whose id is written `%25ff`, or in a query with the one named by U+FFFD.
    answer = asked(pages, path)
    assert answer.status == 400
    assert answer.json == {"error": "the address is not percent-encoded UTF-8"}


@pytest.mark.parametrize(
    "path",
    [
        "/api/sellers/%C3%A9%CC%81/health",
        "/api/sellers/E%CC%81/health",
        "/api/sellers//health",
        "/api/sellers/A/B/health",
        "/api/sellers/%2525ff/health",
        "/api/seller/health",
        "/api/seller/health?id=",
        "/api/seller/health?ID=..",
        "//api/sellers",
        "/api/sellers/",
        "/static/..%2fpages.py",
        "/static/%2e%2e/%2e%2e/settings.py",
    ],
)
def test_whoever_is_not_there_is_not_found(pages: LivePages, path: str) -> None:
    answer = asked(pages, path)
    assert answer.status == 404
    assert answer.json["error"]


@given(seller=foreign_text(min_size=1))
def test_every_seller_has_an_address_in_a_path_and_in_a_query(pages: LivePages, seller: str) -> None:
    pages.apply(order(seller_id=seller))
    asked_for = quote(seller, safe="")
    for path in (f"/api/sellers/{asked_for}/defects", f"/api/seller/defects?id={asked_for}"):
        assert asked(pages, path).json["seller"] == seller
    found = asked(pages, f"/api/sellers?limit=1000&q={asked_for}").json
    assert seller in {row["seller"] for row in found["sellers"]}
    assert asked(pages, f"/sellers/{asked_for}").status == 200


@given(garbled=st.text("%2fF0aéC3/.?#&=+;\\\"' <x", max_size=40))
def test_no_address_is_too_much_for_the_worker(pages: LivePages, garbled: str) -> None:
    for before, behind in (
        ("/api/sellers/", "/health"),
        ("/api/seller/health?id=", ""),
        ("/api/sellers?", ""),
        ("/", ""),
    ):
        target = f"{before}{garbled}{behind}".replace(" ", "%20")
        assert asked(pages, target).status in {200, 400, 404}


# --- Methods, sizes, and what is no HTTP ------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND"])
@pytest.mark.parametrize(
    "path", ["/", "/metrics", "/healthz", "/api/sellers", "/api/sellers/a+b/health", "/static/page.js"]
)
def test_other_methods_are_refused_and_the_right_ones_named(pages: LivePages, method: str, path: str) -> None:
    answer = asked(pages, path, method)
    assert answer.status == 405
    assert answer.json["error"]
    assert answer.headers["allow"] == "GET, HEAD"


@pytest.mark.parametrize(
    ("path", "status"),
    [("/metrics", 200), ("/api/sellers", 200), ("/api/sellers?limit=0", 400), ("/nowhere", 404), ("/", 200)],
)
def test_head_has_the_answers_head_and_no_body(pages: LivePages, path: str, status: int) -> None:
    answer = asked(pages, path, "HEAD")
    assert (answer.status, answer.body) == (status, b"")
    assert answer.headers["content-type"] == asked(pages, path).headers["content-type"]


NO_HTTP = {
    "a byte beyond ASCII in the address": b"GET /api/sellers/\xff/health HTTP/1.1\r\nHost: w\r\n\r\n",
    "a control character in the address": b"GET /api/sellers/\x01\x1b[31m HTTP/1.1\r\nHost: w\r\n\r\n",
    "an address that is too long": b"GET /api/sellers?q=" + b"x" * 20_000 + b" HTTP/1.1\r\nHost: w\r\n\r\n",
    "a header that is too long": b"GET / HTTP/1.1\r\nHost: w\r\nX: " + b"x" * 20_000 + b"\r\n\r\n",
    "a header that is none": b"GET / HTTP/1.1\r\nHost: w\r\nForged\x1b[31m: x\r\n\r\n",
    "a token with a wrong byte": b"GET /metrics HTTP/1.1\r\nHost: w\r\nAuthorization: Bearer s3cret\x01\r\n\r\n",
    "a method that is none": b"FETCH / HTTP/1.1\r\nHost: w\r\n\r\n",
    "another version": b"GET / HTTP/9.9\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    "nothing at all": b"\r\n\r\n\r\n\x00\r\n\r\n",
    "two lengths": b"POST / HTTP/1.1\r\nHost: w\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
}


@pytest.mark.parametrize("request_bytes", NO_HTTP.values(), ids=NO_HTTP)
def test_what_is_no_http_is_refused_and_told_in_one_line(pages: LivePages, request_bytes: bytes) -> None:
    with worker_log() as log:
        came = sent(pages, request_bytes)
    assert came.startswith(b"HTTP/1.0 400 ")
    assert b"Traceback" not in came
    assert b"text/plain" in came
    assert log.getvalue().count("\n") <= 1
    assert "s3cret" not in log.getvalue()
    assert "\x1b" not in log.getvalue()
    assert asked(pages, "/healthz").status == 200


# --- Surprises --------------------------------------------------------------------------------------------------------


def test_a_surprise_gives_json_without_a_trace_and_one_line_in_the_log(
    pages: LivePages, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("secret of the house\n2026-11-03 00:00:00,000 ERROR forged\x1b[2J")

    monkeypatch.setattr(health, "defects", fail)
    with worker_log() as log:
        answer = asked(pages, "/api/sellers/x%0Ay/defects")
    assert answer.status == 500
    assert answer.json == {"error": "the worker failed to answer; its log says why"}
    assert b"secret of the house" not in answer.body
    line = log.getvalue()
    assert line.count("\n") == 1
    assert r"ERROR no answer to GET /api/sellers/x\ny/defects: RuntimeError('secret of the house\n" in line
    assert "\x1b" not in line
    assert asked(pages, "/api/sellers/x%0Ay/health").status == 200


def test_an_owner_that_does_not_answer_is_told_of_in_one_line_whatever_was_asked(pages: LivePages) -> None:
    with pages.also_owned_by("127.0.0.1:1"), worker_log() as log:
        for seller in ("nobody%0A%1B%5B2J", "nobody%E2%80%A8", "nobody%20%25"):
            answer = asked(pages, f"/api/sellers/{seller}/health")
            assert answer.status == 503
            assert answer.json == {"error": "a worker that may own the seller does not answer"}
    lines = log.getvalue().splitlines()
    assert len(lines) == 3
    assert all("another worker does not answer at http://127.0.0.1:1/api/sellers/" in line for line in lines)
    assert log.getvalue().replace("\n", "").isprintable()


# --- Tokens -----------------------------------------------------------------------------------------------------------

PATHS = (
    "/",
    "/sellers/a",
    "/seller?id=..",
    "/metrics",
    "/api/sellers",
    "/api/sellers/a+b/health",
    "/api/audit",
    "/static/page.js",
    "/no",
)


def basic(user: str, password: bytes) -> str:
    return "Basic " + base64.b64encode(user.encode() + b":" + password).decode()


@pytest.fixture(scope="module")
def guarded() -> Iterator[LivePages]:
    with LivePages(TOKEN) as listening:
        listening.apply(order(seller_id="a+b"))
        yield listening


@pytest.mark.parametrize("path", PATHS)
def test_every_page_asks_for_the_token_and_none_shows_it(guarded: LivePages, path: str) -> None:
    refused = asked(guarded, path)
    assert refused.status == 401
    assert refused.json == {"error": "this page asks for STREAM_HTTP_TOKEN"}
    assert refused.headers["www-authenticate"] == 'Basic realm="odr", charset="UTF-8"'
    shown = asked(guarded, path, Authorization=f"Bearer {TOKEN}")
    assert shown.status == {"/no": 404, "/api/audit": 503}.get(path, 200)  # nothing is ever committed here
    for answer in (refused, shown):
        assert TOKEN.encode() not in answer.body
        assert TOKEN not in str(answer.headers)


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_the_health_checks_ask_for_no_token(guarded: LivePages, path: str) -> None:
    assert asked(guarded, path).status == 200


@pytest.mark.parametrize(
    "authorization",
    [
        f"Bearer {TOKEN}",
        f"bearer  {TOKEN} ",
        basic("odr", TOKEN.encode()),
        basic("", TOKEN.encode()),
        basic("ä\U0001f600", TOKEN.encode()),
    ],
)
def test_the_token_may_be_presented_in_any_of_these_ways(guarded: LivePages, authorization: str) -> None:
    assert asked(guarded, "/api/sellers", Authorization=authorization).status == 200


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Bearer",
        "Bearer ",
        TOKEN,
        f"Token {TOKEN}",
        f"Bearer {TOKEN}x",
        f"Bearer {TOKEN[:-1]}",
        f"Bearer {TOKEN.upper()}",
        f"Bearer \N{LATIN SMALL LETTER A}\N{COMBINING DIAERESIS}{TOKEN}",
        "Basic",
        "Basic !!!",
        "Basic " + base64.b64encode(TOKEN.encode()).decode(),  # without a user
        basic(TOKEN, b""),
        basic("odr", TOKEN.encode("utf-16")),
        basic("odr", b"\xff\xfe"),
        basic("odr", TOKEN.encode() + b"\x00"),
    ],
)
def test_whatever_is_not_the_token_is_refused(guarded: LivePages, authorization: str) -> None:
    answer = asked(guarded, "/api/sellers", Authorization=authorization)
    assert (answer.status, answer.json) == (401, {"error": "this page asks for STREAM_HTTP_TOKEN"})


def test_bytes_that_are_no_utf_8_are_no_token_and_no_error(guarded: LivePages) -> None:
    came = sent(guarded, b"GET / HTTP/1.1\r\nHost: w\r\nConnection: close\r\nAuthorization: Bearer \xff\xfe\r\n\r\n")
    assert came.startswith(b"HTTP/1.1 401 ")


def test_the_token_is_compared_in_constant_time(guarded: LivePages, monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[bytes, bytes]] = []
    compare = hmac.compare_digest

    def noted(given: bytes, token: bytes) -> bool:
        compared.append((given, token))
        return compare(given, token)

    monkeypatch.setattr(hmac, "compare_digest", noted)
    assert asked(guarded, "/api/sellers", Authorization="Bearer guess").status == 401
    assert compared == [(b"guess", TOKEN.encode())]


@pytest.mark.parametrize(
    "path",
    [
        "/healthz/",
        "//healthz",
        "/healthz/../metrics",
        "/healthz%2f..%2fmetrics",
        "/%68ealthz/x",
        "/metrics?/healthz",
        "/metrics#/readyz",
    ],
)
def test_an_address_that_looks_like_a_health_check_shows_nothing(guarded: LivePages, path: str) -> None:
    answer = asked(guarded, path)
    assert answer.status in {400, 401, 404}
    assert b"stream_" not in answer.body
