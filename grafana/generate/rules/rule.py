"""What a rule is, and how it is written in YAML."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import promql_parser
import yaml

from stream.tools.replay.blocks import JOB

Severity = Literal["critical", "warning", "info"]
Scope = Literal["seller", "pipeline"]

LIVE: Final = f'job!="{JOB}"'
"""Leaves out what a replay has written: history is looked at, never alerted on."""

HOLD: Final = "5m"
"""How long a figure outlives its last scrape in the recorded series: longer than a seller's move to another worker."""

KEEP_FIRING: Final = "15m"
"""How long an alert outlives its series: a worker that has died must not look like a problem that is solved."""


@dataclass(frozen=True, slots=True)
class Recording:
    """A series that Prometheus computes and keeps, named level:metric:operations."""

    record: str
    expr: str

    def to_yaml(self) -> dict[str, Any]:
        """Return the rule as Prometheus reads it."""
        return {"record": self.record, "expr": _pretty(self.expr)}


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert; `wait` is how long it is pending before it fires, `keep` how long it outlives its cause.

    `advice` is the section of another alert's runbook that says what to do.
    """

    name: str
    severity: Severity
    expr: str
    summary: str
    description: str
    wait: str | None = None
    keep: str | None = None
    scope: Scope = "pipeline"
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    advice: str | None = None

    def to_yaml(self, runbooks: str) -> dict[str, Any]:
        """Return the rule as Prometheus reads it; its runbook is a page of `runbooks`."""
        times = {"for": self.wait, "keep_firing_for": self.keep}
        return {
            "alert": self.name,
            "expr": _pretty(self.expr),
            **{name: duration for name, duration in times.items() if duration is not None},
            "labels": {"severity": self.severity, "scope": self.scope, **self.labels},
            "annotations": {
                "summary": self.summary,
                "description": self.description,
                **self.annotations,
                "runbook_url": f"{runbooks}/{self.name}.md",
                **({"advice_url": f"{runbooks}/{self.advice}"} if self.advice else {}),
            },
        }


@dataclass(frozen=True, slots=True)
class Group:
    """Rules that are evaluated one after the other, at the server's interval unless one is given."""

    name: str
    rules: tuple[Recording | Alert, ...]
    interval: str | None = None

    def to_yaml(self, runbooks: str) -> dict[str, Any]:
        """Return the group as Prometheus reads it."""
        rules = [rule.to_yaml() if isinstance(rule, Recording) else rule.to_yaml(runbooks) for rule in self.rules]
        return {"name": self.name, **({"interval": self.interval} if self.interval else {}), "rules": rules}


def held(gauge: str, summed: Sequence[str] = ()) -> str:
    """Return the gauge whichever worker shows it, and what it was last for as long as none does.

    A seller that moves to another worker is shown by neither for seconds; an alert that is pending must not begin
    again for that. `summed` are labels to add up over: what is shown now, or else what was shown last.
    """
    series = f"{gauge}{{{LIVE}}}"
    shown, last = (f"max without (instance, pod) ({one})" for one in (series, f"last_over_time({series}[{HOLD}])"))
    if summed:
        shown, last = (f"sum without ({', '.join(summed)}) ({one})" for one in (shown, last))
    return f"{shown} or {last}"


def _pretty(expr: str) -> str:
    return promql_parser.parse(expr).prettify()


class _Dumper(yaml.SafeDumper):
    """Writes expressions of several lines as such, and lists the way people indent them."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002 - its base's signature
        super().increase_indent(flow, False)


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)


def rule_file(groups: Iterable[Group], runbooks: str) -> str:
    """Return a file of rules; `runbooks` is the address under which the runbooks' pages are."""
    told = {"groups": [group.to_yaml(runbooks) for group in groups]}
    return yaml.dump(told, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=1_000)
