"""The real tools that watch: Prometheus, its promtool, Alertmanager and its amtool, as Debian packages them."""

import contextlib
import json
import os
import shutil
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import promql_parser
import pytest
import yaml

from tests.broker.harness import eventually, free_port

WATCHING: Final = Path(__file__).parents[1] / "grafana"
RULE_FILES: Final = tuple(WATCHING / "prometheus" / name for name in ("recording.yml", "alerts.yml"))

_PACKAGES: Final = {
    "prometheus": "prometheus",
    "promtool": "prometheus",
    "prometheus-alertmanager": "prometheus-alertmanager",
    "amtool": "prometheus-alertmanager",
}


def tool(name: str) -> str:
    """Return where a tool is; where it is missing: skip, but in CI fail."""
    found = shutil.which(name)
    if found is None:
        missing = f"{name} is needed: apt-get install {_PACKAGES[name]}"
        if os.environ.get("CI"):
            pytest.fail(missing, pytrace=False)
        pytest.skip(missing)
    return found


def run(name: str, *arguments: str | Path) -> str:
    """Run a tool that has to succeed; return what it said."""
    done = subprocess.run([tool(name), *map(str, arguments)], capture_output=True, text=True, timeout=120, check=False)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    return said


def groups(*files: Path) -> list[dict[str, Any]]:
    """Return the rule groups of the files."""
    return [group for file in files for group in yaml.safe_load(file.read_text(encoding="utf-8"))["groups"]]


def rules(*files: Path) -> list[dict[str, Any]]:
    """Return the rules of the files."""
    return [rule for group in groups(*files) for rule in group["rules"]]


def alerts() -> list[dict[str, Any]]:
    """Return the alerting rules."""
    return [rule for rule in rules(*RULE_FILES) if "alert" in rule]


def recorded() -> set[str]:
    """Return the names of the recorded series."""
    return {rule["record"] for rule in rules(*RULE_FILES) if "record" in rule}


def selectors(expr: str) -> list[promql_parser.VectorSelector]:
    """Return every selector in an expression, those of ranges included."""
    found: list[promql_parser.VectorSelector] = []

    def visit(node: promql_parser.Expr) -> None:
        if isinstance(node, promql_parser.VectorSelector):
            found.append(node)

    promql_parser.walk(promql_parser.parse(expr), visit)
    return found


@dataclass
class Server:
    """A started Prometheus or Alertmanager."""

    url: str

    def get(self, path: str, **parameters: str) -> Any:
        """Return the data that the API answers with, None where nobody answers yet."""
        query = f"?{urllib.parse.urlencode(parameters)}" if parameters else ""
        try:
            with urllib.request.urlopen(f"{self.url}{path}{query}", timeout=10) as answer:
                return json.loads(answer.read() or "null")
        except urllib.error.HTTPError as refused:
            raise AssertionError(f"{path} {parameters}: {refused.read().decode()}") from refused
        except OSError:
            return None

    def query(self, expr: str, **parameters: str) -> list[dict[str, Any]]:
        """Return the series that an expression has now."""
        return self._results("/api/v1/query", query=expr, **parameters)

    def query_range(self, expr: str, start: float, end: float, step: float) -> list[dict[str, Any]]:
        """Return the series that an expression has between two times."""
        times = {"start": str(start), "end": str(end), "step": str(step)}
        return self._results("/api/v1/query_range", query=expr, **times)

    def _results(self, path: str, **parameters: str) -> list[dict[str, Any]]:
        answer = self.get(path, **parameters)
        if answer is None:
            return []
        results: list[dict[str, Any]] = answer["data"]["result"]
        return results

    def firing(self, name: str, **labels: str) -> bool:
        """Whether an alert with these labels fires."""
        return self._alert(name, "firing", labels)

    def pending(self, name: str, **labels: str) -> bool:
        """Whether an alert with these labels is pending."""
        return self._alert(name, "pending", labels)

    def _alert(self, name: str, state: str, labels: dict[str, str]) -> bool:
        wanted = {"alertname": name, **labels}
        answer = self.get("/api/v1/alerts")
        active = [] if answer is None else answer["data"]["alerts"]
        return any(alert["state"] == state and wanted.items() <= alert["labels"].items() for alert in active)


def watching(
    directory: Path, durations: Mapping[str, str], ports: Sequence[int], told_to: Server | None = None
) -> dict[str, Any]:
    """Return a configuration that looks every second at workers of this machine, with the project's own rules.

    Only durations differ: how long an alert is pending, and how long it outlives its cause, by the table given.
    """
    every_second = {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
    managers = [] if told_to is None else [{"static_configs": [{"targets": [told_to.url.removeprefix("http://")]}]}]
    return {
        "global": every_second,
        "rule_files": [str(_shorter(file, directory, durations)) for file in RULE_FILES],
        "alerting": {"alertmanagers": managers},
        "scrape_configs": [
            {"job_name": "odr", "static_configs": [{"targets": [f"127.0.0.1:{port}" for port in ports]}]}
        ],
    }


def _shorter(file: Path, directory: Path, durations: Mapping[str, str]) -> Path:
    told = yaml.safe_load(file.read_text(encoding="utf-8"))
    for group in told["groups"]:
        group.pop("interval", None)
        for rule in group["rules"]:
            rule |= {name: durations[rule[name]] for name in ("for", "keep_firing_for") if rule.get(name) in durations}
    copy = directory / file.name
    copy.write_text(yaml.safe_dump(told), encoding="utf-8")
    return copy


@contextlib.contextmanager
def prometheus(directory: Path, config: dict[str, Any], *flags: str) -> Iterator[Server]:
    """Run a Prometheus of its own; `directory` holds its configuration, log and data."""
    directory.mkdir(exist_ok=True)
    file = directory / "prometheus.yml"
    file.write_text(yaml.safe_dump(config), encoding="utf-8")
    storage = f"--storage.tsdb.path={directory / 'data'}"
    with _served(directory, "prometheus", [f"--config.file={file}", storage, *flags]) as server:
        yield server


@contextlib.contextmanager
def alertmanager(directory: Path, config: dict[str, Any]) -> Iterator[Server]:
    """Run an Alertmanager of its own."""
    directory.mkdir(exist_ok=True)
    file = directory / "alertmanager.yml"
    file.write_text(yaml.safe_dump(config), encoding="utf-8")
    # Without an address of the cluster it listens for other Alertmanagers on none.
    flags = [f"--config.file={file}", f"--storage.path={directory / 'data'}", "--cluster.listen-address="]
    with _served(directory, "prometheus-alertmanager", flags) as server:
        yield server


@contextlib.contextmanager
def _served(directory: Path, name: str, flags: Sequence[str]) -> Iterator[Server]:
    port = free_port()
    command = [tool(name), *flags, f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn"]
    log = directory / f"{name}.log"
    with log.open("w") as output:
        process = subprocess.Popen(command, cwd=directory, stdout=output, stderr=output)
    server = Server(f"http://127.0.0.1:{port}")

    def ready() -> bool:
        assert process.poll() is None, log.read_text()
        return _answers(server)

    try:
        eventually(ready, f"{name} ready", 30)
        yield server
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _answers(server: Server) -> bool:
    try:
        with urllib.request.urlopen(f"{server.url}/-/ready", timeout=5) as answer:
            ready: bool = answer.status == 200
            return ready
    except OSError:
        return False
