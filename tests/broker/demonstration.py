"""`odr demo` as a newcomer starts it, and what a test asks of its Prometheus."""

import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tests.broker.harness import eventually, free_port

PROGRAM = (sys.executable, "-m", "stream")


class Demo:
    """`odr demo` in a directory of its own, with a broker of its own unless the environment names one."""

    def __init__(
        self, directory: Path, program: Sequence[str], flags: Sequence[str], environment: Mapping[str, str]
    ) -> None:
        self.directory = directory
        self.port = free_port()
        clean = {name: value for name, value in os.environ.items() if not name.startswith("STREAM_")}
        self._told = directory / "told.txt"
        self.process = subprocess.Popen(
            [*program, "demo", "--http-port", str(self.port), *flags],
            cwd=directory,
            env={**clean, **environment},
            stderr=self._told.open("w"),
        )

    def said(self) -> str:
        return self._told.read_text()

    def await_block(self) -> str:
        """Return what it says once everything runs."""

        def told() -> bool:
            assert self.process.poll() is None, self.said()
            return "Ctrl-C stops everything" in self.said()

        eventually(told, "the demo says where everything is", 180)
        return self.said()

    def interrupt(self) -> None:
        """Press Ctrl-C; fail unless that ends it as it should, and all that it started."""
        self.process.send_signal(signal.SIGINT)
        assert self.process.wait(60) == 0, self.said()
        # What it was just starting when it was interrupted ends by itself, once it finds its parent gone.
        eventually(lambda: at_work_in(self.directory) == [], "all that it started has ended", 20)


@contextmanager
def demo(
    directory: Path, program: Sequence[str] = PROGRAM, flags: Sequence[str] = (), **environment: str
) -> Iterator[Demo]:
    running = Demo(directory, program, flags, environment)
    try:
        yield running
    finally:
        running.process.kill()
        running.process.wait()


def at_work_in(directory: Path) -> list[str]:
    """Return the command of every process that works in a directory or below it."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it may have ended meanwhile
            if (process / "cwd").resolve(strict=True).is_relative_to(directory):
                found.append((process / "cmdline").read_text().replace("\0", " "))
    return [command for command in found if command]


def api(address: str, path: str) -> Any:
    try:
        with urllib.request.urlopen(f"{address}/api/v1/{path}", timeout=5) as answer:
            return json.load(answer)["data"]
    except OSError:
        return None


def alerts_address(said: str) -> str:
    found = re.search(r"(http://127\.0\.0\.1:\d+)/alerts", said)
    assert found, said
    return found[1]


def scrape_health(address: str) -> list[str]:
    return [target["health"] for target in (api(address, "targets") or {}).get("activeTargets", [])]


def evaluated(address: str) -> list[dict[str, Any]] | None:
    """Return the rules that have no long interval of their own, once each has been evaluated for the first time."""
    groups = [group for group in (api(address, "rules") or {}).get("groups", []) if group["interval"] < 60]
    rules = [rule for group in groups for rule in group["rules"]]
    return None if not rules or any(rule["health"] == "unknown" for rule in rules) else rules


def asked(address: str, query: str) -> float:
    result = api(address, f"query?query={quote(query)}")["result"]
    return float(result[0]["value"][1]) if result else 0.0
