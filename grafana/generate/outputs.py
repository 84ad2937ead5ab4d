"""What there is to be made: every file's path under `grafana/`, and its text."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from grafana.generate.rules import freshness, pipeline, sellers
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


def recording_groups() -> Iterator[Group]:
    """Yield every group of recording rules."""
    yield from sellers.recording_groups()
    yield pipeline.RECORDINGS
    yield freshness.recording_group()


def alert_groups() -> Iterator[Group]:
    """Yield every group of alerts."""
    yield from sellers.alert_groups()
    yield from pipeline.ALERTS
    yield freshness.alert_group()
