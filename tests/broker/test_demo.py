"""The demo and the simulator, as a newcomer starts them."""

import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from stream.tools.kafka import Broker
from tests.broker.harness import Cluster, eventually, figure, free_port
from tests.recount import parse_metrics

pytestmark = pytest.mark.broker


def demo(directory: Path, port: int, *more: str) -> subprocess.Popen[str]:
    """Start the demo with a broker of its own."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("STREAM_")}
    return subprocess.Popen(
        [sys.executable, "-m", "stream", "demo", "--http-port", str(port), *more],
        cwd=directory,
        env=clean,
        stderr=subprocess.PIPE,
        text=True,
    )


def reclassified(port: int) -> float | None:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            series = parse_metrics(answer.read().decode())
    except OSError:
        return None
    return figure(series, "stream_reclassifications_total", figure="claim_orders", direction="left")


@pytest.mark.usefixtures("kafka_here")
def test_the_demo_shows_moving_figures_and_ctrl_c_stops_all_of_it(tmp_path: Path) -> None:
    port = free_port()
    running = demo(tmp_path, port)
    try:
        eventually(lambda: reclassified(port), "claims are taken back", 120)
        filled = reclassified(port) or 0
        eventually(lambda: (reclassified(port) or 0) > filled, "they go on being taken back, live", 120)
        second = demo(tmp_path, port)
        _, said = second.communicate(timeout=30)
        assert second.returncode == 1
        assert f"127.0.0.1:{port} can't be used" in said
        assert said.count("\n") == 1
        running.send_signal(signal.SIGINT)
        _, said = running.communicate(timeout=60)
    finally:
        running.kill()
    assert running.returncode == 0, said
    assert f"http://127.0.0.1:{port}/sellers/BURST-HIT" in said
    assert subprocess.run(["pgrep", "-f", str(tmp_path)], check=False, capture_output=True).stdout == b""


@pytest.mark.usefixtures("kafka_here")
def test_ctrl_c_in_the_middle_of_the_start_stops_what_has_been_started(tmp_path: Path) -> None:
    running = demo(tmp_path, free_port())
    eventually((tmp_path / ".odr/demo/kafka/kafka.log").exists, "Kafka is starting")
    running.send_signal(signal.SIGINT)
    _, said = running.communicate(timeout=60)
    assert running.returncode == 0, said
    assert subprocess.run(["pgrep", "-f", str(tmp_path)], check=False, capture_output=True).stdout == b""


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
