"""Draws the panels of a dashboard as a picture, without a Grafana: a tool to run by hand, with Node and Chromium.

The dashboard's own queries are asked of a running Prometheus, and Grafana's own React components draw the answers
(`panels.tsx`). Once: `npm install && npm run build` in this folder. Then, while `odr demo --speed 4h/s` is at its end:

    python .pictures/draw/draw.py grafana/dashboards/seller.json .pictures/grafana-seller.png --var seller=BURST-HIT

`--first` and `--rows` choose the panels: the row of account health is from 33 to 80 there, from 38 to 55 in Overview.
"""

import json
import re
import subprocess
import time
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import click

BUILD = Path(__file__).parent / "build"
ROW_PIXELS = 38  # Grafana's own
SHORTEST_STEP_SECONDS = 5
POINTS = 400
PAGE = (
    '<!doctype html><meta charset="utf-8"><link rel="stylesheet" href="panels.css"><div id="root"></div>'
    '<script src="asked.js"></script><script src="panels.js"></script>'
)
CHROMIUM = (
    "chromium",
    "--headless=new",
    "--no-sandbox",
    "--hide-scrollbars",
    "--virtual-time-budget=20000",
    "--enable-logging=stderr",
)
VARIABLE = re.compile(r"\$\{(?P<named>\w+)(?::(?P<format>\w+))?\}|\$(?P<plain>\w+)")


def filled(expr: str, values: Mapping[str, str]) -> str:
    """Return an expression as Grafana sends it; a variable that was not given stands for everything."""

    def value(found: re.Match[str]) -> str:
        text = values.get(found["named"] or found["plain"], ".*")
        return json.dumps(text) if found["format"] == "doublequote" else text

    return VARIABLE.sub(value, expr)


class Prometheus:
    """What is asked of it, over the last minutes."""

    def __init__(self, address: str, minutes: float) -> None:
        self.address = address
        self.end = time.time()
        self.begin = self.end - minutes * 60
        self.step = max(SHORTEST_STEP_SECONDS, round(minutes * 60 / POINTS))

    def answer(self, target: Mapping[str, Any], values: Mapping[str, str]) -> Any:
        """Return the result of a panel's target, its variables filled."""
        expr = filled(target["expr"], values)
        if target["instant"]:
            return self._get("query", query=expr, time=self.end)
        return self._get("query_range", query=expr, start=self.begin, end=self.end, step=self.step)

    def _get(self, path: str, **parameters: object) -> Any:
        url = f"{self.address}/api/v1/{path}?{urlencode(parameters)}"
        with urllib.request.urlopen(url, timeout=60) as answer:  # noqa: S310 - the address is the user's own
            return json.load(answer)["data"]["result"]


@click.command(help=__doc__)
@click.argument("dashboard", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("picture", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--prometheus", default="http://127.0.0.1:9090", show_default=True)
@click.option("--var", "variables", multiple=True, metavar="NAME=VALUE", help="What a variable of the dashboard is.")
@click.option("--minutes", type=float, default=10, show_default=True, help="Up to now.")
@click.option("--first", type=int, default=0, show_default=True, help="Panels from this row of the grid on.")
@click.option("--rows", type=int, default=33, show_default=True, help="Panels that end by this row of the grid.")
def draw(  # noqa: PLR0913 - one for each flag
    dashboard: Path,
    picture: Path,
    *,
    prometheus: str,
    variables: tuple[str, ...],
    minutes: float,
    first: int,
    rows: int,
) -> None:
    """Ask, and let Chromium draw."""
    asked = Prometheus(prometheus, minutes)
    values = {"__rate_interval": "1m", **dict(given.split("=", 1) for given in variables)}
    panels = [
        panel
        for panel in json.loads(dashboard.read_text(encoding="utf-8"))["panels"]
        if first <= panel["gridPos"]["y"] <= rows - panel["gridPos"]["h"]
    ]
    for panel in panels:
        panel["gridPos"]["y"] -= first
    answers = {
        f"{panel['id']}/{target['refId']}": asked.answer(target, values)
        for panel in panels
        for target in panel.get("targets", [])
    }
    drawn = {"panels": panels, "answers": answers, "begin": asked.begin, "end": asked.end, "step": asked.step}
    (BUILD / "asked.js").write_text(f"window.asked = {json.dumps(drawn)}", encoding="utf-8")
    (BUILD / "index.html").write_text(PAGE, encoding="utf-8")
    height = 16 + ROW_PIXELS * max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in panels)
    page = (f"--window-size=1400,{height}", f"--screenshot={picture.absolute()}", (BUILD / "index.html").as_uri())
    subprocess.run([*CHROMIUM, *page], check=True, timeout=120)  # noqa: S603 - our own command


if __name__ == "__main__":
    draw()
