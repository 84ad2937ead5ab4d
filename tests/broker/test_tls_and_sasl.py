"""TLS and logins on a real broker: every part of the program comes in, and who can't is told why in one line."""

import asyncio
import gzip
import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from stream.connection import KafkaError
from stream.settings import Settings, SettingsError
from stream.tools.topics import input_partitions
from tests.broker.harness import Cluster, assert_exact, eventually, free_port, history
from tests.broker.secured import MECHANISMS, PASSWORD, USER, Secured, secured_broker

pytestmark = [pytest.mark.broker, pytest.mark.usefixtures("kafka_here")]

TOKEN = "tok3n-c6f0b2e1"
WRONG = "s3cret-but-wrong"
WITHIN_SECONDS = 30
LOGINS = [("SASL_SSL", mechanism) for mechanism in MECHANISMS] + [
    ("SASL_PLAINTEXT", mechanism) for mechanism in MECHANISMS
]
DOORS = [("SSL", "PLAIN"), *LOGINS]


@pytest.fixture(scope="module")
def secured(kafka_here: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:  # noqa: ARG001 - for its skip
    with secured_broker(tmp_path_factory.mktemp("secured")) as running:
        yield running


def cluster(secured: Secured, prefix: str, directory: Path, listener: str, **settings: str) -> Cluster:
    """Commands and workers that come to a listener; the harness itself looks in by the open one."""
    return Cluster(secured.bootstrap, prefix, directory, secured.door(listener, **settings))


# --- Who may come in --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("listener", "mechanism"), DOORS)
def test_topics_ingest_and_a_worker_come_in_by_every_door(
    secured: Secured, topic_prefix: str, tmp_path: Path, listener: str, mechanism: str
) -> None:
    here = cluster(secured, topic_prefix, tmp_path, listener, STREAM_SASL_MECHANISM=mechanism)
    made = here.odr("topics")
    assert (made.returncode, made.stderr) == (0, "")
    events = history(150, seed=20)
    file = tmp_path / "events.jsonl.gz"
    lines = [json.dumps({"topic": topic, "key": value["seller_id"], "value": value}) for topic, value in events]
    file.write_bytes(gzip.compress("\n".join(lines).encode()))
    ingested = here.odr("ingest", "events", str(file))
    assert ingested.stdout == f"{len(events)} events produced, 0 lines refused\n"
    assert ingested.stderr == ""
    with here.worker() as worker:
        worker.await_ready()
        here.await_caught_up()
        assert_exact([worker], events)
        assert worker.stop() == 0
        assert "WARNING" not in worker.log()


def test_the_password_may_come_from_a_file(secured: Secured, topic_prefix: str, tmp_path: Path) -> None:
    (tmp_path / "password").write_text(f"{PASSWORD}\n", encoding="utf-8")
    here = cluster(secured, topic_prefix, tmp_path, "SASL_SSL", STREAM_SASL_MECHANISM="SCRAM-SHA-512")
    del here.environment["STREAM_SASL_PASSWORD"]
    here.environment["STREAM_SASL_PASSWORD_FILE"] = str(tmp_path / "password")
    assert here.odr("topics").returncode == 0


def test_of_several_brokers_one_that_answers_is_enough(secured: Secured, topic_prefix: str, tmp_path: Path) -> None:
    brokers = f"127.0.0.1:{free_port()},localhost:{secured.addresses['SSL'].rpartition(':')[2]}"
    here = cluster(secured, topic_prefix, tmp_path, "SSL", STREAM_BROKERS=brokers)
    assert here.odr("topics").returncode == 0


# --- Who may not ------------------------------------------------------------------------------------------------------

SET_BOTH = "STREAM_SASL_USERNAME and STREAM_SASL_PASSWORD (or STREAM_SASL_PASSWORD_FILE) must be set for "


def told(environment: dict[str, str]) -> str:
    """Ask for the topics as every command does first; return the one line that it ends with."""
    settings = {name.removeprefix("STREAM_").lower(): value for name, value in environment.items() if value}
    began = time.monotonic()
    with pytest.raises((KafkaError, SettingsError)) as refused:
        asyncio.run(input_partitions(Settings.read(**settings)))
    assert time.monotonic() - began < WITHIN_SECONDS
    line = str(refused.value)
    assert line.isprintable()
    assert PASSWORD not in line
    assert WRONG not in line
    return line


@pytest.mark.parametrize(
    ("listener", "settings", "wrong"),
    [
        ("SSL", {"STREAM_TLS_CA": ""}, "an authority that the system doesn't trust; STREAM_TLS_CA names others"),
        ("SSL", {"STREAM_TLS_CA": "{other}"}, "an authority that isn't in STREAM_TLS_CA={other}"),
        ("SASL_SSL", {"STREAM_TLS_CA": "{other}"}, "an authority that isn't in STREAM_TLS_CA={other}"),
        ("SSL", {"STREAM_TLS_CA": "missing.pem"}, "STREAM_TLS_CA: missing.pem: "),
        ("SSL", {"STREAM_TLS_CA": "/dev/null"}, "STREAM_TLS_CA: /dev/null: "),
        ("EXPIRED", {}, "shows a certificate of another time than now"),
        ("ELSEWHERE", {}, "shows a certificate of another name than in STREAM_BROKERS"),
        ("MUTUAL", {}, "asks for a certificate of ours, which is not supported"),
        ("SASL_SSL", {"STREAM_SASL_USERNAME": ""}, SET_BOTH),
        ("SASL_PLAINTEXT", {"STREAM_SASL_PASSWORD": ""}, SET_BOTH),
        ("SCRAM_ONLY", {}, "doesn't take STREAM_SASL_MECHANISM=PLAIN"),
        ("ASTRAY", {}, "can't be reached where it says that it is: see its advertised.listeners"),
    ],
)
def test_who_cannot_come_in_is_told_which_setting_is_wrong(
    secured: Secured, listener: str, settings: dict[str, str], wrong: str
) -> None:
    other = str(secured.other_authority)
    asked = {name: value.replace("{other}", other) for name, value in settings.items()}
    assert wrong.replace("{other}", other) in told(secured.door(listener, **asked))


@pytest.mark.parametrize(("listener", "mechanism"), LOGINS)
@pytest.mark.parametrize("wrong", [{"STREAM_SASL_PASSWORD": WRONG}, {"STREAM_SASL_USERNAME": "mallory"}])
def test_a_wrong_password_and_an_unknown_user_are_told_alike(
    secured: Secured, listener: str, mechanism: str, wrong: dict[str, str]
) -> None:
    line = told(secured.door(listener, STREAM_SASL_MECHANISM=mechanism, **wrong))
    user = wrong.get("STREAM_SASL_USERNAME", USER)
    assert f"the broker at {secured.addresses[listener]} (STREAM_BROKERS) refuses the login: " in line
    assert f"STREAM_SASL_USERNAME={user}, STREAM_SASL_PASSWORD or STREAM_SASL_MECHANISM={mechanism} is wrong" in line


PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")


@pytest.mark.parametrize(
    ("protocol", "listener"), [(mine, theirs) for mine in PROTOCOLS for theirs in PROTOCOLS if mine != theirs]
)
def test_another_protocol_than_the_brokers_is_told_as_what_it_is(
    secured: Secured, protocol: str, listener: str
) -> None:
    address = secured.addresses[listener]
    line = told(secured.door("SASL_SSL", STREAM_SECURITY_PROTOCOL=protocol, STREAM_BROKERS=address))
    assert f"STREAM_SECURITY_PROTOCOL={protocol} is likely wrong" in line
    assert f"the broker at {address} (STREAM_BROKERS)" in line


def test_of_several_brokers_the_one_that_says_something_is_told_of(secured: Secured) -> None:
    brokers = f"127.0.0.1:{free_port()},{secured.addresses['SASL_SSL']}"
    line = told(secured.door("SASL_SSL", STREAM_BROKERS=brokers, STREAM_SASL_PASSWORD=WRONG))
    assert f"the broker at {secured.addresses['SASL_SSL']} (STREAM_BROKERS) refuses the login: " in line


COMMANDS = [("topics",), ("ingest", "events", "{file}"), ("simulate", "--only-history"), ("worker",)]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_tells_it_in_one_line_and_fails(
    secured: Secured, topic_prefix: str, tmp_path: Path, command: tuple[str, ...]
) -> None:
    file = tmp_path / "events.jsonl"
    file.write_text('{"topic": "orders", "key": "S", "value": {}}\n', encoding="utf-8")
    here = cluster(secured, topic_prefix, tmp_path, "SASL_SSL", STREAM_SASL_PASSWORD=WRONG)
    began = time.monotonic()
    ended = here.odr(*(word.replace("{file}", str(file)) for word in command), STREAM_HTTP_PORT="0")
    assert time.monotonic() - began < WITHIN_SECONDS
    assert (ended.returncode, ended.stdout, ended.stderr.count("\n")) == (1, "", 1), ended.stderr
    assert ended.stderr.startswith("odr: the broker at ")
    assert "refuses the login: " in ended.stderr
    assert WRONG not in ended.stderr


# --- What is never said -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-512"])
def test_a_worker_that_tells_everything_tells_no_secret(
    secured: Secured, topic_prefix: str, tmp_path: Path, mechanism: str
) -> None:
    settings = {"STREAM_SASL_MECHANISM": mechanism, "STREAM_HTTP_TOKEN": TOKEN}
    here = cluster(secured, topic_prefix, tmp_path, "SASL_SSL", **settings)
    assert here.odr("topics").returncode == 0
    here.produce(history(20, seed=21))
    with here.worker(flags=["--verbose"]) as worker, here.worker("other", flags=["--verbose"]) as other:
        eventually(lambda: worker.partitions() and other.partitions(), "two workers share")
        here.await_caught_up()
        pages = (
            "/",
            "/metrics",
            "/readyz",
            "/healthz",
            "/api/sellers",
            "/api/sellers/S1/health",
            "/api/sellers/no/defects",
        )
        for path in pages:
            for authorization in (f"Bearer {TOKEN}", "Bearer wrong", f"Bearer\t{TOKEN}"):
                _, body, headers = worker.get(path, Authorization=authorization)
                assert TOKEN not in f"{body.decode()} {headers}"
                assert PASSWORD not in f"{body.decode()} {headers}"
        assert worker.stop() == 0
        assert other.stop() == 0
    for log in (worker.log(), other.log()):
        assert f"Authenticated as {USER} via {mechanism}" in log  # as much as it tells
        assert TOKEN not in log
        assert PASSWORD not in log
