"""The README's tables are made from the code: a change of one shows in the other."""

import re
import shlex
from pathlib import Path

import click
import pytest

from stream import gauges, marketplaces
from stream.cli import main
from stream.decode import REASONS
from stream.settings import NO_FLAG, Settings, variable

README = Path(__file__).parents[2] / "README.md"


def gauges_table() -> str:
    usual = ("seller", "marketplace", "channel", "window")
    rows = [
        f"| `{family.name}` | {family.help}"
        + ("" if family.labels == usual else f" Labels {', '.join(f'`{label}`' for label in family.labels)}.")
        + " |"
        for family in (*gauges.FAMILIES, *marketplaces.FAMILIES)
    ]
    return "\n".join(["| gauge | |", "|---|---|", *rows])


def settings_table() -> str:
    rows = []
    for name, field in Settings.model_fields.items():
        default = "none" if field.default is None else f"`{field.default}`" if str(field.default) else "empty"
        secret = " (secret, no flag)" if name in NO_FLAG else ""
        rows.append(f"| `{variable(name)}` | {default} | {field.description}{secret} |")
    return "\n".join(["| variable | default | meaning |", "|---|---|---|", *rows])


def reasons_table() -> str:
    return "\n".join(["| reason | |", "|---|---|", *(f"| `{reason}` | {told} |" for reason, told in REASONS.items())])


TABLES = {"gauges": gauges_table, "settings": settings_table, "reasons": reasons_table}


def written(readme: str, name: str) -> str:
    found = re.search(f"<!-- {name} -->\n(.*?)\n?<!-- /{name} -->", readme, re.DOTALL)
    assert found, f"the README has no table of {name}"
    return found[1].strip()


@pytest.mark.parametrize("name", TABLES)
def test_the_readmes_table_is_the_codes(name: str) -> None:
    assert written(README.read_text(encoding="utf-8"), name) == TABLES[name]()


def commands() -> list[list[str]]:
    blocks = re.findall(r"```sh\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines() if line.startswith("odr ")]
    return [shlex.split(line, comments=True)[1:] for line in lines]


@pytest.mark.parametrize("command", commands(), ids=" ".join)
def test_a_command_of_the_readme_is_one_that_the_program_takes(command: list[str], tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl.gz"
    file.touch()
    words = [str(file) if word == file.name else word for word in command]
    group: click.Command = main
    while isinstance(group, click.Group):
        group = group.commands[words.pop(0)]
    assert group.make_context(group.name, words).params


def test_a_target_of_make_that_the_readme_names_is_there() -> None:
    makefile = (README.parent / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"`?make (\w+)", README.read_text(encoding="utf-8")):
        assert f"\n{target}:" in makefile, target


def test_every_file_that_the_readme_points_at_is_there() -> None:
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", README.read_text(encoding="utf-8")):
        assert (README.parent / target).exists(), target
