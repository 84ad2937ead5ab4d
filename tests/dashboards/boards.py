"""The dashboards as they are committed, and their expressions with something put in for every variable."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from tests.watch import WATCHING

FILES: Final = sorted((WATCHING / "dashboards").glob("*.json"))
BOARDS: Final[dict[str, dict[str, Any]]] = {file.stem: json.loads(file.read_text(encoding="utf-8")) for file in FILES}


class Asked(NamedTuple):
    """One query of a panel."""

    board: str
    panel: dict[str, Any]
    target: dict[str, Any]

    @property
    def id(self) -> str:
        return f"{self.board}: {self.panel['title']} {self.target['refId']}"


def panels(board: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the panels that ask something: rows are only headings."""
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def every_query() -> list[Asked]:
    return [
        Asked(name, panel, target)
        for name, board in BOARDS.items()
        for panel in panels(board)
        for target in panel["targets"]
    ]


VARIABLE: Final = re.compile(r"\$\{(?P<named>\w+)(?::(?P<format>\w+))?\}|\$(?P<plain>\w+)")


def filled(expr: str, values: Mapping[str, str]) -> str:
    """Return an expression as Grafana sends it; a variable that has no value is a KeyError."""

    def value(found: re.Match[str]) -> str:
        text = values[found["named"] or found["plain"]]
        return json.dumps(text) if found["format"] == "doublequote" else text

    return VARIABLE.sub(value, expr)


def variables(text: str) -> Iterator[str]:
    """Yield the names of the variables in a text."""
    for found in VARIABLE.finditer(text):
        yield found["named"] or found["plain"]
