"""The demo's Prometheus, where one is installed: it scrapes the worker and evaluates the project's own rules."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import stream
from stream.settings import Settings
from stream.tools import child
from stream.tools.kafka import free_port

RULE_FILES: Final = ("recording.yml", "alerts.yml")
JOB: Final = "odr"
"""What rules and dashboards call the scrapes of workers."""

_USUAL_PORT: Final = "9090"
_INTERVAL: Final = "5s"  # a third of the usual one: who watches a demo waits for it
_STOP_SECONDS: Final = 10.0


class Prometheus(NamedTuple):
    """A Prometheus that was started; whether it answers yet is for others to ask."""

    address: str
    log: Path
    process: subprocess.Popen[bytes]


def grafana_directory() -> Path:
    """Return where rules, dashboards and runbooks are: inside the package when installed, beside it in a checkout."""
    package = Path(stream.__file__).parent
    return next(found for place in (package, package.parent) if (found := place / "grafana").is_dir())


def installed() -> bool:
    """Return whether there is a Prometheus to start."""
    return shutil.which("prometheus") is not None


@contextmanager
def running(directory: Path, settings: Settings) -> Iterator[Prometheus]:
    """Run a Prometheus of its own, on loopback, whose data, settings and log are in `directory`.

    It has its usual port if nobody else does.
    """
    directory.mkdir(parents=True)
    address = f"127.0.0.1:{free_port([_USUAL_PORT])}"
    log_path = directory / "prometheus.log"
    (directory / "prometheus.yml").write_text(json.dumps(_configuration(directory, settings)), encoding="utf-8")
    with (
        log_path.open("wb") as log,
        child.running(_command(address), directory=directory, output=log, stop_seconds=_STOP_SECONDS) as process,
    ):
        yield Prometheus(f"http://{address}", log_path, process)


def _command(address: str) -> list[str]:
    return [
        "prometheus",
        "--config.file=prometheus.yml",
        "--storage.tsdb.path=data",
        f"--web.listen-address={address}",
        "--log.level=warn",
    ]


def _configuration(directory: Path, settings: Settings) -> dict[str, Any]:
    """Return what prometheus.yml must say; JSON is YAML too."""
    worker = f"{settings.http_host}:{settings.http_port}"
    scrape: dict[str, Any] = {"job_name": JOB, "static_configs": [{"targets": [worker]}]}
    if settings.http_token is not None:
        scrape["authorization"] = {"credentials_file": _secret(directory, settings.http_token.get_secret_value())}
    rules = grafana_directory() / "prometheus"
    return {
        "global": {"scrape_interval": _INTERVAL, "scrape_timeout": _INTERVAL, "evaluation_interval": _INTERVAL},
        "rule_files": [str(rules / name) for name in RULE_FILES],
        "scrape_configs": [scrape],
    }


def _secret(directory: Path, token: str) -> str:
    path = directory / "token"
    path.touch(mode=0o600)
    path.write_text(token, encoding="utf-8")
    return path.name
