"""How every command of `odr` takes its settings as flags, and tells what is wrong in one line."""

import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Final, TypeVar

import click

from stream.days import parse_day, parse_speed
from stream.errors import UserError
from stream.lines import one_line, own_lines
from stream.settings import NO_FLAG, Settings, variable

_F = TypeVar("_F", bound=Callable[..., Any])

CONNECTION: Final = ("brokers", "security_protocol", "sasl_mechanism", "sasl_username", "tls_ca", "topic_prefix")
"""The settings of every command that talks to Kafka."""

WORKER: Final = tuple(field for field in Settings.model_fields if field not in {"partitions"} and field not in NO_FLAG)
"""The settings of a worker."""

COUNTING: Final = ("claims_policy", "reversed_chargebacks", "buyer_requested_cancellations", "targets")
"""The settings that decide what counts."""


class Program(click.Group):
    """Tells what is expected to go wrong in one line, and ends with status 1."""

    def make_context(self, *arguments: Any, **extra: Any) -> click.Context:
        """Read the flags before the command."""
        with _in_one_line():
            return super().make_context(*arguments, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that is asked for."""
        with _in_one_line():
            return super().invoke(ctx)


@contextmanager
def _in_one_line() -> Iterator[None]:
    try:
        yield
    except UserError as problem:
        told = one_line(str(problem))
    except click.UsageError as problem:
        if isinstance(problem, _HELP_INSTEAD):
            raise
        told = _one_line(problem)
    else:
        return
    click.echo(f"odr: {told}", err=True)
    raise click.exceptions.Exit(1)


_HELP_INSTEAD: Final = getattr(click.exceptions, "NoArgsIsHelpError", ())
"""A group without a command: click 8.2 and later raise it to show the help."""


def _one_line(problem: click.UsageError) -> str:
    told = " ".join(problem.format_message().split()).rstrip(".")
    return told if problem.ctx is None else f"{told} (`{problem.ctx.command_path} --help` tells what it takes)"


def with_settings(*fields: str) -> Callable[[_F], _F]:
    """Give a command a flag for each of these settings; it gets them all as `settings`."""

    def decorate(command: _F) -> _F:
        def wrapped(**arguments: Any) -> Any:
            flags = {field: arguments.pop(field) for field in fields}
            return command(settings=Settings.read(**flags), **arguments)

        wrapped.__name__, wrapped.__doc__ = command.__name__, command.__doc__
        wrapped.__click_params__ = getattr(command, "__click_params__", [])  # type: ignore[attr-defined]
        for field in reversed(fields):
            wrapped = _flag(field)(wrapped)
        return wrapped  # type: ignore[return-value]

    return decorate


def _flag(field: str) -> Callable[[_F], _F]:
    about = Settings.model_fields[field]
    default = "" if about.default in (None, "") else f"; default {about.default}"
    return click.option(f"--{field.replace('_', '-')}", field, help=f"{about.description} [{variable(field)}{default}]")


def tell_surprise(kind: type[BaseException], surprise: BaseException, trace: TracebackType | None) -> None:
    """Tell of an error that nobody expected, with its trace, whose foreign text does nothing to the terminal."""
    sys.stderr.write(own_lines("".join(traceback.format_exception(kind, surprise, trace))))


class _Parsed(click.ParamType):
    """A flag's value that a function reads from its text; it raises ValueError with what it accepts."""

    def __init__(self, name: str, parse: Callable[[str], Any]) -> None:
        self.name = name
        self._parse = parse

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not isinstance(value, str):
            return value
        try:
            return self._parse(value)
        except ValueError as problem:
            self.fail(str(problem), param, ctx)


DAY: Final = _Parsed("YYYY-MM-DD", parse_day)
SPEED: Final = _Parsed("time/s", parse_speed)
