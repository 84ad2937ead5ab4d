"""How soon events are visible: an objective, and alerts on how fast its error budget burns.

The objective is a share of events, over 30 days, visible in the figures within so many seconds of their Kafka record.
A burn rate of 1 uses the budget up in just those 30 days. Each alert looks at a long window, so that a blip is no
alarm, and at a short one, so that it ends soon after the trouble.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

from grafana.generate.rules.messages import JOB, SHARE
from grafana.generate.rules.rule import LIVE, Alert, Group, Recording, Severity

OBJECTIVE: Final = 0.99
VISIBLE_WITHIN_SECONDS: Final = 10.0

_HISTOGRAM: Final = "stream_event_to_visible_seconds"
_WINDOWS: Final = ("5m", "30m", "1h", "2h", "6h", "1d", "3d")


class _Burn(NamedTuple):
    """Alert while the budget burns `rate` times too fast over both windows."""

    rate: float
    long: str
    short: str


_FAST: Final = (_Burn(14.4, "1h", "5m"), _Burn(6, "6h", "30m"))
"""2 % of the month's budget within an hour, or 5 % within six."""

_SLOW: Final = (_Burn(3, "1d", "2h"), _Burn(1, "3d", "6h"))
"""10 % of the month's budget within a day, or within three."""


def late_share(window: str) -> str:
    """Return the name of the recorded share of events that were visible too late."""
    return f"job:{_HISTOGRAM}:late_ratio_rate{window}"


def recording_group() -> Group:
    """Return the shares of events that were visible too late, over every window."""
    return Group("freshness", tuple(Recording(late_share(window), _late(window)) for window in _WINDOWS))


def _late(window: str) -> str:
    in_time = f'sum by (job) (rate({_HISTOGRAM}_bucket{{le="{VISIBLE_WITHIN_SECONDS}", {LIVE}}}[{window}]))'
    every = f"sum by (job) (rate({_HISTOGRAM}_count{{{LIVE}}}[{window}]))"
    return f"1 - {in_time} / ({every} > 0)"


def alert_group() -> Group:
    """Return the alerts on the objective."""
    return Group(
        "freshness alerts",
        (
            _alert("FreshnessBurningFast", "critical", _FAST, "2m"),
            _alert("FreshnessBurningSlowly", "warning", _SLOW, "15m"),
        ),
    )


def _alert(name: str, severity: Severity, burns: tuple[_Burn, ...], wait: str) -> Alert:
    return Alert(
        name,
        severity,
        " or ".join(_burning(burns)),
        "Events take too long to be visible",
        f"{SHARE} of the events of {JOB} were not visible within {VISIBLE_WITHIN_SECONDS:.0f} s; the objective is that "
        f"{OBJECTIVE:.0%} are, over 30 days.",
        wait=wait,
    )


def _burning(burns: tuple[_Burn, ...]) -> Iterator[str]:
    for burn in burns:
        too_late = f"{burn.rate} * (1 - {OBJECTIVE})"
        yield f"({late_share(burn.long)} > {too_late} and {late_share(burn.short)} > {too_late})"
