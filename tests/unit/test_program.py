"""How any command says what it does not take: in one line, with status 1."""

import pytest
from click.testing import CliRunner

from stream.cli import main


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        # A flag before the command was told of in four lines, with status 2: it is read before any command is.
        (["--bogus"], "No such option: --bogus (`odr --help` tells what it takes)"),
        (["bogus"], "No such command 'bogus' (`odr --help` tells what it takes)"),
        (["worker", "--bogus"], "`odr worker --help` tells what it takes"),
        (["dead-letters", "--bogus"], "`odr dead-letters --help` tells what it takes"),
    ],
)
def test_what_is_not_taken_is_told_in_one_line(arguments: list[str], told: str) -> None:
    ended = CliRunner().invoke(main, arguments, prog_name="odr")
    (line,) = ended.stderr.splitlines()
    assert line.startswith("odr: ")
    assert told in line
    assert ended.exit_code == 1
