"""The live page's files, read once, and the headers that make every answer of the worker safe to open in a browser.

The page is plain HTML, CSS and JavaScript modules that ask the worker's own API; nothing comes from elsewhere.

A seller's page is `/sellers/{seller}`, the id percent-encoded. Browsers resolve the path segments `.` and `..`, even
when they are percent-encoded, so sellers of these two names can only be asked for in a query: the page is
`/seller?id=..` and the API `/api/seller/health?id=..` (`defects`, `forecast`). These addresses do for any other id too.
"""

from importlib.resources import files
from typing import Final
from urllib.parse import unquote_to_bytes

from aiohttp import web
from aiohttp.typedefs import Handler

SELLER: Final = "{seller:[^/]+}"
"""A seller's id in a route's path: any text, percent-encoded; aiohttp's own pattern has no braces in it."""

_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_SAFE: Final = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
_TYPES: Final = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}
_PAGES: Final = {"/": "index.html", f"/sellers/{SELLER}": "seller.html", "/seller": "seller.html"}


@web.middleware
async def in_utf_8(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse questions to the API that name a seller in bytes which are no UTF-8: nobody has such an id.

    Decoded leniently, `%ff` is the id that is written `%25ff` here, and in a query the replacement character.
    """
    try:
        unquote_to_bytes(request.raw_path).decode()
    except UnicodeDecodeError:
        if request.path.startswith("/api/"):
            raise web.HTTPBadRequest(reason="the address is not percent-encoded UTF-8") from None
    return await handler(request)


async def protect(_: web.Request, answer: web.StreamResponse) -> None:
    """Add the headers that keep a browser from running, framing or guessing anything (for `on_response_prepare`)."""
    answer.headers.update(_SAFE)


def site_routes() -> list[web.RouteDef]:
    """Return the routes of the pages and of the files that they load."""
    static = {entry.name: entry.read_bytes() for entry in files("stream.worker").joinpath("static").iterdir()}
    loaded = [name for name in static if name not in _PAGES.values()]
    return [
        *(web.get(path, _file(name, static[name])) for path, name in _PAGES.items()),
        *(web.get(f"/static/{name}", _file(name, static[name])) for name in sorted(loaded)),
    ]


def _file(name: str, body: bytes) -> Handler:
    content_type = _TYPES["." + name.rpartition(".")[2]]

    async def handler(_: web.Request) -> web.Response:
        headers = {"Cache-Control": "no-cache"}  # a worker of another version may answer next
        return web.Response(body=body, content_type=content_type, charset="utf-8", headers=headers)

    return handler
