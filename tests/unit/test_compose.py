"""The compose file and the image agree with the code and with each other: variables, ports, commands, paths, order."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import yaml

from stream import __version__
from stream.cli import main
from stream.settings import SECRETS, Settings, variable
from stream.tools.prometheus import JOB, RULE_FILES
from tests.broker.harness import free_port

ROOT = Path(__file__).parents[2]


def read_yaml(path: str) -> Any:
    return yaml.safe_load((ROOT / path).read_text(encoding="utf-8"))


COMPOSE: dict[str, Any] = read_yaml("docker-compose.yml")
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = [name for name, service in SERVICES.items() if "build" in service]
DOCKERFILE = (ROOT / ".docker/Dockerfile").read_text(encoding="utf-8")
DEMO = dict(line.split("=") for line in (ROOT / ".env").read_text(encoding="utf-8").splitlines() if line[0] != "#")
PORT = Settings.model_fields["http_port"].default


def mounts(name: str) -> dict[str, str]:
    """What a service mounts, by where it sees it."""
    found = [volume.split(":") for volume in SERVICES[name].get("volumes", [])]
    return {mounted[1]: mounted[0] for mounted in found}


def here(name: str, path: str) -> Path:
    """The file of the checkout that a service sees at a path."""
    target = max((target for target in mounts(name) if path.startswith(target)), key=len)
    return ROOT / mounts(name)[target] / path[len(target) :].lstrip("/")


# --- As the program that reads it sees it -----------------------------------------------------------------------------


def ran(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240, check=False)


def compose_reader() -> list[str] | None:
    """Return the command of Docker Compose that checks a file, else of the loader inside it, else None."""
    for command in (["docker", "compose"], ["docker-compose"]):
        if shutil.which(command[0]) and ran([*command, "version"]).returncode == 0:
            return [*command, "-f", "docker-compose.yml", "config", "--quiet"]
    if shutil.which("go"):
        loader = "github.com/compose-spec/compose-go/v2/cmd@v2.9.1"
        return ["go", "run", loader, "-no-interpolation", "docker-compose.yml"]
    return None


def test_docker_compose_accepts_the_file() -> None:
    command = compose_reader()
    if command is None:
        if os.environ.get("CI"):
            pytest.fail("neither Docker Compose nor go is here", pytrace=False)
        pytest.skip("neither Docker Compose nor go is here")
    read = ran(command)
    assert read.returncode == 0, read.stderr


# --- Settings ---------------------------------------------------------------------------------------------------------


def test_every_variable_is_a_setting() -> None:
    known = {variable(name) for name in Settings.model_fields} | {f"{variable(name)}_FILE" for name in SECRETS}
    used = {name for service in OURS for name in SERVICES[service]["environment"]}
    assert used
    assert used <= known


def test_a_worker_gets_every_setting_but_those_that_its_container_decides() -> None:
    by_the_container = {"data_dir", "http_port", "http_advertised"}
    given = SERVICES["worker"]["environment"].keys()
    assert {variable(name) for name in Settings.model_fields.keys() - by_the_container} - given == set()
    assert f"ENV PATH=/opt/odr/bin:$PATH {variable('data_dir')}=" in DOCKERFILE


@pytest.mark.parametrize("name", OURS)
def test_a_services_settings_and_command_are_accepted(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for setting, value in SERVICES[name]["environment"].items():
        monkeypatch.delenv(setting, raising=False)
        told = DEMO.get(setting) if value is None or value.startswith("${") else str(value)
        if told is not None:
            monkeypatch.setenv(setting, told)
    settings = Settings.read()
    assert (settings.topic_prefix, settings.brokers) == ("demo.", "kafka:9092")
    command = SERVICES[name].get("command", ["worker"])
    assert command[0] in main.commands
    assert main.commands[command[0]].make_context(command[0], list(command[1:])).params


def test_made_up_orders_never_go_to_a_broker_that_was_named_from_outside() -> None:
    environment = SERVICES["simulator"]["environment"]
    assert environment == {"STREAM_BROKERS": "kafka:9092", "STREAM_TOPIC_PREFIX": "demo."}


def test_without_the_demos_profile_neither_kafka_nor_made_up_orders_start() -> None:
    assert DEMO["COMPOSE_PROFILES"] == "demo"
    assert {name for name, service in SERVICES.items() if service.get("profiles")} == {"kafka", "simulator"}
    needed = {of for service in SERVICES.values() for of, how in needs(service).items() if how.get("required", True)}
    assert needed & {"kafka", "simulator"} == set()
    assert COMPOSE["x-settings"]["STREAM_BROKERS"].startswith("${STREAM_BROKERS:?")


# --- Ports, images, paths ---------------------------------------------------------------------------------------------


def test_no_port_is_open_beyond_this_machine() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_images_are_pinned() -> None:
    assert all(re.search(r":v?\d+\.\d+\.\d+$", service["image"]) for service in SERVICES.values())
    assert {SERVICES[name]["image"] for name in OURS} == {f"odr-stream:{__version__}"}
    bases = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    assert len(set(bases)) == 1
    assert re.fullmatch(r"python:\d+\.\d+\.\d+-slim", bases[0])


def test_every_path_that_is_mounted_is_there_and_every_volume_is_declared() -> None:
    sources = [source for name in SERVICES for source in mounts(name).values()]
    assert len(sources) >= 8
    for source in sources:
        assert (ROOT / source).exists() if source.startswith(".") else source in COMPOSE["volumes"], source


def test_what_the_image_copies_is_there_and_sent_and_it_does_not_run_as_root() -> None:
    copied = [path for paths in re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.M) for path in paths.split()]
    sent = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert copied
    assert set(copied) == sent
    assert all((ROOT / path).exists() for path in copied)
    assert re.search(r"^USER (?!root)", DOCKERFILE, re.MULTILINE)
    assert f"EXPOSE {PORT}" in DOCKERFILE


# --- Workers, one or many ---------------------------------------------------------------------------------------------


def test_each_worker_has_a_port_and_a_data_directory_of_its_own() -> None:
    worker = SERVICES["worker"]
    assert worker["ports"] == [f"127.0.0.1:{PORT}-{PORT + 9}:{PORT}"]
    assert "volumes" not in worker  # a named one would be shared: the second worker would find it locked
    assert re.search(r"^VOLUME (\S+)$", DOCKERFILE, re.M)[1] == re.search(r"STREAM_DATA_DIR=(\S+)", DOCKERFILE)[1]  # type: ignore[index]


def test_workers_listen_on_every_address_and_advertise_their_own_name() -> None:
    environment = SERVICES["worker"]["environment"]
    assert environment["STREAM_HTTP_HOST"] == "0.0.0.0"  # inside the container
    assert "STREAM_HTTP_ADVERTISED" not in environment  # one address for all of them would be wrong


# --- Start order and health checks ------------------------------------------------------------------------------------


def needs(service: dict[str, Any]) -> dict[str, dict[str, Any]]:
    wanted: dict[str, dict[str, Any]] = service.get("depends_on", {})
    return wanted


def test_services_wait_for_what_they_need() -> None:
    conditions = {
        name: {of: how["condition"] for of, how in needs(service).items()} for name, service in SERVICES.items()
    }
    assert conditions == {
        "kafka": {},
        "topics": {"kafka": "service_healthy"},
        "worker": {"topics": "service_completed_successfully"},
        "simulator": {"topics": "service_completed_successfully"},
        "alertmanager": {},
        "prometheus": {"worker": "service_started", "alertmanager": "service_healthy"},
        "grafana": {"prometheus": "service_healthy"},
    }


def test_what_goes_on_running_has_a_health_check_and_is_started_again() -> None:
    assert {name for name, service in SERVICES.items() if "healthcheck" not in service} == {"topics"}
    again = {name for name, service in SERVICES.items() if service.get("restart") == "unless-stopped"}
    assert again == SERVICES.keys() - {"topics", "simulator"}


def test_health_checks_ask_at_a_port_that_is_published() -> None:
    for name, port in {"worker": PORT, "prometheus": 9090, "alertmanager": 9093, "grafana": 3000}.items():
        assert re.search(rf"http://(localhost|127\.0\.0\.1):{port}\b", " ".join(SERVICES[name]["healthcheck"]["test"]))
        assert SERVICES[name]["ports"][0].endswith(f":{port}")


@contextmanager
def answering(status: int) -> Iterator[int]:
    """A server that answers like a worker; yields its port."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/healthz" else 404)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its parent's name
            pass

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


