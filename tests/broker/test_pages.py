"""The worker's pages from outside: tokens, bad questions, health checks."""

import base64
import json
import socket
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pytest

from stream.tools.kafka import Broker
from tests.broker.harness import PARTITIONS, Cluster, Worker, eventually, history

pytestmark = pytest.mark.broker


@pytest.fixture(scope="module")
def worker(broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    cluster = Cluster(broker.bootstrap, "pages.", tmp_path_factory.mktemp("pages"))
    assert cluster.odr("topics").returncode == 0
    cluster.produce(history(200, seed=6))
    with cluster.worker() as worker:
        worker.await_ready()
        cluster.await_caught_up()
        yield worker


@pytest.mark.parametrize(
    "path",
    [
        "/api/sellers?limit=0",
        "/api/sellers?limit=1001",
        "/api/sellers?limit=ten",
        "/api/sellers?offset=-1",
        "/api/sellers?limit=",
        "/api/sellers/S1/health?as_of=",
        "/api/sellers/S1/health?as_of=2026-9-1",
        "/api/sellers/S1/health?as_of=20260901",
        "/api/sellers/S1/defects?as_of=2026-09-02",
        "/api/sellers/S1/health?as_of=2026-04-27",
    ],
)
def test_a_bad_parameter_is_refused_with_a_json_error(worker: Worker, path: str) -> None:
    status, body, _ = worker.get(path)
    assert status == 400
    assert json.loads(body)["error"]


def test_the_earliest_day_whose_official_window_is_kept_is_answered(worker: Worker) -> None:
    # 200 days are kept: 2026-02-14 to 2026-09-01, so the first whole official window ends on 2026-04-29.
    figures = worker.json("/api/sellers/S1/health?as_of=2026-04-29")["figures"]
    assert {figure["from"] for figure in figures if figure["window"] == "official"} == {"2026-02-14"}
    assert worker.get("/api/sellers/S1/health?as_of=2026-04-28")[0] == 400


def test_an_unknown_seller_or_page_is_not_found(worker: Worker) -> None:
    for path in ("/api/sellers/nobody/health", "/api/sellers/%00%2F%F0%9F%98%80/defects", "/nowhere"):
        status, body, _ = worker.get(path)
        assert status == 404
        assert json.loads(body)["error"]


def test_sellers_are_listed_worst_first_and_page_by_page(worker: Worker) -> None:
    everything = worker.json("/api/sellers?limit=1000")
    ratios = [row["order_defect_ratio"] for row in everything["sellers"]]
    known = [ratio for ratio in ratios if ratio is not None]
    assert known == sorted(known, reverse=True)
    assert ratios == known + [None] * (len(ratios) - len(known))
    assert everything["total"] == len(ratios)
    pages = [worker.json(f"/api/sellers?limit=7&offset={offset}")["sellers"] for offset in range(0, len(ratios), 7)]
    assert list(chain.from_iterable(pages)) == everything["sellers"]
    assert {row["seller"] for row in worker.json("/api/sellers?q=S1")["sellers"]} == {"S1", "S10", "S11"}


def test_metrics_have_the_content_type_that_prometheus_asks_for(worker: Worker) -> None:
    _, _, headers = worker.get("/metrics")
    assert headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    worker.series()  # parsed strictly


def test_a_token_is_asked_for_on_every_page_but_the_health_checks(worker: Worker) -> None:
    cluster = worker.cluster
    secret = cluster.directory / "token"
    secret.write_text("s3cret\n")
    with cluster.worker("guarded", STREAM_GROUP="guarded", STREAM_HTTP_TOKEN_FILE=str(secret)) as guarded:
        guarded.await_ready()
        assert guarded.get("/healthz")[0] == 200
        for path in ("/metrics", "/api/sellers", "/api/sellers/S1/health", "/nowhere"):
            assert guarded.get(path)[0] == 401
            assert guarded.get(path, Authorization="Bearer wrong")[0] == 401
        assert guarded.get("/metrics", Authorization="Bearer s3cret")[0] == 200
        basic = base64.b64encode(b"anybody:s3cret").decode()
        assert guarded.get("/api/sellers", Authorization=f"Basic {basic}")[0] == 200
        assert "s3cret" not in guarded.log()


def test_workers_that_listen_everywhere_find_each_other(broker: Broker, topic_prefix: str, tmp_path: Path) -> None:
    cluster = Cluster(broker.bootstrap, topic_prefix, tmp_path)
    assert cluster.odr("topics").returncode == 0
    cluster.produce(history(100, seed=8))
    with cluster.worker("a", STREAM_HTTP_HOST="0.0.0.0") as one, cluster.worker("b", STREAM_HTTP_HOST="0.0.0.0") as two:
        eventually(lambda: one.partitions() and two.partitions(), "both have partitions")
        cluster.await_caught_up()
        # While the group still shifts partitions the answer is 503, never a part of the sellers.
        eventually(lambda: alike(one, two), "both tell of everybody's sellers", 90)
        one.kill()
        assert two.get("/api/sellers")[0] == 503
        assert f"http://{socket.gethostname()}:{one.port}/" in two.log()


def alike(*workers: Worker) -> bool:
    answers = [worker.get("/api/sellers?limit=1000")[:2] for worker in workers]
    shares = [len(worker.partitions()) for worker in workers]
    return all(shares) and sum(shares) == PARTITIONS and answers[0][0] == 200 and len(set(answers)) == 1
