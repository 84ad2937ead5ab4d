"""Secrets are used and never shown: not by a command's help, not by an error, not by whatever prints the settings."""

import os
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from stream import program
from stream.cli import main
from stream.connection import KafkaError, connection
from stream.errors import UserError
from stream.settings import NO_FLAG, SECRETS, Settings, SettingsError, variable
from stream.worker.run import warnings

TOKEN, PASSWORD = "tok3n-c6f0b2e1", "passw0rd-9d41aa7e"
VISIBLE = ("s3cret", "a b", "ä€\U0001f600", 'quo"te:colon', "x" * 4_000)
UNSPEAKABLE = ("a\nb", "a\rb", "a\tb", "\x00", "a\x1b[0m", "a\u2028b", "a\u202eb", " a", "a ", " ", "\xa0", "a\udcff")


@pytest.fixture(autouse=True)
def _secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith("STREAM_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("STREAM_HTTP_TOKEN", TOKEN)
    monkeypatch.setenv("STREAM_SASL_PASSWORD", PASSWORD)
    monkeypatch.setenv("STREAM_SASL_USERNAME", "alice")


def shows_a_secret(text: str) -> bool:
    return TOKEN in text or PASSWORD in text


def commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    yield path
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name)


@pytest.mark.parametrize("path", list(commands(main)), ids=" ".join)
def test_no_commands_help_shows_a_secret_or_has_a_flag_for_one(path: tuple[str, ...]) -> None:
    told = CliRunner().invoke(main, [*path, "--help"])
    assert told.exit_code == 0
    assert not shows_a_secret(told.output)
    assert not [name for name in NO_FLAG if f"--{name.replace('_', '-')}" in told.output]


@pytest.mark.parametrize("name", Settings.model_fields)
def test_a_wrong_value_beside_a_secret_tells_only_of_itself(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable(name), "\udcff")  # half a character: few settings accept it
    try:
        settings = Settings.read()
        told = f"{settings!r} {settings.rules}"
    except SettingsError as problem:
        told = str(problem)
    assert name in told.lower()
    assert not shows_a_secret(told)


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_with_a_wrong_byte_in_it_is_refused_without_being_told(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(variable(name), f"{TOKEN}\udcff")
    told = CliRunner().invoke(main, ["worker"])
    assert (told.exit_code, shows_a_secret(told.output)) == (1, False)
    monkeypatch.delenv(variable(name))
    (tmp_path / "secret").write_bytes(TOKEN.encode() + b"\xff")
    monkeypatch.setenv(f"{variable(name)}_FILE", str(tmp_path / "secret"))
    told = CliRunner().invoke(main, ["worker"])
    assert told.output == f"odr: {variable(name)}_FILE: can't be read: it is not UTF-8\n"


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_where_the_name_of_its_file_belongs_is_not_told(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # The likeliest of all mix-ups: the error told the file that is not there, and that was the secret.
    monkeypatch.setenv(f"{variable(name)}_FILE", TOKEN)
    told = CliRunner().invoke(main, ["topics"])
    assert told.output == f"odr: {variable(name)}_FILE: can't be read: No such file or directory\n"


@pytest.mark.parametrize(
    "arguments", [["--http-token", TOKEN], [f"--http-token={TOKEN}"], [f"--sasl-password={TOKEN}"]]
)
def test_a_secret_given_as_a_flag_is_refused_without_being_told(arguments: list[str]) -> None:
    told = CliRunner().invoke(main, ["worker", *arguments])
    assert told.exit_code != 0
    assert not shows_a_secret(told.output)


def test_settings_are_printed_without_their_secrets() -> None:
    settings = Settings.read()
    assert settings.http_token is not None
    assert settings.http_token.get_secret_value() == TOKEN
    told = f"{settings!r} {settings} {settings.model_dump()} {settings.model_dump_json()} {vars(settings)}"
    assert not shows_a_secret(told)
    assert not shows_a_secret(str(settings.model_copy(update={"brokers": "a:1"})))


def test_the_kafka_clients_password_is_the_secret_itself() -> None:
    settings = Settings.read(security_protocol="SASL_PLAINTEXT")
    assert connection(settings)["sasl_plain_password"] == PASSWORD


# --- Tokens -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("token", VISIBLE)
def test_a_token_may_hold_whatever_can_be_seen(token: str) -> None:
    settings = Settings.read(http_token=token)
    assert settings.http_token is not None
    assert settings.http_token.get_secret_value() == token


@pytest.mark.parametrize("token", UNSPEAKABLE)
def test_a_token_that_no_client_could_present_is_refused_at_the_start(
    token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # It was taken, and then nobody had a page: HTTP carries no such header, or loses the blanks at its ends.
    monkeypatch.setattr(os, "environ", os.environ | {"STREAM_HTTP_TOKEN": token})
    told = CliRunner().invoke(main, ["worker"])
    assert told.exit_code == 1
    assert told.output.startswith("odr: STREAM_HTTP_TOKEN (STREAM_HTTP_TOKEN_FILE): ")
    assert told.output.count("\n") == 1


# --- Doors that stand open --------------------------------------------------------------------------------------------

OPEN = "whoever reaches this port can read every seller's figures: set STREAM_HTTP_TOKEN"


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_pages_on_loopback_need_no_token(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STREAM_HTTP_TOKEN")
    assert OPEN not in warnings(Settings.read(http_host=host))


@pytest.mark.parametrize(
    "host", ["0.0.0.0", "::", "192.0.2.7", "2001:db8::7", "worker.example.org", "127.0.0.1.example"]
)
def test_pages_beyond_loopback_without_a_token_are_warned_of(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert OPEN not in warnings(Settings.read(http_host=host))
    monkeypatch.delenv("STREAM_HTTP_TOKEN")
    assert OPEN in warnings(Settings.read(http_host=host))


def test_locks_that_are_not_in_use_are_warned_of(tmp_path: Path) -> None:
    authorities = tmp_path / "ca.pem"
    assert list(warnings(Settings.read(tls_ca=authorities))) == [
        "STREAM_TLS_CA is set, but STREAM_SECURITY_PROTOCOL=PLAINTEXT encrypts nothing",
        "STREAM_SASL_PASSWORD is set, but STREAM_SECURITY_PROTOCOL=PLAINTEXT logs nobody in",
    ]
    assert list(warnings(Settings.read(tls_ca=authorities, security_protocol="SASL_SSL"))) == []
    assert len(list(warnings(Settings.read(tls_ca=authorities, security_protocol="SASL_PLAINTEXT")))) == 1
    assert len(list(warnings(Settings.read(tls_ca=authorities, security_protocol="SSL")))) == 1


# --- One line ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [UserError, SettingsError, KafkaError])
def test_an_error_is_one_line_whatever_it_says(kind: type[UserError], monkeypatch: pytest.MonkeyPatch) -> None:
    def read(**_: object) -> Settings:
        raise kind("first\nsecond\x1b[31m\r\u2028third")

    monkeypatch.setattr(Settings, "read", read)
    told = CliRunner().invoke(main, ["topics"])
    assert told.exit_code == 1
    assert told.output == "odr: first\\nsecond\\x1b[31m\\r\\u2028third\n"


def test_a_surprise_is_told_with_its_trace_and_steers_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    try:
        raise ValueError("\x1b]0;title\x07")
    except ValueError as surprise:
        program.tell_surprise(ValueError, surprise, surprise.__traceback__)
    told = capsys.readouterr().err
    assert told.startswith("Traceback")
    assert told.endswith("ValueError: \\x1b]0;title\\x07\n")
