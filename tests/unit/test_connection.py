"""Why a broker can't be used, where what answers is no broker at all; real ones are in tests/broker."""

import asyncio
import time
from collections.abc import Awaitable, Callable

import pytest
from aiokafka.errors import IncompatibleBrokerVersion

from stream import connection
from stream.connection import why_unreachable
from stream.settings import Settings

Server = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await reader.read()


async def closing(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


async def web_server(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(1)
    writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n\x1b[31m")
    writer.close()


async def tiny_answers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(1)
    writer.write(b"\x00\x00\x00\x00\x00\x00\x00\x04\x00\x00\x00\x01")
    await reader.read()


def told(server: Server, **settings: str) -> str:
    async def ask() -> str:
        async with await asyncio.start_server(server, "127.0.0.1", 0) as listening:
            port = listening.sockets[0].getsockname()[1]
            line = await why_unreachable(Settings.read(brokers=f"127.0.0.1:{port}", **settings))
            return line.replace(str(port), "PORT")

    return asyncio.run(ask())


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "_LOOK_SECONDS", 0.5)


def test_a_port_that_says_nothing_is_a_time_out_soon() -> None:
    began = time.monotonic()
    assert told(silent) == "no broker answers at STREAM_BROKERS=127.0.0.1:PORT: time-out"
    assert time.monotonic() - began < 10


@pytest.mark.parametrize("server", [closing, web_server, tiny_answers])
@pytest.mark.parametrize("protocol", ["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"])
def test_whatever_answers_is_told_in_one_line_that_names_a_setting(server: Server, protocol: str) -> None:
    line = told(server, security_protocol=protocol, sasl_username="alice", sasl_password="s3cret")
    assert line.isprintable()
    assert "STREAM_" in line
    assert "s3cret" not in line


@pytest.mark.parametrize(
    "brokers",
    ["a..b:9092", f"{'x' * 64}.example:9092", "nobody.invalid:9092", "127.0.0.1:1,127.0.0.1:2", "[::1]:1"],
)
def test_a_host_that_is_not_there_is_told_as_such(brokers: str) -> None:
    line = asyncio.run(why_unreachable(Settings.read(brokers=brokers)))
    assert line.startswith(f"no broker answers at STREAM_BROKERS={brokers}: ")
    assert "\n" not in line


@pytest.mark.parametrize(
    ("raised", "why"),
    [
        (ValueError("Server sent wrong signature!"), "Server sent wrong signature!"),
        (KeyError("r"), "'r'"),
        (AssertionError(), "AssertionError"),
        (IncompatibleBrokerVersion("too old"), "IncompatibleBrokerVersion: too old"),
    ],
)
def test_answers_that_no_broker_gives_are_told_too(
    raised: Exception, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def create_conn(*_: object, **__: object) -> None:
        raise raised

    monkeypatch.setattr(connection, "create_conn", create_conn)
    line = asyncio.run(why_unreachable(Settings.read(brokers="a:1")))
    assert line == f"the broker at a:1 (STREAM_BROKERS) gives no answer that can be used: {why}"
