"""Workers answer for each other's sellers: the owner's answer, a 404 that is true, or 503; no browser needed."""

import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from tests.builders import order
from tests.pages.serving import LivePages


@pytest.fixture
def workers() -> Iterator[tuple[LivePages, LivePages]]:
    """Two workers: the first owns partition 0 with seller A, the second partition 1 with seller B."""
    with LivePages() as first, LivePages() as second:
        first.apply(order(seller_id="A"))
        second.apply(order(seller_id="B"))
        second.intake.own[0].number = 1
        first.intake.owners = second.intake.owners = {0: first.advertised, 1: second.advertised}
        yield first, second


def ask(worker: LivePages, path: str) -> tuple[int, Any]:
    answer = worker.get(path)
    if answer.status == 503:
        assert int(answer.headers["Retry-After"]) > 0
    return answer.status, json.loads(answer.read())


def test_any_worker_passes_on_the_owners_answer(workers: tuple[LivePages, LivePages]) -> None:
    for worker in workers:
        for seller in "AB":
            status, body = ask(worker, f"/api/sellers/{seller}/health")
            assert (status, body["seller"]) == (200, seller)
        status, body = ask(worker, "/api/sellers")
        assert [row["seller"] for row in body["sellers"]] == ["A", "B"]
        assert ask(worker, "/api/sellers/C/health")[0] == 404


def test_while_the_other_worker_is_not_ready_nothing_is_said_of_its_sellers(
    workers: tuple[LivePages, LivePages],
) -> None:
    first, second = workers
    second.intake.ready = False
    second.intake.live = []
    assert ask(first, "/api/sellers/A/health")[0] == 200
    for path in ("/api/sellers/B/health", "/api/sellers/C/health", "/api/sellers"):
        assert ask(first, path)[0] == 503


def test_a_worker_that_is_down_is_no_proof_that_a_seller_is_unknown(workers: tuple[LivePages, LivePages]) -> None:
    first, second = workers
    second.stop()
    for path in ("/api/sellers/B/health", "/api/sellers/C/health", "/api/sellers"):
        assert ask(first, path)[0] == 503


def test_a_partition_that_moved_since_the_owners_were_told_is_spoken_for_by_nobody(
    workers: tuple[LivePages, LivePages],
) -> None:
    # The second worker has given its partition away, and is ready without it; the first still has the old list of
    # owners. It took "unknown here" for "unknown", and answered 404 for a seller that somebody else had by then.
    first, second = workers
    second.intake.own = second.intake.live = []
    for path in ("/api/sellers/B/health", "/api/sellers"):
        assert ask(first, path)[0] == 503


def test_a_partition_that_two_workers_speak_for_is_not_told_twice(workers: tuple[LivePages, LivePages]) -> None:
    first, second = workers
    second.intake.own[0].number = 0
    assert ask(first, "/api/sellers")[0] == 503


def test_before_the_group_has_told_of_owners_nobody_is_unknown(workers: tuple[LivePages, LivePages]) -> None:
    first, _ = workers
    first.intake.owners = {}
    assert ask(first, "/api/sellers/C/health")[0] == 503


def test_a_worker_whose_partition_does_not_move_on_is_not_healthy(workers: tuple[LivePages, LivePages]) -> None:
    first, _ = workers
    assert ask(first, "/healthz") == (200, {"status": "ok"})
    first.intake.stuck = [SimpleNamespace(number=3, step="acknowledged")]
    status, body = ask(first, "/healthz")
    assert status == 503
    assert body["error"] == "partitions that have not moved for 60 s: 3 (at `acknowledged`)"
