"""Settings: what the environment, flags and files say, and the one line that a wrong value gives."""

import os
from datetime import UTC
from fractions import Fraction
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError

from stream.metrics import TARGETS
from stream.rules import Marketplace, Rules
from stream.settings import Settings, SettingsError, read_targets, variable
from tests.builders import DE, US, D

MonkeyPatch = pytest.MonkeyPatch


@pytest.fixture(autouse=True)
def _empty_environment(monkeypatch: MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith("STREAM_"):
            monkeypatch.delenv(name)


def refused(**flags: Any) -> str:
    """The message of the settings' error, which is one line."""
    with pytest.raises(SettingsError) as error:
        _ = Settings.read(**flags).rules
    message = str(error.value)
    assert "\n" not in message
    return message


def written(folder: Path, text: str) -> Path:
    path = folder / "targets.toml"
    path.write_text(text, encoding="utf-8")
    return path


# --- Where values come from -------------------------------------------------------------------------------------------


def test_without_anything_set_the_defaults_are_the_contracts() -> None:
    settings = Settings.read()
    assert {
        name: getattr(settings, name)
        for name in ("brokers", "topic_prefix", "group", "partitions", "replication", "http_host", "http_port")
    } == {
        "brokers": "localhost:9092",
        "topic_prefix": "",
        "group": "odr",
        "partitions": 8,
        "replication": 1,
        "http_host": "127.0.0.1",
        "http_port": 6066,
    }
    assert (settings.data_dir, settings.export, settings.today, settings.http_token) == (Path(".odr"), "all", "", None)
    assert settings.rules == Rules()
    assert settings.rules.retention_days == 200


def test_the_confirmed_day_is_a_day() -> None:
    assert Settings.read(confirmed_day="2026-11-03").last_confirmed_day == D.toordinal()
    assert Settings.read().last_confirmed_day is None
    for wrong in ("events", "2026-11-3", "tomorrow"):
        assert "STREAM_CONFIRMED_DAY (--confirmed-day): accepts a day, YYYY-MM-DD" in refused(confirmed_day=wrong)


def test_a_flag_wins_over_the_environment_and_the_environment_over_the_default(monkeypatch: MonkeyPatch) -> None:
    monkeypatch.setenv("STREAM_HTTP_PORT", "7000")
    monkeypatch.setenv("STREAM_GROUP", "others")
    settings = Settings.read(http_port=7001, group=None)
    assert (settings.http_port, settings.group) == (7001, "others")


def test_an_empty_variable_is_an_absent_one(monkeypatch: MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.setenv(variable(name), "")
    empty = Settings.read()
    for name in Settings.model_fields:
        monkeypatch.delenv(variable(name))
    assert empty == Settings.read()


def test_settings_never_change() -> None:
    with pytest.raises(ValidationError):
        Settings.read().group = "another"


def test_the_switches_become_rules(monkeypatch: MonkeyPatch) -> None:
    monkeypatch.setenv("STREAM_CLAIMS_POLICY", "all_filed")
    monkeypatch.setenv("STREAM_REVERSED_CHARGEBACKS", "counted")
    monkeypatch.setenv("STREAM_BUYER_REQUESTED_CANCELLATIONS", "counted")
    monkeypatch.setenv("STREAM_RETENTION_DAYS", "190")
    assert Settings.read().rules == Rules("all_filed", "counted", "counted", 190)


def test_a_topic_has_the_prefix() -> None:
    assert Settings.read(topic_prefix="eu.").topic("orders") == "eu.orders"


def test_a_held_day_is_a_day_and_events_or_the_clock_are_none() -> None:
    assert Settings.read(today="2026-11-03").held_day == D.toordinal()
    assert Settings.read(today="events").held_day is None
    assert Settings.read().held_day is None


# --- Secrets ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["http_token", "sasl_password"])
def test_a_secret_may_come_from_a_file_and_is_never_shown(name: str, tmp_path: Path, monkeypatch: MonkeyPatch) -> None:
    (tmp_path / "secret").write_text("pässword\n", encoding="utf-8")
    monkeypatch.setenv(f"{variable(name)}_FILE", str(tmp_path / "secret"))
    settings = Settings.read()
    assert getattr(settings, name).get_secret_value() == "pässword"
    assert "pässword" not in repr(settings)


def test_a_secret_from_the_environment_is_never_shown(monkeypatch: MonkeyPatch) -> None:
    monkeypatch.setenv("STREAM_HTTP_TOKEN", "pässword")
    assert "pässword" not in f"{Settings.read()!r} {Settings.read()}"


@pytest.mark.parametrize("content", [None, b"\xff"])
def test_a_secrets_file_that_cannot_be_read_is_named(
    content: bytes | None, tmp_path: Path, monkeypatch: MonkeyPatch
) -> None:
    path = tmp_path / "secret"
    if content is not None:
        path.write_bytes(content)
    monkeypatch.setenv("STREAM_SASL_PASSWORD_FILE", str(path))
    assert refused().startswith("STREAM_SASL_PASSWORD_FILE: can't be read: ")


@pytest.mark.parametrize("content", ["", "\n", "  \n"])
def test_an_empty_secrets_file_is_refused(content: str, tmp_path: Path, monkeypatch: MonkeyPatch) -> None:
    # Taken as a token of no letters, it let in whoever sent an empty one: somebody meant to close the pages.
    (tmp_path / "secret").write_text(content, encoding="utf-8")
    monkeypatch.setenv("STREAM_HTTP_TOKEN_FILE", str(tmp_path / "secret"))
    assert refused().startswith("STREAM_HTTP_TOKEN_FILE")


# --- Wrong values -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value", "accepted"),
    [
        ("brokers", "localhost", "host:port[,host:port]"),
        ("brokers", "localhost:0", "host:port[,host:port]"),
        ("brokers", "localhost:65536", "host:port[,host:port]"),
        ("brokers", "a:1,,b:2", "host:port[,host:port]"),
        ("brokers", ":9092", "host:port[,host:port]"),
        ("brokers", "a:b", "host:port[,host:port]"),
        ("security_protocol", "TLS", "'SASL_SSL'"),
        ("sasl_mechanism", "GSSAPI", "'SCRAM-SHA-512'"),
        ("topic_prefix", "ä", "match pattern"),
        ("topic_prefix", "x" * 101, "at most 100"),
        ("group", "a b", "match pattern"),
        ("partitions", "0", "greater than or equal to 1"),
        ("partitions", "many", "integer"),
        ("partitions", "2.5", "integer"),
        ("replication", "0", "greater than or equal to 1"),
        ("http_port", "65536", "less than or equal to 65535"),
        ("http_port", "-1", "greater than or equal to 0"),
        ("http_advertised", "worker", "match pattern"),
        ("export", "some", "'all' or 'at_risk'"),
        ("retention_days", "189", "greater than or equal to 190"),
        ("claims_policy", "All_filed", "'current' or 'all_filed'"),
        ("reversed_chargebacks", "yes", "'excluded' or 'counted'"),
        ("buyer_requested_cancellations", "true", "'excluded' or 'counted'"),
        ("today", "yesterday", "YYYY-MM-DD"),
        ("today", "2026-11-31", "YYYY-MM-DD"),
        ("today", "2026-1-1", "YYYY-MM-DD"),
        ("today", "20261103", "YYYY-MM-DD"),
        ("today", "2026-11-03T00:00:00Z", "YYYY-MM-DD"),
        ("today", "Events", "YYYY-MM-DD"),
    ],
)
def test_a_wrong_value_names_the_variable_the_flag_and_what_it_accepts(
    name: str, value: str, accepted: str, monkeypatch: MonkeyPatch
) -> None:
    monkeypatch.setenv(variable(name), value)
    message = refused()
    assert message.startswith(f"{variable(name)} (--{name.replace('_', '-')}): ")
    assert accepted in message


def test_a_day_held_still_is_not_a_week(monkeypatch: MonkeyPatch) -> None:
    # Python's parser reads ISO weeks too, and this one has as many letters as a day: it was taken for 2026-11-03.
    monkeypatch.setenv("STREAM_TODAY", "2026-W45-2")
    assert "YYYY-MM-DD" in refused()


def test_a_wrong_secret_is_not_repeated() -> None:
    assert "geheim" not in refused(http_token=["geheim"])


@pytest.mark.parametrize("brokers", ["a:1", "a:1,b:65535", "a:1, b:2", "[::1]:9092", "kafka.example.org:9092"])
def test_brokers_are_hosts_with_ports(brokers: str) -> None:
    assert Settings.read(brokers=brokers).brokers == brokers


# --- Targets ----------------------------------------------------------------------------------------------------------


def test_a_targets_file_gives_zones_minimums_and_targets_as_they_are_written(tmp_path: Path) -> None:
    """Case 25."""
    path = written(
        tmp_path,
        f"""
        [marketplaces.{DE}]           # Amazon.de
        time_zone = "Europe/Berlin"
        minimum_denominator = 50
        [marketplaces.{DE}.targets]
        late_shipment = 0.03
        order_defect = 0
        contact_response = 1
        [marketplaces.{US}]
        time_zone = "UTC"
        ["marketplaces"."any other"]
        """,
    )
    assert Settings.read(targets=path).rules.marketplaces == {
        DE: Marketplace(
            ZoneInfo("Europe/Berlin"),
            50,
            {"late_shipment": Fraction(3, 100), "order_defect": Fraction(0), "contact_response": Fraction(1)},
        ),
        US: Marketplace(UTC),
        "any other": Marketplace(),
    }


def test_an_empty_targets_file_changes_nothing(tmp_path: Path) -> None:
    assert read_targets(written(tmp_path, "")) == {}


@pytest.mark.parametrize(
    ("line", "key", "accepted"),
    [
        ('time_zone = "Europe/Bärlin"', "time_zone", "such as `Europe/Berlin`"),
        ('time_zone = "Europe"', "time_zone", "such as `Europe/Berlin`"),
        ('time_zone = ""', "time_zone", "such as `Europe/Berlin`"),
        ('time_zone = "/etc/localtime"', "time_zone", "such as `Europe/Berlin`"),
        ('time_zone = "../zone"', "time_zone", "such as `Europe/Berlin`"),
        ("time_zone = 1", "time_zone", "such as `Europe/Berlin`"),
        ("minimum_denominator = -1", "minimum_denominator", "whole number, 0 or more"),
        ("minimum_denominator = 50.0", "minimum_denominator", "whole number, 0 or more"),
        ("minimum_denominator = true", "minimum_denominator", "whole number, 0 or more"),
        ("targets.late_shipment = 3", "targets.late_shipment", "from 0 to 1"),
        ("targets.late_shipment = -0.01", "targets.late_shipment", "from 0 to 1"),
        ("targets.late_shipment = nan", "targets.late_shipment", "from 0 to 1"),
        ('targets.late_shipment = "0.03"', "targets.late_shipment", "from 0 to 1"),
        ("targets.late_shipment = true", "targets.late_shipment", "from 0 to 1"),
        ("targets.late = 0.03", "targets.late", "no such key; accepts `order_defect`, `cancellation`, "),
        ("targets.'late shipment' = 0.03", 'targets."late shipment"', "no such key; accepts `order_defect`, "),
        # Neither half a violation nor a number that should be met exactly is anything to ask for.
        ("targets.open_violations = 0.5", "targets.open_violations", "accepts 0"),
        ("targets.open_violations = 3", "targets.open_violations", "accepts 0"),
        ("targets.open_violations = false", "targets.open_violations", "accepts 0"),
        ("targets = 0.03", "targets", "accepts a table"),
        ("target.late_shipment = 0.03", "target", "accepts `time_zone`, `minimum_denominator`, `targets`"),
        ("timezone = 'UTC'", "timezone", "accepts `time_zone`, `minimum_denominator`, `targets`"),
    ],
)
def test_a_wrong_line_in_a_targets_file_names_file_key_and_what_it_accepts(
    line: str, key: str, accepted: str, tmp_path: Path
) -> None:
    path = written(tmp_path, f"[marketplaces.{DE}]\n{line}\n")
    message = refused(targets=path)
    assert message.startswith(f"STREAM_TARGETS: {path}: marketplaces.{DE}.{key}: ")
    assert accepted in message


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[marketplaces", "is not TOML: "),
        ("marketplaces = 3", "marketplaces: accepts a table"),
        ("marketplaces.A1 = 3", "marketplaces.A1: accepts a table"),
        ("[market]", "market: there is no such key; accepts `marketplaces`"),
        ("time_zone = 'UTC'", "time_zone: there is no such key; accepts `marketplaces`"),
    ],
)
def test_a_file_that_is_no_table_of_marketplaces_is_named(text: str, told: str, tmp_path: Path) -> None:
    path = written(tmp_path, text)
    assert refused(targets=path).startswith(f"STREAM_TARGETS: {path}: {told}")


def test_a_targets_file_that_cannot_be_read_is_named_with_the_reason(tmp_path: Path) -> None:
    absent, latin = tmp_path / "absent.toml", tmp_path / "latin.toml"
    latin.write_bytes(b"# Gr\xf6\xdfe")
    assert refused(targets=absent) == f"STREAM_TARGETS: {absent}: can't be read: No such file or directory"
    assert refused(targets=latin) == f"STREAM_TARGETS: {latin}: can't be read: it is not UTF-8"
    assert refused(targets=tmp_path) == f"STREAM_TARGETS: {tmp_path}: can't be read: Is a directory"


@pytest.mark.parametrize("name", TARGETS)
def test_every_target_can_be_set_to_what_the_table_has(name: str, tmp_path: Path) -> None:
    value = TARGETS[name].value
    path = written(tmp_path, f"[marketplaces.{DE}.targets]\n{name} = {float(value)}\n")
    assert Settings.read(targets=path).rules.marketplaces[DE].targets == {name: value}
