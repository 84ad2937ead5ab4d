"""The compose file and the image agree with the code: variables, ports, commands and paths are real."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from stream.cli import main
from stream.settings import Settings, variable

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = [name for name, service in SERVICES.items() if "build" in service]


def environments() -> list[dict[str, str]]:
    return [service.get("environment", {}) for service in SERVICES.values()]


def test_every_variable_is_a_setting() -> None:
    known = {variable(name) for name in Settings.model_fields}
    used = {name for environment in environments() for name in environment if name.startswith("STREAM_")}
    assert used
    assert used <= known


@pytest.mark.parametrize("name", OURS)
def test_a_services_settings_and_command_are_accepted(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for setting, value in SERVICES[name]["environment"].items():
        monkeypatch.setenv(setting, str(value))
    assert Settings.read().topic_prefix == "demo."
    command = SERVICES[name].get("command", ["worker"])
    assert command[0] in main.commands
    context = main.commands[command[0]].make_context(command[0], list(command[1:]))
    assert context.params


def test_no_port_is_open_beyond_this_machine() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_images_are_pinned_and_every_named_volume_is_declared() -> None:
    for service in SERVICES.values():
        assert re.search(r":\d+\.\d+\.\d+$", service["image"])
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert (ROOT / source).exists() if source.startswith(".") else source in COMPOSE["volumes"]


def test_services_wait_for_what_they_need() -> None:
    conditions = {
        name: {of: wanted["condition"] for of, wanted in service.get("depends_on", {}).items()}
        for name, service in SERVICES.items()
    }
    assert conditions["topics"] == {"kafka": "service_healthy"}
    assert conditions["worker"] == conditions["simulator"] == {"topics": "service_completed_successfully"}
    assert "healthcheck" in SERVICES["kafka"]
    assert "healthcheck" in SERVICES["worker"]


def test_the_worker_listens_where_its_port_and_health_check_expect_it() -> None:
    worker = SERVICES["worker"]
    port = Settings.model_fields["http_port"].default
    assert worker["ports"] == [f"127.0.0.1:{port}:{port}"]
    assert f"http://localhost:{port}/healthz" in worker["healthcheck"]["test"][-1]
    assert worker["environment"]["STREAM_HTTP_ADVERTISED"] == f"worker:{port}"


def test_what_the_image_copies_is_there_and_it_does_not_run_as_root() -> None:
    dockerfile = (ROOT / SERVICES["worker"]["build"]["dockerfile"]).read_text(encoding="utf-8")
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", dockerfile, re.MULTILINE)
    assert copied
    assert all((ROOT / path).exists() for paths in copied for path in paths.split())
    assert re.search(r"^USER (?!root)", dockerfile, re.MULTILINE)
    assert f"EXPOSE {Settings.model_fields['http_port'].default}" in dockerfile
