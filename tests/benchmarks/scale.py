"""`make scale`: what scrapes of many sellers cost while events arrive, with the project's own rules and settings.

The same load three times: without scrapes (what to compare with), with every seller's series, and with those at risk
only. What the workers show in the end is asserted to be exact. Machines differ and are shared: compare within one run.
"""

import itertools
import json
import logging
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click
import yaml
from rich.console import Console
from rich.table import Table

from stream.tools import child
from stream.tools.kafka import Broker
from stream.tools.prometheus import RULE_FILES, grafana_directory
from tests.benchmarks.load import Load, loaded
from tests.benchmarks.stalls import asked, idle_server
from tests.broker.harness import Cluster, Worker, eventually, figure, free_port

RECORDS_EACH = 40
"""Records of each seller before the load begins: of about 19 orders."""

SETTLING_SECONDS = 5
PHASES = {"no scrapes": None, "all": "all", "at_risk": "at_risk"}
"""What is exported while it is scraped; None: nobody scrapes."""


def settings_for(worker: Worker, own_port: int) -> dict[str, Any]:
    """Return the project's prometheus.yml, for these addresses."""
    rules = grafana_directory() / "prometheus"
    settings: dict[str, Any] = yaml.safe_load((rules / "prometheus.yml").read_text(encoding="utf-8"))
    del settings["alerting"]
    settings["rule_files"] = [str(rules / name) for name in RULE_FILES]
    for job, port in zip(settings["scrape_configs"], (worker.port, own_port), strict=True):
        job.pop("dns_sd_configs", None)
        job["static_configs"] = [{"targets": [f"127.0.0.1:{port}"]}]
    return settings


@contextmanager
def prometheus(directory: Path, worker: Worker) -> Iterator[str]:
    """Run Prometheus on the worker; yields its address once it has scraped it."""
    directory.mkdir()
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    (directory / "prometheus.yml").write_text(json.dumps(settings_for(worker, port)), encoding="utf-8")
    here = ("--config.file=prometheus.yml", "--storage.tsdb.path=data")
    command = ["prometheus", *here, f"--web.listen-address=127.0.0.1:{port}"]
    with (
        (directory / "prometheus.log").open("wb") as log,
        child.running(command, directory=directory, output=log, stop_seconds=20),
    ):
        eventually(lambda: ask(address, 'max(up{job="odr"})') == 1, "the first scrape")
        yield address


def ask(address: str, query: str) -> float:
    """Return the one value of a query, 0 where there is none."""
    try:
        with urllib.request.urlopen(f"{address}/api/v1/query?query={quote(query)}", timeout=30) as answer:
            result = json.load(answer)["data"]["result"]
    except OSError:
        return 0.0
    return float(result[0]["value"][1]) if result else 0.0


def seen_by_prometheus(address: str, seconds: int) -> dict[str, str]:
    """Return what Prometheus says of its last so many seconds."""
    scrape = f'scrape_duration_seconds{{job="odr"}}[{seconds}s]'
    usual, worst = (
        ask(address, f"max({of})") for of in (f"quantile_over_time(0.5, {scrape})", f"max_over_time({scrape})")
    )
    took = f"max_over_time(prometheus_rule_group_last_duration_seconds[{seconds}s])"
    rules, slowest = ask(address, f"sum({took})"), ask(address, f"max({took})")
    missed = ask(address, f"sum(increase(prometheus_rule_group_iterations_missed_total[{seconds}s]))")
    memory = ask(address, f'max(max_over_time(process_resident_memory_bytes{{job="prometheus"}}[{seconds}s]))')
    assert ask(address, f'min(min_over_time(up{{job="odr"}}[{seconds}s]))') == 1, "a scrape failed"
    return {
        "series of a scrape": f"{ask(address, 'max(scrape_samples_scraped)'):,.0f}",
        "a scrape takes, usually and at worst": f"{usual:.2f} s, {worst:.2f} s",
        "all rules, and their slowest group": f"{rules:.2f} s, {slowest:.2f} s",
        "evaluations of a group left out": f"{missed:.0f}",
        "resident memory of Prometheus": f"{memory / 2**20:,.0f} MiB",
    }


