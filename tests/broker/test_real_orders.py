"""125,000 real events: all their figures by a recount, and what the README tells of a replay of them.

They are no part of the project, and are looked for beside it.
"""

import gzip
import json
import os
import random
import re
import shlex
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import pytest

from stream.tools.kafka import Broker
from tests.broker.harness import ROOT, Cluster, assert_exact
from tests.recount import InputEvent, canonical_defects, defects
from tests.watch import Server, prometheus, tool

EVENTS = ROOT.parent / "shared" / "real-orders" / "events.jsonl.gz"
README = ROOT / "README.md"

pytestmark = [
    pytest.mark.broker,
    pytest.mark.skipif(not EVENTS.exists(), reason=f"the real orders are no part of the project, and not at {EVENTS}"),
]


def real_events() -> list[InputEvent]:
    with gzip.open(EVENTS, "rt", encoding="utf-8") as lines:
        return [(line["topic"], line["value"]) for line in map(json.loads, lines)]


def test_the_figures_of_real_orders_are_those_of_a_recount(broker: Broker, topic_prefix: str, tmp_path: Path) -> None:
    cluster = Cluster(broker.bootstrap, topic_prefix, tmp_path)
    assert cluster.odr("topics").returncode == 0
    ingested = cluster.odr("ingest", "events", os.fspath(EVENTS))
    assert ingested.stdout == "124937 events produced, 0 lines refused\n"
    events, day = real_events(), date(2018, 8, 20)
    with cluster.worker(STREAM_TODAY=day.isoformat(), STREAM_RETENTION_DAYS="400") as worker:
        worker.await_ready()
        cluster.await_caught_up()
        assert_exact([worker], events, day, retention_days=400)  # shipments too: late, tracked, on time
        sellers = sorted({event["seller_id"] for _, event in events})
        for seller in random.Random(7).sample(sellers, 20):
            own = [event for event in events if event[1]["seller_id"] == seller]
            status, body, _ = worker.get(f"/api/sellers/{seller}/defects")
            listed = json.loads(body)["defects"] if status == 200 else []
            assert canonical_defects(listed) == defects(own, seller, day)


# --- What the README tells of a replay --------------------------------------------------------------------------------

COMMAND = re.compile(r"^odr (replay events\.jsonl\.gz --seller .* --prometheus data --name olist)$", re.MULTILINE)
DRAWN = (
    'max by (knowledge) (last_over_time(seller_order_defect_ratio_event_time{replay="olist",window="official"}[1d]))'
)


@pytest.fixture(scope="module")
def replayed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A Prometheus with what the README's command has made."""
    tool("promtool")
    directory = tmp_path_factory.mktemp("real")
    (command,) = COMMAND.findall(README.read_text(encoding="utf-8"))
    paths = {"events.jsonl.gz": str(EVENTS), "data": str(directory / "data")}
    words = [paths.get(word, word) for word in shlex.split(command)]
    cluster = Cluster("127.0.0.1:1", "", directory)  # a file is replayed without any broker
    ended = cluster.odr(*words, STREAM_DATA_DIR=str(directory / "state"))
    assert ended.returncode == 0, ended.stderr
    with prometheus(directory, {}, "--storage.tsdb.retention.time=20y") as server:
        yield server


@pytest.mark.parametrize(
    ("day", "then", "now"),
    [(date(2017, 12, 11), 5 / 62, 17 / 62), (date(2018, 1, 18), 18 / 48, 20 / 48)],
    ids=["8 % and 27 %", "at its worst"],
)
def test_the_crisis_of_the_readme_is_what_a_prometheus_says(
    replayed: Server, day: date, then: float, now: float
) -> None:
    over = datetime.combine(day + timedelta(days=1), time(), UTC).timestamp()
    told = replayed.query(DRAWN, time=str(over - 1))
    assert {one["metric"]["knowledge"]: float(one["value"][1]) for one in told} == {"then": then, "now": now}
    assert DRAWN in README.read_text(encoding="utf-8")
