"""The program as it is installed: from a wheel, in an environment of its own, far from the checkout."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from stream.tools.kafka import Broker
from stream.tools.prometheus import RULE_FILES
from tests.broker.demonstration import alerts_address, demo, evaluated, scrape_health
from tests.broker.harness import eventually

pytestmark = pytest.mark.broker

ROOT = Path(__file__).parents[2]
CLEAN = {name: value for name, value in os.environ.items() if not name.startswith(("STREAM_", "PYTHON"))}


def ran(*command: object, at: Path) -> str:
    """Run a command to its good end in a directory; return what it says."""
    told = subprocess.run(
        [str(word) for word in command], cwd=at, env=CLEAN, capture_output=True, text=True, timeout=240, check=False
    )
    assert told.returncode == 0, told.stderr
    return told.stdout


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of an environment with nothing but the wheel, built from the checkout, and what it needs."""
    here = tmp_path_factory.mktemp("installed")
    ran(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", here, ROOT, at=here)
    (wheel,) = here.glob("*.whl")
    ran(sys.executable, "-m", "venv", here / "venv", at=here)
    ran(here / "venv/bin/pip", "install", "--quiet", wheel, at=here)
    return here / "venv"


def packed(environment: Path) -> Path:
    """Where the installed package is."""
    asked = "import stream; print(stream.__path__[0])"
    package = Path(ran(environment / "bin/python", "-c", asked, at=environment).strip())
    assert package.is_relative_to(environment)
    return package


def test_an_installed_wheel_has_every_file_that_is_no_code(environment: Path) -> None:
    package = packed(environment)
    data = [path.relative_to(ROOT) for path in (ROOT / "stream").rglob("*") if path.is_file() and is_data(path)]
    for of in ("alertmanager", "dashboards", "prometheus", "provisioning", "runbooks"):
        found_there = [path.relative_to(ROOT) for path in (ROOT / "grafana" / of).rglob("*") if path.is_file()]
        assert found_there, of
        data += found_there
    for path in data:
        installed = package / (path.relative_to("stream") if path.parts[0] == "stream" else path)
        assert installed.read_bytes() == (ROOT / path).read_bytes()
    asked = "from stream.tools.prometheus import grafana_directory; print(grafana_directory())"
    found = Path(ran(environment / "bin/python", "-c", asked, at=environment).strip())
    assert found == package / "grafana"
    assert all((found / "prometheus" / name).exists() for name in RULE_FILES)


def is_data(path: Path) -> bool:
    return path.suffix not in {".py", ".pyc"}


@pytest.mark.parametrize("command", [["--help"], ["topics", "--help"], ["worker", "--help"], ["--version"]])
def test_an_installed_program_tells_how_it_is_used(environment: Path, command: list[str]) -> None:
    assert "odr" in ran(environment / "bin/odr", *command, at=environment)


@pytest.mark.usefixtures("prometheus_here")
def test_an_installed_demo_runs_with_its_pages_and_its_alerts(
    environment: Path, broker: Broker, tmp_path: Path
) -> None:
    used: Mapping[str, str] = {"PYTHONPATH": "", "STREAM_BROKERS": broker.bootstrap}
    with demo(tmp_path, [str(environment / "bin/odr")], **used) as running:
        address = alerts_address(running.await_block())
        eventually(lambda: scrape_health(address) == ["up"], "the worker is a healthy target")
        rules = eventually(lambda: evaluated(address), "every rule has been evaluated")
        assert {rule["type"] for rule in rules} == {"recording", "alerting"}
        running.interrupt()