def healthy(name: str, usual_port: int, port: int) -> bool:
    """Run a service's health check, but against a port of this machine; return whether it is content."""
    kind, program, option, code = SERVICES[name]["healthcheck"]["test"]
    assert (kind, program) == ("CMD", "python")
    assert str(usual_port) in code
    asked = code.replace("kafka", "127.0.0.1").replace(str(usual_port), str(port))
    return ran([sys.executable, option, asked]).returncode == 0


def test_the_workers_health_check_believes_a_good_answer_only() -> None:
    with answering(200) as port:
        assert healthy("worker", PORT, port)
    with answering(503) as port:
        assert not healthy("worker", PORT, port)
    assert not healthy("worker", PORT, free_port())


def test_the_simulators_health_check_wants_its_broker() -> None:
    with answering(200) as port:
        assert healthy("simulator", 9092, port)
    assert not healthy("simulator", 9092, free_port())


# --- Prometheus, Alertmanager, Grafana --------------------------------------------------------------------------------


@pytest.mark.usefixtures("prometheus_here")
def test_prometheus_accepts_its_settings_its_flags_and_its_health_check() -> None:
    checked = ran(["promtool", "check", "config", "grafana/prometheus/prometheus.yml"])
    assert checked.returncode == 0, checked.stderr
    told = ran(["prometheus", "--help"])
    known = set(re.findall(r"--[\w.-]+", told.stdout + told.stderr))
    assert {flag.split("=")[0] for flag in SERVICES["prometheus"]["command"]} <= known
    kind, *command = SERVICES["prometheus"]["healthcheck"]["test"]
    asked = ran([word.replace("9090", str(free_port())) for word in command])
    assert (kind, asked.returncode) == ("CMD", 1)
    assert "connection refused" in asked.stderr


