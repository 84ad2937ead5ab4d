"""The settings: environment variables, each with a flag of the same name, read once and frozen.

Every field is `STREAM_<NAME>` in the environment and `--<name>` on the commands that it concerns. Secrets have no flag
but a `STREAM_<NAME>_FILE` variable that names a file to read them from.
"""

import json
import os
import re
import tomllib
from collections.abc import Mapping
from datetime import UTC
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    StringConstraints,
    ValidationError,
    create_model,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

from stream.days import parse_day
from stream.errors import UserError
from stream.metrics import TARGETS
from stream.rates import Target
from stream.rules import ClaimsPolicy, Counting, Marketplace, Rules

PREFIX: Final = "STREAM_"
SECRETS: Final = ("http_token", "sasl_password")
NO_FLAG: Final = frozenset(SECRETS)


class SettingsError(UserError):
    """A setting has a wrong value; the message is one line for the user that names the variable."""


def _broker_list(text: str) -> str:
    for address in text.split(","):
        host, _, port = address.strip().rpartition(":")
        if not host or not port.isdigit() or not 0 < int(port) < 65536:
            raise ValueError(f"accepts host:port[,host:port], not {address.strip()!r}")
    return text


def _day(text: str) -> str:
    if text:
        try:
            parse_day(text)
        except ValueError:
            raise ValueError("accepts a day, YYYY-MM-DD") from None
    return text


def _today(text: str) -> str:
    if text != "events":
        try:
            _day(text)
        except ValueError:
            raise ValueError("accepts a day, YYYY-MM-DD, or `events`") from None
    return text


def _login(text: SecretStr | str) -> SecretStr | str:
    try:
        (text if isinstance(text, str) else text.get_secret_value()).encode()
    except UnicodeEncodeError:
        raise ValueError("accepts text in UTF-8") from None
    return text


def _token(secret: SecretStr) -> SecretStr:
    text = secret.get_secret_value()
    if not text.isprintable() or text != text.strip() or not text:
        raise ValueError("accepts visible characters, none of them a blank at its ends: HTTP carries no others")
    return secret


TopicName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]*$", max_length=100)]


class Settings(BaseSettings):
    """Everything that can be set; see the README's table. Times are in the unit that the name ends in."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, extra="forbid", env_ignore_empty=True, hide_input_in_errors=True
    )

    brokers: Annotated[str, BeforeValidator(_broker_list)] = Field(
        "localhost:9092", description="Kafka, as host:port[,host:port]"
    )
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT", description="how to talk to Kafka"
    )
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        "PLAIN", description="how to log in to Kafka, with a SASL protocol"
    )
    sasl_username: Annotated[str, AfterValidator(_login)] | None = Field(None, description="who logs in to Kafka")
    sasl_password: Annotated[SecretStr, AfterValidator(_login)] | None = Field(
        None, description="the password for it; or STREAM_SASL_PASSWORD_FILE"
    )
    tls_ca: Path | None = Field(None, description="a PEM file of authorities to trust; default: the system's")
    topic_prefix: TopicName = Field("", description="put before every topic's name")
    group: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]+$", max_length=100)] = Field(
        "odr", description="the consumer group; its workers share the partitions"
    )
    partitions: int = Field(8, ge=1, le=10_000, description="what `odr topics` creates topics with")
    replication: int = Field(1, ge=1, le=32_767, description="what `odr topics` creates topics with")
    data_dir: Path = Field(Path(".odr"), description="one worker's local state; losing it costs time, never data")
    http_host: str = Field("127.0.0.1", min_length=1, description="where the worker's pages listen")
    http_port: int = Field(6066, ge=0, le=65_535, description="where the worker's pages listen; 0: any free port")
    http_advertised: str | None = Field(
        None,
        pattern=r"^.+:\d{1,5}$",
        description="host:port under which other workers reach this one; default: where it listens, or its host's name",
    )
    http_token: Annotated[SecretStr, AfterValidator(_token)] | None = Field(
        None, description="asked for on every page but /healthz and /readyz; or STREAM_HTTP_TOKEN_FILE"
    )
    export: Literal["all", "at_risk"] = Field("all", description="whether only sellers at risk become series")
    retention_days: int = Field(200, ge=190, le=100_000, description="days kept, by the date that keys a thing")
    claims_policy: ClaimsPolicy = Field("current", description="which claims count")
    reversed_chargebacks: Counting = Field("excluded", description="whether chargebacks that the seller won count")
    buyer_requested_cancellations: Counting = Field(
        "excluded", description="whether cancellations that the buyer asked for count"
    )
    targets: Path | None = Field(None, description="a TOML file of zones, minimum volumes and targets by marketplace")
    today: Annotated[str, BeforeValidator(_today)] = Field(
        "", description="YYYY-MM-DD holds the evaluation day still; `events`: it follows the newest event time"
    )
    confirmed_day: Annotated[str, BeforeValidator(_day)] = Field(
        "", description="YYYY-MM-DD: a clock that has leapt by more than two days is right up to this day"
    )

    @property
    def held_day(self) -> int | None:
        """The evaluation day (proleptic ordinal) that is held still, or None where it moves."""
        return None if self.today in {"", "events"} else parse_day(self.today)

    @property
    def last_confirmed_day(self) -> int | None:
        """The day (proleptic ordinal) up to which a clock that has leapt is believed, or None."""
        return parse_day(self.confirmed_day) if self.confirmed_day else None

    @property
    def rules(self) -> Rules:
        """The rules that these settings make; raises SettingsError where the targets' file is wrong."""
        return Rules(
            claims_policy=self.claims_policy,
            reversed_chargebacks=self.reversed_chargebacks,
            buyer_requested_cancellations=self.buyer_requested_cancellations,
            retention_days=self.retention_days,
            marketplaces={} if self.targets is None else read_targets(self.targets),
        )

    def topic(self, name: str) -> str:
        """Return a topic's name on the broker."""
        return self.topic_prefix + name

    @classmethod
    def read(cls, **flags: Any) -> Self:
        """Return the settings of the environment, with what flags give over them; None means that a flag is absent.

        Raises SettingsError, which names the variable and what it accepts.
        """
        given = {name: value for name, value in flags.items() if value is not None}
        try:
            return cls(**{**_secrets_from_files(), **given})
        except ValidationError as wrong:
            raise SettingsError(_first_problem(wrong)) from None


