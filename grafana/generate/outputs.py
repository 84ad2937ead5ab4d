"""What there is to be made: every file's path under `grafana/`, and its text."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from grafana.generate.dashboards.history import history
from grafana.generate.dashboards.overview import overview
from grafana.generate.dashboards.pipeline import pipeline
from grafana.generate.dashboards.seller import seller
from grafana.generate.rules import freshness, sellers
from grafana.generate.rules import pipeline as pipeline_rules
from grafana.generate.rules.rule import Group, rule_file

HOME: Final = Path(__file__).parents[1]
"""The folder that everything is written to."""

RUNBOOKS: Final = "grafana/runbooks"
"""Where the runbooks are, as an alert tells it: their path in the project, until one says under which address."""

_MADE: Final = "# Made by `make grafana` from grafana/generate: change it there.\n"


def outputs(runbooks: str = RUNBOOKS) -> Iterator[tuple[Path, str]]:
    """Yield every file that is made, by its path from `HOME`; alerts point at pages of `runbooks`."""
    yield Path("prometheus/recording.yml"), _MADE + rule_file(recording_groups(), runbooks)
    yield Path("prometheus/alerts.yml"), _MADE + rule_file(alert_groups(), runbooks)
    for board in (overview(), seller(), pipeline(), history()):
        yield Path("dashboards") / f"{board.uid.removeprefix('odr-')}.json", board.to_json()


def recording_groups() -> Iterator[Group]:
    """Yield every group of recording rules."""
    yield from sellers.recording_groups()
    yield pipeline_rules.RECORDINGS
    yield freshness.recording_group()


def alert_groups() -> Iterator[Group]:
    """Yield every group of alerts."""
    yield from sellers.alert_groups()
    yield from pipeline_rules.ALERTS
    yield freshness.alert_group()