def test_prometheus_keeps_a_replayed_history_and_finds_workers_rules_and_alertmanager() -> None:
    settings = read_yaml("grafana/prometheus/prometheus.yml")
    command = SERVICES["prometheus"]["command"]
    assert "--storage.tsdb.retention.time=400d" in command
    assert here("prometheus", command[0].split("=")[1]) == ROOT / "grafana/prometheus/prometheus.yml"
    assert tuple(settings["rule_files"]) == RULE_FILES
    assert all((ROOT / "grafana/prometheus" / name).exists() for name in RULE_FILES)
    workers = settings["scrape_configs"][0]
    assert workers["job_name"] == JOB
    assert workers["dns_sd_configs"][0] | {"refresh_interval": ""} == {
        "names": ["worker"],
        "type": "A",
        "port": PORT,
        "refresh_interval": "",
    }
    (alertmanager,) = settings["alerting"]["alertmanagers"][0]["static_configs"][0]["targets"]
    assert alertmanager == f"alertmanager:{SERVICES['alertmanager']['ports'][0].split(':')[-1]}"
    assert here("alertmanager", SERVICES["alertmanager"]["command"][0].split("=")[1]).exists()


def test_grafana_shows_the_provisioned_dashboards_and_begins_with_the_overview() -> None:
    (source,) = read_yaml("grafana/provisioning/datasources/prometheus.yml")["datasources"]
    assert (source["uid"], source["type"], source["url"]) == ("prometheus", "prometheus", "http://prometheus:9090")
    (provider,) = read_yaml("grafana/provisioning/dashboards/odr.yml")["providers"]
    assert provider["allowUiUpdates"] is False
    assert here("grafana", provider["options"]["path"]) == ROOT / "grafana/dashboards"
    environment = SERVICES["grafana"]["environment"]
    home = here("grafana", environment["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    assert home == ROOT / "grafana/dashboards/overview.json"
    assert home.exists()
    assert environment["GF_AUTH_ANONYMOUS_ORG_ROLE"] == "Viewer"
