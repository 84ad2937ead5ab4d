"""The README's tables are made from the code: a change of one shows in the other."""

import re
import shlex
from datetime import UTC
from pathlib import Path

import click
import pytest

from stream import gauges, marketplaces
from stream.cli import main
from stream.decode import REASONS
from stream.metrics import METRICS, OWN_TARGETS, Metric
from stream.rates import Target
from stream.schema import BEYOND
from stream.settings import NO_FLAG, Settings, read_targets, variable
from stream.windows import Window

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


CONDITIONS = {"less_than": "<", "greater_than": ">", "at_least": ">=", "equals": "="}
NAMES = {"ATVPDKIKX0DER": "US", "A21TJRUUN4KGV": "India"}


def metrics_table() -> str:
    rows = [f"| {' | '.join(metric_cells(metric))} |" for metric in METRICS]
    return "\n".join(["| metric | what it is | by | windows on day D | target |", "|---|---|---|---|---|", *rows])


def metric_cells(metric: Metric) -> tuple[str, ...]:
    windows = [spans(metric.windows)]
    windows += [f"{NAMES[place]}: {spans(own)}" for place, own in metric.own_windows.items()]
    targets = ["none" if metric.target is None else asked(metric.target)]
    for place, own in OWN_TARGETS.items():
        if metric.target is not None and metric.name in own:
            targets.append(f"{NAMES[place]}: {asked(metric.target._replace(value=own[metric.name]))}")
    only = "" if metric.channel is None else f"; {metric.channel} only"
    return f"`{metric.name}`", metric.description + only, metric.ledger.day, "; ".join(windows), "; ".join(targets)


def spans(windows: tuple[Window, ...]) -> str:
    return ", ".join(f"`{one.name}` {before(one.lag + one.days - 1)} .. {before(one.lag)}" for one in windows)


def before(days: int) -> str:
    return f"D-{days}" if days else "D"


def asked(target: Target) -> str:
    share = "" if target.condition == "equals" else " %"
    return f"{CONDITIONS[target.condition]} {float(target.value * 100):g}{share}"


def beyond_table() -> str:
    return "\n".join(["| | |", "|---|---|", *(f"| {name} | {told} |" for name, told in BEYOND.items())])


TABLES = {
    "gauges": gauges_table,
    "settings": settings_table,
    "reasons": reasons_table,
    "metrics": metrics_table,
    "beyond": beyond_table,
}


def written(readme: str, name: str) -> str:
    found = re.search(f"<!-- {name} -->\n(.*?)\n?<!-- /{name} -->", readme, re.DOTALL)
    assert found, f"the README has no table of {name}"
    return found[1].strip()


@pytest.mark.parametrize("name", TABLES)
def test_the_readmes_table_is_the_codes(name: str) -> None:
    assert written(README.read_text(encoding="utf-8"), name) == TABLES[name]()


def test_the_readmes_targets_file_is_one_that_is_read(tmp_path: Path) -> None:
    blocks = re.findall(r"```toml\n(# STREAM_TARGETS.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 1
    path = tmp_path / "targets.toml"
    path.write_text(blocks[0], encoding="utf-8")
    read = read_targets(path)
    # It shows every key that there is.
    assert any(marketplace.zone is not UTC for marketplace in read.values())
    assert any(marketplace.minimum_denominator for marketplace in read.values())
    assert any(marketplace.targets for marketplace in read.values())


def test_marketplaces_of_the_table_of_metrics_that_differ_are_named() -> None:
    differing = {*OWN_TARGETS, *(place for metric in METRICS for place in metric.own_windows)}
    readme = README.read_text(encoding="utf-8")
    assert differing == NAMES.keys()
    assert all(f"{name} is `{place}`" in readme for place, name in NAMES.items())


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