def total(worker: Worker, name: str, **labels: str) -> float:
    """Return the sum of a name's series that have these labels."""
    wanted = labels.items()
    return sum(value for (of, has), value in worker.series().items() if of == name and wanted <= dict(has).items())


class Scale:
    """One run: its topics, its load and how much of it there has been."""

    def __init__(self, cluster: Cluster, load: Load, rate: int, seconds: int) -> None:
        self.cluster, self.load, self.rate, self.seconds = cluster, load, rate, seconds
        self.produced = load.sellers * RECORDS_EACH
        cluster.produce_raw(itertools.islice(load.records(), self.produced))

    def phase(self, name: str, export: str | None) -> dict[str, str]:
        """Return the column of one phase."""
        with self.cluster.worker("worker", STREAM_EXPORT=export or "all") as worker, ExitStack() as started:
            worker.await_ready(240)
            self.cluster.await_caught_up(seconds=240)
            address = started.enter_context(prometheus(self.cluster.directory / name, worker)) if export else None
            column = self._measure(worker)
            column |= seen_by_prometheus(address, self.seconds) if address else {}
            self.cluster.await_caught_up(seconds=240)
            self._require_exact(worker)
            assert worker.stop() == 0
        return column

    def _measure(self, worker: Worker) -> dict[str, str]:
        with loaded(self.cluster, self.load, self.rate, self.produced) as produced, idle_server() as idle:
            eventually(lambda: produced.value, "the load has begun")
            time.sleep(SETTLING_SECONDS)
            before, began = total(worker, "stream_events_total"), time.monotonic()
            with asked(worker.port) as stalls, asked(idle) as control:
                time.sleep(self.seconds)
            folded = (total(worker, "stream_events_total") - before) / (time.monotonic() - began)
            behind = total(worker, "stream_consumer_lag_records")
            memory = figure(worker.series(), "process_resident_memory_bytes") or 0
        self.produced += produced.value
        return {
            "events folded": f"{folded:,.0f}/s",
            "events waiting in the end": f"{behind:,.0f}",
            "/healthz answers in": stalls.told(),
            "an idle server beside it answers in": control.told(),
            "resident memory of the worker": f"{memory / 2**20:,.0f} MiB",
        }

    def _require_exact(self, worker: Worker) -> None:
        counts = self.load.expected(self.produced)
        assert total(worker, "stream_orders") == counts["kept"]
        for figure_name in ("orders", "defective_orders"):
            assert total(worker, f"marketplace_{figure_name}", window="ahead") == counts[figure_name]
        confirmed = total(worker, "marketplace_late_shipment_denominator", window="30d")
        assert confirmed == counts["confirmed_orders"]


@click.command()
@click.option("--sellers", type=click.IntRange(100, 99_999), default=10_000, show_default=True)
@click.option("--rate", type=click.IntRange(100), default=20_000, show_default=True, help="Events a second.")
@click.option("--seconds", type=click.IntRange(30, 600), default=75, show_default=True, help="Of each phase.")
def main(sellers: int, rate: int, seconds: int) -> None:
    """Measure and print the table."""
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    say = Console(stderr=True)
    with tempfile.TemporaryDirectory() as temporary, Broker(Path(temporary, "kafka")) as broker:
        load = Load(
            sellers, datetime.now(UTC).replace(microsecond=0)
        )  # of now, or alerts fire for feeds that are silent
        cluster = Cluster(broker.bootstrap, "scale.", Path(temporary), {"STREAM_TODAY": load.day})
        made = cluster.odr("topics")
        assert made.returncode == 0, made.stderr
        scale = Scale(cluster, load, rate, seconds)
        columns = {}
        for name, export in PHASES.items():
            columns[name] = scale.phase(name, export)
            say.print(name, columns[name])
    table = Table("", *columns, title=f"{sellers:,} sellers, {rate:,} events a second, {sys.platform}")
    for row in columns["all"]:
        table.add_row(row, *(column.get(row, "") for column in columns.values()))
    Console(width=160).print(table)


if __name__ == "__main__":
    main()
