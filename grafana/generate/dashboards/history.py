"""History: what a replay has written, every day as it was known then and as it is known now.

A replay writes one sample a day under the gauges' own names with a suffix, labelled with the replay and with what was
known. A plain selector looks back five minutes only, so every query takes the last sample of a day.
"""

from typing import Final

from grafana.generate.dashboards.figures import CAUSES, ORDER_DEFECT_NAMES, cause
from grafana.generate.dashboards.frame import Frame, Row, choice, one_of, text_box
from grafana.generate.dashboards.panels import Panel, Query, Told, graph
from stream.metrics import AHEAD, OFFICIAL
from stream.tools.replay.blocks import JOB, SUFFIX

KNOWLEDGE: Final = ("then", "now")
"""What was known: at the end of that very day, or now."""

_NAMES: Final = ORDER_DEFECT_NAMES
_RATIO, _DEFECTIVE, _ORDERS = _NAMES.gauges
_HEADROOM: Final = f"{_NAMES.metric.gauge}_headroom_orders"
_LEGEND: Final = "{{marketplace}} {{channel}}"
_OF: Final = (
    f'job="{JOB}", replay="$replay", seller=${{seller:doublequote}}, marketplace=~"$marketplace", channel=~"$channel"'
)
_NOTHING: Final = "no replay of this seller"


def daily(gauge: str, window: str, knowledge: str, days_before: int = 0) -> str:
    """Return a gauge's daily samples, of the replay and seller that are chosen."""
    selector = f'{gauge}{SUFFIX}{{{_OF}, window="{window}", knowledge="{knowledge}"}}'
    before = f" offset {days_before}d" if days_before else ""
    return f"max by (marketplace, channel) (last_over_time({selector}[1d]{before}))"


def _both(gauge: str, window: str = OFFICIAL.name) -> list[Query]:
    return [Query(daily(gauge, window, known), f"as known {known} {_LEGEND}") for known in KNOWLEDGE]


def _gap(gauge: str, window: str = OFFICIAL.name) -> str:
    then, now = (daily(gauge, window, known) for known in KNOWLEDGE)
    return f"{now} - {then}"


def history() -> Frame:
    """Return the dashboard of a replay."""
    of_replay = f'seller_orders{SUFFIX}{{job="{JOB}", replay="$replay"}}'
    return Frame(
        "odr-history",
        "History",
        "A replay: each day's figures as known at its end and as known now. The gap is what came and changed later.",
        (
            one_of("replay", "Replay", f'label_values(seller_orders{SUFFIX}{{job="{JOB}"}}, replay)'),
            text_box("seller", "Seller", "The exact id of a seller."),
            choice("marketplace", "Marketplace", f"label_values({of_replay}, marketplace)"),
            choice("channel", "Channel", f"label_values({of_replay}, channel)"),
        ),
        (
            Row("What late reclassification did", (_ratio(), _ratio_gap(), _defective_gap())),
            Row("What it was made of", (_counts(), *_causes())),
            Row("Was the warning right", (_warning(), _headroom())),
        ),
        "now-180d",
        refresh="",
    )


def _target() -> Query:
    # The newest target, drawn over the whole range: there are no targets of the past.
    newest = (
        f'last_over_time(seller_target_ratio{{metric="{_NAMES.metric.name}", marketplace=~"$marketplace"}}[1d] @ end())'
    )
    return Query(f"min({newest})", "target")


def _ratio() -> Panel:
    told = Told(
        "Order defect ratio, then and now",
        "Official window of each day: as Amazon would have shown it at the day's end, and with all that is known now.",
        "percentunit",
        _NOTHING,
        span=24,
        height=10,
    )
    return graph(told, *_both(_RATIO), _target())


def _ratio_gap() -> Panel:
    told = Told(
        "The gap",
        "Now less then: above 0, defects arrived late; below 0, claims were withdrawn, appeals won, feedback removed.",
        "percentunit",
        _NOTHING,
    )
    return graph(told, Query(_gap(_RATIO), _LEGEND))


def _defective_gap() -> Panel:
    told = Told("The gap in orders", "Defective orders: now less then.", nothing=_NOTHING)
    return graph(told, Query(_gap(_DEFECTIVE), _LEGEND))


def _counts() -> Panel:
    told = Told("Defective orders, then and now", "Of the official window.", nothing=_NOTHING)
    return graph(told, *_both(_DEFECTIVE))


def _causes() -> tuple[Panel, ...]:
    known_now = [
        Query(daily(f"seller_{metric.numerator}", OFFICIAL.name, "now"), f"{cause(metric)} {_LEGEND}")
        for metric in CAUSES
    ]
    gaps = [Query(_gap(f"seller_{metric.numerator}"), f"{cause(metric)} {_LEGEND}") for metric in CAUSES]
    return (
        graph(
            Told("Orders", "Counted orders of the official window, then and now.", nothing=_NOTHING), *_both(_ORDERS)
        ),
        graph(Told("By cause", "Orders that each cause makes defective, as known now.", nothing=_NOTHING), *known_now),
        graph(Told("The gap by cause", "Orders of each cause: now less then.", nothing=_NOTHING), *gaps),
    )


def _warning() -> Panel:
    told = Told(
        "Ahead, 15 days later",
        "What `ahead` said 15 days before, as known then, against what the official window came to.",
        "percentunit",
        _NOTHING,
    )
    ahead = daily(_RATIO, AHEAD.name, "then", days_before=OFFICIAL.lag)
    official = daily(_RATIO, OFFICIAL.name, "then")
    return graph(told, Query(ahead, f"ahead said {_LEGEND}"), Query(official, f"official {_LEGEND}"), _target())


def _headroom() -> Panel:
    told = Told("Headroom, then and now", "How many more defective orders would have fitted.", nothing=_NOTHING)
    return graph(told, *_both(_HEADROOM))
