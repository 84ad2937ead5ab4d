"""The demo and the simulator, as a newcomer starts them."""

import shutil
import socket
import subprocess
import urllib.request
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from stream.tools.kafka import Broker
from tests.broker.demonstration import PROGRAM, alerts_address, asked, at_work_in, demo, evaluated, scrape_health
from tests.broker.harness import Cluster, eventually, figure
from tests.recount import parse_metrics

pytestmark = pytest.mark.broker


def shown(port: int, name: str, **labels: str) -> float | None:
    """Return what a demo's worker shows; None where that is nothing, or nobody answers."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            return figure(parse_metrics(answer.read().decode()), name, **labels)
    except OSError:
        return None


def reclassified(port: int) -> float | None:
    return shown(port, "stream_reclassifications_total", figure="claim_orders", direction="left")


def evaluation_day(port: int) -> date | None:
    began = shown(port, "seller_evaluation_day_timestamp_seconds", marketplace="ATVPDKIKX0DER")
    return None if began is None else datetime.fromtimestamp(began, UTC).date()


@pytest.mark.usefixtures("kafka_here")
def test_the_demo_shows_moving_figures_and_ctrl_c_stops_all_of_it(tmp_path: Path) -> None:
    with demo(tmp_path) as running:
        said = running.await_block()
        assert f"http://127.0.0.1:{running.port}/sellers/BURST-HIT" in said
        assert "odr demo --speed" in said
        eventually(lambda: reclassified(running.port), "claims are taken back", 120)
        filled = reclassified(running.port) or 0
        eventually(lambda: (reclassified(running.port) or 0) > filled, "they go on being taken back, live", 120)
        assert len(at_work_in(tmp_path)) >= 3  # the demo, Kafka and the worker
        running.interrupt()


@pytest.mark.usefixtures("kafka_here")
def test_a_demo_at_speed_relives_its_history_and_then_goes_on_live(tmp_path: Path) -> None:
    long_ago, today = datetime.now(UTC).date() - timedelta(days=5), datetime.now(UTC).date()
    with demo(tmp_path, flags=["--speed", "10d/s"]) as running:
        said = running.await_block()
        assert "90 days that pass in 9 s" in said
        assert "--speed" not in said
        first = eventually(lambda: evaluation_day(running.port), "its days have begun to pass")
        assert first < long_ago
        eventually(lambda: (evaluation_day(running.port) or first) > first, "the evaluation day follows")
        eventually(lambda: "the 90 days have passed" in running.said(), "its days have passed", 120)
        eventually(lambda: (evaluation_day(running.port) or first) >= today, "it is today", 120)
        burst = {"seller": "BURST-HIT", "marketplace": "ATVPDKIKX0DER", "channel": "MFN", "window": "official"}
        assert (shown(running.port, "seller_order_defect_ratio", **burst) or 0) > 0.01
        relived = shown(running.port, "stream_events_total", topic="orders") or 0
        eventually(lambda: (shown(running.port, "stream_events_total", topic="orders") or 0) > relived, "live orders")
        running.interrupt()


@pytest.mark.usefixtures("kafka_here")
def test_a_demo_beside_another_is_refused_in_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        second = subprocess.run(
            [*PROGRAM, "demo", "--http-port", port],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert second.returncode == 1
    assert f"127.0.0.1:{port} can't be used" in second.stderr
    assert second.stderr.count("\n") == 1


@pytest.mark.usefixtures("kafka_here")
def test_ctrl_c_in_the_middle_of_the_start_stops_what_has_been_started(tmp_path: Path) -> None:
    with demo(tmp_path) as running:
        eventually((tmp_path / ".odr/demo/kafka/kafka.log").exists, "Kafka is starting")
        running.interrupt()


@pytest.mark.usefixtures("kafka_here", "prometheus_here")
def test_the_demos_prometheus_scrapes_its_worker_and_evaluates_the_rules(tmp_path: Path) -> None:
    with demo(tmp_path, STREAM_HTTP_TOKEN="open sesame") as running:  # the scrapes must know it
        address = alerts_address(running.await_block())
        eventually(lambda: scrape_health(address) == ["up"], "the worker is a healthy target")
        rules = eventually(lambda: evaluated(address), "every rule has been evaluated")
        assert [rule for rule in rules if rule["health"] != "ok" or rule.get("lastError")] == []
        assert {rule["type"] for rule in rules} == {"recording", "alerting"}
        assert asked(address, "count(seller_order_defect_ratio)") > 40
        assert any("prometheus" in command for command in at_work_in(tmp_path))
        running.interrupt()


@pytest.mark.usefixtures("kafka_here", "prometheus_here")
def test_a_demo_that_is_killed_leaves_nothing_behind(tmp_path: Path) -> None:
    with demo(tmp_path) as running:
        running.await_block()
        running.process.kill()
        eventually(lambda: at_work_in(tmp_path) == [], "everything has ended with it", 20)


@pytest.mark.usefixtures("kafka_here")
def test_without_prometheus_the_demo_says_how_to_get_it(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    for needed in ("sh", "nproc"):
        if found := shutil.which(needed):
            (tmp_path / "bin" / needed).symlink_to(found)
    with demo(tmp_path, PATH=str(tmp_path / "bin")) as running:
        assert "apt-get install prometheus" in running.await_block()


def test_a_simulated_history_is_read_without_a_dead_letter(broker: Broker, topic_prefix: str, tmp_path: Path) -> None:
    cluster = Cluster(broker.bootstrap, topic_prefix, tmp_path, {"STREAM_TODAY": ""})
    assert cluster.odr("topics").returncode == 0
    filled = cluster.odr("simulate", "--only-history", "--days", "30", "--orders-per-day", "50", "--sellers", "8")
    assert filled.returncode == 0, filled.stderr
    with cluster.worker() as worker:
        worker.await_ready()
        cluster.await_caught_up()
        series = worker.series()
        assert sum(value for (name, _), value in series.items() if name == "stream_dead_letters_total") == 0
        assert 1_000 < (figure(series, "stream_orders") or 0) < 2_000
        assert any(row["seller"] == "BURST-HIT" for row in worker.json("/api/sellers?limit=1000")["sellers"])
