"""A worker's own doors: tokens between workers, pages that anybody reaches, slow readers, and a crash's last words."""

import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path

import pytest

from stream.tools.kafka import Broker
from tests.broker.harness import Cluster, Worker, assert_exact, eventually, history

pytestmark = pytest.mark.broker

TOKEN, PASSWORD = "tok3n-ä-c6f0b2e1", "passw0rd-9d41aa7e"
UNAVAILABLE = {
    b'{"error":"another worker does not answer"}',
    b'{"error":"a worker that may own the seller does not answer"}',
}


@pytest.fixture
def cluster(broker: Broker, topic_prefix: str, tmp_path: Path) -> Cluster:
    cluster = Cluster(broker.bootstrap, topic_prefix, tmp_path)
    assert cluster.odr("topics").returncode == 0
    return cluster


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}".encode().decode("latin-1")}  # as urllib sends it


def shared_out(workers: list[Worker]) -> bool:
    owned = [worker.partitions() for worker in workers]
    return all(owned) and sorted(chain.from_iterable(owned)) == [0, 1, 2, 3]


def test_workers_with_one_token_answer_for_each_others_sellers(cluster: Cluster) -> None:
    cluster.environment["STREAM_HTTP_TOKEN"] = TOKEN
    events = history(300, seed=40)
    cluster.produce(events)
    with cluster.worker("one") as one, cluster.worker("two") as two:
        eventually(lambda: shared_out([one, two]), "two workers share")
        cluster.await_caught_up()
        for seller in {value["seller_id"] for _, value in events}:
            answers = [worker.get(f"/api/sellers/{seller}/health", **bearer(TOKEN)) for worker in (one, two)]
            assert [status for status, _, _ in answers] == [200, 200]
            assert answers[0][1] == answers[1][1]
        listed = [worker.get("/api/sellers?limit=1000", **bearer(TOKEN)) for worker in (one, two)]
        assert listed[0][:2] == listed[1][:2] == (200, listed[0][1])
        assert one.get("/api/sellers/nobody/health", **bearer(TOKEN))[0] == 404


def test_a_worker_with_another_token_makes_answers_unavailable_and_never_partial(cluster: Cluster) -> None:
    events = history(300, seed=41)
    cluster.produce(events)
    tokens = {"one": "first", "two": "second"}
    with (
        cluster.worker("one", STREAM_HTTP_TOKEN=tokens["one"]) as one,
        cluster.worker("two", STREAM_HTTP_TOKEN=tokens["two"]) as two,
    ):
        eventually(lambda: shared_out([one, two]), "two workers share")
        cluster.await_caught_up()
        sellers = {value["seller_id"] for _, value in events}
        for worker in (one, two):
            token = bearer(tokens[worker.name])
            assert worker.get("/api/sellers?limit=1000", **token)[0] == 503
            answers = [worker.get(f"/api/sellers/{seller}/health", **token) for seller in sellers]
            assert {status for status, _, _ in answers} == {200, 503}
            assert {body for status, body, _ in answers if status == 503} <= UNAVAILABLE
            assert worker.get("/api/sellers/nobody/health", **token)[0] == 503


@pytest.mark.parametrize(
    ("host", "settings", "warned"),
    [("0.0.0.0", {}, True), ("0.0.0.0", {"STREAM_HTTP_TOKEN": TOKEN}, False), ("127.0.0.1", {}, False)],
)
def test_pages_that_anybody_may_reach_are_warned_of(
    cluster: Cluster, host: str, settings: dict[str, str], warned: bool
) -> None:
    with cluster.worker(STREAM_HTTP_HOST=host, **settings) as worker:
        worker.await_ready()
        assert ("can read every seller's figures: set STREAM_HTTP_TOKEN" in worker.log()) == warned
        assert worker.stop() == 0


# --- Slow readers -----------------------------------------------------------------------------------------------------


class SlowReader:
    """Asks for a page and reads a byte of it now and then, until it is closed."""

    def __init__(self, port: int, path: str) -> None:
        self.read = 0
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self._socket.connect(("127.0.0.1", port))
        self._socket.sendall(f"GET {path} HTTP/1.1\r\nHost: w\r\n\r\n".encode())
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="slow reader")
        self._thread.start()

    @property
    def reading(self) -> bool:
        return self.read > 0 and self._thread.is_alive()

    def close(self) -> None:
        self._closed.set()
        self._thread.join()
        self._socket.close()

    def _run(self) -> None:
        while not self._closed.wait(0.02):
            byte = self._socket.recv(1)
            if not byte:
                return
            self.read += 1


@contextmanager
def slow_readers(worker: Worker, number: int, path: str) -> Iterator[list[SlowReader]]:
    readers = [SlowReader(worker.port, path) for _ in range(number)]
    try:
        eventually(lambda: all(reader.reading for reader in readers), "every slow reader has begun")
        yield readers
    finally:
        for reader in readers:
            reader.close()


def test_slow_readers_hold_up_no_scrape_no_round_and_no_stop(cluster: Cluster) -> None:
    events = history(8_000, seed=42, sellers=6_000)
    half = len(events) // 2
    with cluster.worker() as worker:
        worker.await_ready()
        cluster.produce(events[:half])
        cluster.await_caught_up()
        assert len(worker.get("/metrics")[1]) > 5_000_000  # more than the buffers between us take
        with slow_readers(worker, 20, "/metrics") as readers, slow_readers(worker, 5, "/api/sellers?limit=1000"):
            cluster.produce(events[half:])
            for _ in range(5):
                assert worker.get("/metrics")[0] == 200
                assert worker.get("/api/sellers?limit=10")[0] == 200
                assert worker.get("/readyz")[0] == 200
            cluster.await_caught_up()
            assert_exact([worker], events)
            assert all(reader.reading for reader in readers), "the readers were not slow"
            assert worker.stop() == 0


# --- Last words -------------------------------------------------------------------------------------------------------

CRASHING = """
import sys
from stream.settings import Settings
from stream.worker.run import run

def reached(step, partition):
    if step == "folded":
        raise RuntimeError("hostile\\n2026-11-03 00:00:00,000 ERROR forged\\x1b[2J")

sys.exit(run(Settings.read(), "verbose", reached))
"""
RECORD = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} [A-Z]+ .*")


def test_a_crash_is_told_with_its_trace_without_a_secret_and_without_a_forged_line(cluster: Cluster) -> None:
    cluster.produce(history(10, seed=43))
    secrets = {"STREAM_HTTP_TOKEN": TOKEN, "STREAM_SASL_PASSWORD": PASSWORD, "STREAM_SASL_USERNAME": "alice"}
    own = {"STREAM_HTTP_PORT": "0", "STREAM_DATA_DIR": str(cluster.directory / "data")}
    ended = subprocess.run(
        [sys.executable, "-c", CRASHING],
        env=cluster.env(**secrets, **own),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == 1
    *lines, last = ended.stderr.removesuffix("\n").split("\n")
    assert last == r"odr worker: hostile\n2026-11-03 00:00:00,000 ERROR forged\x1b[2J"
    assert "    Traceback (most recent call last):" in lines
    assert [line for line in lines if not RECORD.fullmatch(line) and not line.startswith("    ")] == []
    assert all(line.isprintable() for line in lines)
    assert TOKEN not in ended.stderr
    assert PASSWORD not in ended.stderr