def variable(field: str) -> str:
    """Return the environment variable of a field."""
    return PREFIX + field.upper()


def _secrets_from_files() -> dict[str, Any]:
    secrets = {}
    for name in SECRETS:
        path = os.environ.get(variable(name) + "_FILE")
        if path:
            # Neither the path nor a byte of the file is told: somebody may have put the secret itself there.
            try:
                secrets[name] = Path(path).read_text(encoding="utf-8").strip()
            except OSError as problem:
                raise SettingsError(f"{variable(name)}_FILE: can't be read: {problem.strerror}") from None
            except UnicodeDecodeError:
                raise SettingsError(f"{variable(name)}_FILE: can't be read: it is not UTF-8") from None
            if not secrets[name]:
                raise SettingsError(f"{variable(name)}_FILE: the file is empty")
    return secrets


def _first_problem(wrong: ValidationError) -> str:
    error = wrong.errors(include_input=False)[0]
    field = str(error["loc"][0])
    message = error["msg"].removeprefix("Value error, ")
    otherwise = f"{variable(field)}_FILE" if field in NO_FLAG else f"--{field.replace('_', '-')}"
    return f"{variable(field)} ({otherwise}): {message[:1].lower()}{message[1:]}"


def _zone(name: object) -> object:
    if not isinstance(name, str):
        raise ValueError("accepts the name of a time zone, such as `Europe/Berlin`")  # noqa: TRY004 - pydantic's way
    try:
        return UTC if name == "UTC" else ZoneInfo(name)
    except (OSError, ValueError, KeyError):
        raise ValueError(f"accepts the name of a time zone, such as `Europe/Berlin`; there is no {name!r}") from None


def _minimum(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError("accepts a whole number, 0 or more")
    return value


def _ratio(value: object) -> Fraction:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise ValueError("accepts a number from 0 to 1")
    return Fraction(str(value))  # as it is written: 0.03 is three hundredths, not the nearest double


def _none(value: object) -> Fraction:
    if isinstance(value, bool) or value != 0:
        raise ValueError("accepts 0: more of them is never what is asked")
    return Fraction(0)


def _target_field(target: Target) -> Any:
    return Annotated[Any, BeforeValidator(_none if target.condition == "equals" else _ratio)], None


_TABLE: Final = ConfigDict(extra="forbid", arbitrary_types_allowed=True)
_TargetsTable: Final = create_model(
    "_TargetsTable", __config__=_TABLE, **{name: _target_field(target) for name, target in TARGETS.items()}
)


class _MarketplaceTable(BaseModel):
    model_config = _TABLE

    time_zone: Annotated[Any, BeforeValidator(_zone)] = UTC
    minimum_denominator: Annotated[int, BeforeValidator(_minimum)] | None = None
    targets: _TargetsTable = _TargetsTable()  # type: ignore[valid-type]


class _TargetsFile(BaseModel):
    model_config = _TABLE

    marketplaces: dict[str, _MarketplaceTable] = {}


_KEYS: Final = {1: _TargetsFile, 3: _MarketplaceTable, 4: _TargetsTable}
"""What the file's tables have, by how deep their keys are."""

_is_bare_key: Final = re.compile("[A-Za-z0-9_-]+").fullmatch


def read_targets(path: Path) -> Mapping[str, Marketplace]:
    """Return each marketplace's zone, minimum volume and targets; raises SettingsError, which names the key."""
    named = f"{variable('targets')}: {path}"
    try:
        tables = _TargetsFile.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as problem:
        raise SettingsError(f"{named}: can't be read: {problem.strerror}") from None
    except UnicodeDecodeError:
        raise SettingsError(f"{named}: can't be read: it is not UTF-8") from None
    except tomllib.TOMLDecodeError as problem:
        raise SettingsError(f"{named}: is not TOML: {problem}") from None
    except ValidationError as wrong:
        raise SettingsError(f"{named}: {_wrong_key(wrong)}") from None
    return {
        name: Marketplace(table.time_zone, table.minimum_denominator, _given(table.targets))
        for name, table in tables.marketplaces.items()
    }


def _given(targets: Any) -> dict[str, Fraction]:
    return {name: getattr(targets, name) for name in TARGETS if name in targets.model_fields_set}


def _wrong_key(wrong: ValidationError) -> str:
    error = wrong.errors()[0]
    place = [str(part) for part in error["loc"]]
    key = ".".join(part if _is_bare_key(part) else json.dumps(part, ensure_ascii=False) for part in place)
    if error["type"] == "extra_forbidden":
        accepted = ", ".join(f"`{name}`" for name in _KEYS[len(place)].model_fields)
        return f"{key}: there is no such key; accepts {accepted}"
    if error["type"] == "value_error":
        return f"{key}: {error['msg'].removeprefix('Value error, ')}"
    return f"{key}: accepts a table"
