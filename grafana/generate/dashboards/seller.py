"""Seller: one seller, figure by figure, with the way to the orders behind them."""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.models import dashboard as models

from grafana.generate.dashboards.figures import CAUSES, ORDER_DEFECT_NAMES, REST, cause, of_each, shown, target
from grafana.generate.dashboards.frame import ORDERS_URL, Frame, Row, choice, text_box, to_orders, worker_address
from grafana.generate.dashboards.panels import (
    AGE,
    SHARE,
    UNKNOWN,
    Column,
    Panel,
    Query,
    Told,
    bars,
    graph,
    number,
    rows,
    thresholds_from,
)
from grafana.generate.rules.messages import CONDITIONS
from grafana.generate.rules.names import Names
from stream.metrics import AHEAD, OFFICIAL

SELLER: Final = 'seller=${seller:doublequote}, marketplace=~"$marketplace"'
"""Selects exactly the seller in the text box, whatever characters the id has."""

_NAMES: Final = ORDER_DEFECT_NAMES
_GAUGE: Final = _NAMES.metric.gauge
_RATIO, _DEFECTIVE, _ORDERS = _NAMES.gauges
_BY: Final = "marketplace, channel"
_WINDOW: Final = "marketplace, window"
_LEGEND: Final = "{{marketplace}} {{channel}}"
_NOBODY: Final = "no such seller: open one from Overview"


_TARGET: Final = target(of=f"seller_orders{{{SELLER}}}")


def _in(window: str) -> str:
    return f'{SELLER}, channel=~"$channel", window="{window}"'


def _now(gauge: str, window: str) -> str:
    return shown(gauge, _in(window), _BY)


def seller() -> Frame:
    """Return the dashboard of one seller."""
    return Frame(
        "odr-seller",
        "Seller",
        "One seller: the Order Defect Rate against its target, what it is made of, what is coming, and the rest of "
        "account health.",
        (
            text_box("seller", "Seller", "The exact id of a seller."),
            choice("marketplace", "Marketplace", f"label_values(seller_orders{{{_OF_ANY_PLACE}}}, marketplace)"),
            choice("channel", "Channel", f"label_values(seller_orders{{{_OF_ANY_PLACE}}}, channel)"),
            worker_address(),
        ),
        (
            Row("Now: what Amazon shows", tuple(_official())),
            Row("Why", tuple(_why())),
            Row("What is coming", tuple(_coming())),
            Row("The rest of account health", tuple(_rest(REST))),
            Row("Can this be trusted", tuple(_trust())),
        ),
        "now-7d",
        links=(_orders_link(),),
    )


_OF_ANY_PLACE: Final = "seller=${seller:doublequote}"


def _orders_link() -> dashboard.DashboardLink:
    link = dashboard.DashboardLink("Orders behind the figures").type(models.DashboardLinkType.LINK).url(ORDERS_URL)
    return link.icon("external link").target_blank(True).tooltip("Every defective order, its causes, its last day")


def _official() -> Iterator[Panel]:
    told = Told(
        "Order defect ratio",
        "Defective orders by orders in the official window. Red from the target on: exactly at it is missed.",
        "percentunit",
        _NOBODY,
        span=6,
        height=5,
    )
    ratio = number(told, Query(_now(_RATIO, OFFICIAL.name), _LEGEND), link=to_orders())
    yield thresholds_from(ratio, _TARGET)
    yield number(
        Told(
            "Headroom",
            "How many more defective orders fit. 0: the next one misses the target; below: so many must stop counting.",
            nothing=UNKNOWN,
            span=6,
            height=5,
        ),
        Query(_now(f"{_GAUGE}_headroom_orders", OFFICIAL.name), _LEGEND),
        steps=((None, "red"), (0, "orange"), (1, "green")),
        link=to_orders(),
    )
    for title, description, gauge in (
        ("Defective orders", "Orders with at least one counted defect, official window.", _DEFECTIVE),
        ("Orders", "Counted orders, official window.", _ORDERS),
    ):
        yield number(
            Told(title, description, nothing=UNKNOWN, span=6, height=5),
            Query(_now(gauge, OFFICIAL.name), _LEGEND),
            link=to_orders(),
        )
    yield graph(
        Told(
            "Official against ahead",
            f"Ahead: what Amazon shows in {OFFICIAL.lag} days if no more defects arrive; too low until they are in.",
            "percentunit",
            _NOBODY,
            span=24,
            height=9,
        ),
        Query(_now(_RATIO, OFFICIAL.name), f"official {_LEGEND}"),
        Query(_now(_RATIO, AHEAD.name), f"ahead {_LEGEND}"),
        Query(_TARGET, "target"),
        link=to_orders(),
    )


def _why() -> Iterator[Panel]:
    shares = [
        Query(f"sum({_now(f'{metric.gauge}_ratio', OFFICIAL.name)}) by ({_BY})", f"{cause(metric)} {_LEGEND}")
        for metric in CAUSES
    ]
    counts = [Query(f"sum({_now(f'seller_{metric.numerator}', OFFICIAL.name)})", cause(metric)) for metric in CAUSES]
    yield graph(
        Told(
            "By cause",
            "Share of orders that are defective by each cause, official window. An order may have several.",
            "percentunit",
            _NOBODY,
        ),
        *shares,
        link=to_orders(),
    )
    yield bars(
        Told("Defective orders by cause", "How many orders of the official window each cause makes.", span=6), *counts
    )
    yield graph(
        Told("Numerator and denominator", "What the ratio is made of, official window.", nothing=_NOBODY, span=6),
        Query(f"sum({_now(_DEFECTIVE, OFFICIAL.name)})", "defective orders"),
        Query(f"sum({_now(_ORDERS, OFFICIAL.name)})", "orders"),
    )


def _coming() -> Iterator[Panel]:
    told = Told(
        "Ahead", f"The ratio that Amazon shows {OFFICIAL.lag} days from now if no more defects arrive.", "percentunit"
    )
    ahead = Told(told.title, told.description, told.unit, _NOBODY, span=6)
    yield thresholds_from(number(ahead, Query(_now(_RATIO, AHEAD.name), _LEGEND), link=to_orders()), _TARGET)
    yield graph(
        Told("Headroom", "How many more defective orders fit, in both windows.", nothing=_NOBODY, span=9),
        Query(_now(f"{_GAUGE}_headroom_orders", OFFICIAL.name), f"official {_LEGEND}"),
        Query(_now(f"{_GAUGE}_headroom_orders", AHEAD.name), f"ahead {_LEGEND}"),
    )
    yield graph(
        Told(
            "Causes ahead",
            "Share of the last 60 days' orders that are defective by each cause so far.",
            "percentunit",
            _NOBODY,
            span=9,
        ),
        *(Query(f"{_now(f'{metric.gauge}_ratio', AHEAD.name)}", f"{cause(metric)} {_LEGEND}") for metric in CAUSES),
    )


def _of_rest(gauge: str, by: str = _WINDOW) -> str:
    return shown(gauge, SELLER, by)


def _rest(metrics: Sequence[Names]) -> Iterator[Panel]:
    """Yield the panels of the metrics with counts of their own: the verdicts on all shares, then each by itself."""
    yield _verdicts([names for names in metrics if names.is_share and names.metric.target is not None])
    for names in metrics:
        yield from _share(names) if names.is_share else _number(names)


def _verdicts(metrics: Sequence[Names]) -> Panel:
    told = Told(
        "Against their targets, worst first",
        "Each metric in each of its windows. At risk: one more failure misses the target. Few: missed, but a single "
        "failure alone does that, or there are fewer than the marketplace's minimum.",
        nothing="nothing to count",
        span=24,
        height=11,
    )

    def of_each_figure(expr: Callable[[Names], str]) -> str:
        def with_condition(names: Names) -> str:
            words = CONDITIONS[names.target.condition]
            return f'label_replace({expr(names)}, "condition", "{words}", "", "")'

        return of_each(metrics, with_condition)

    def must_be(names: Names) -> str:
        asked = f'max by (marketplace) (seller_target_ratio{{metric="{names.metric.name}"}})'
        return f"0 * {_of_rest(names.gauges[2])} + on (marketplace) group_left () {asked}"

    labels = {"metric": "Metric", "window": "Window", "marketplace": "Marketplace", "condition": "Must be"}
    columns = (
        Column("Target", of_each_figure(must_be), SHARE),
        Column("Ratio", of_each_figure(lambda names: _of_rest(names.gauges[0])), SHARE),
        Column("Verdict", of_each_figure(_verdict), _VERDICT),
        Column("Numerator", of_each_figure(lambda names: _of_rest(names.gauges[1]))),
        Column("Denominator", of_each_figure(lambda names: _of_rest(names.gauges[2]))),
    )
    return rows(told, labels, columns, sorted_by="Verdict")


_GRADES: Final = (
    ("max", "met", "green"),
    ("next_failure_misses", "at risk", "orange"),
    ("missed_low_volume", "few", "yellow"),
    ("missed", "missed", "red"),
)
"""What is recorded of a share, from good to bad, and how a table says it."""


def _verdict(names: Names) -> str:
    """Return how bad a share is: the place of its verdict among `_GRADES`."""
    recorded = (
        f"0 * {names.recorded(operation)}{{{SELLER}}} + {grade}" for grade, (operation, *_) in enumerate(_GRADES)
    )
    return f"max by ({_WINDOW}) ({' or '.join(reversed(list(recorded)))})"


_VERDICT: Final = {
    "mappings": [
        {
            "type": "value",
            "options": {
                str(grade): {"text": text, "color": color, "index": grade}
                for grade, (_, text, color) in enumerate(_GRADES)
            },
        }
    ],
    "custom.cellOptions": {"type": "color-text"},
}


def _share(names: Names) -> Iterator[Panel]:
    """Yield a share's history over each of its windows, and what it was made of."""
    ratio, numerator, denominator = names.gauges
    legend = "{{window}} {{marketplace}}"
    told = Told(names.heading, f"{names.sentence}, by window.", "percentunit", "nothing to count", 12, 7)
    limit = [Query(target(names, f"{ratio}{{{SELLER}}}"), "target")] if names.metric.target is not None else []
    yield graph(told, Query(_of_rest(ratio), legend), *limit, link=to_orders())
    counts = f"{names.numerators} and {names.denominators}".capitalize()
    yield graph(
        Told(counts, f"What the {names.title} is made of.", nothing="nothing to count", span=12, height=7),
        Query(_of_rest(numerator), f"{names.numerators} {legend}"),
        Query(_of_rest(denominator), f"{names.denominators} {legend}"),
    )


def _number(names: Names) -> Iterator[Panel]:
    """Yield how much of a number there is now, of what kinds, and how that went."""
    (gauge,), parts = names.gauges, names.parts
    by_part = _of_rest(gauge, ", ".join(("marketplace", *parts)))
    nothing = f"0 * max by (marketplace) (seller_orders{{{SELLER}}})"  # of what there is none, there is no series
    together = f"sum by (marketplace) ({by_part}) or {nothing}"
    told = Told(names.heading, f"{names.sentence}; red above what may be.", nothing=UNKNOWN, span=4, height=7)
    where = f"{gauge}{{{SELLER}}} or seller_orders{{{SELLER}}}"
    limit = f"{target(names, where)} + 1"  # a whole number: red begins with the next one
    yield thresholds_from(number(told, Query(together, "{{marketplace}}"), link=to_orders()), limit)
    labels = {**{part: part.capitalize() for part in parts}, "marketplace": "Marketplace"}
    kinds = Told(
        f"{names.heading} by {' and '.join(parts)}", f"{names.sentence}, by kind.", nothing="none", span=11, height=7
    )
    yield rows(kinds, labels, (Column("Open", f"{by_part} > 0"),))
    over_time = Told(f"{names.heading} over time", f"{names.sentence}, by kind.", nothing="none", span=9, height=7)
    legend = " ".join(f"{{{{{label}}}}}" for label in labels)
    yield graph(over_time, Query(by_part, legend), stacked=True)


def _trust() -> Iterator[Panel]:
    newest = f"seller_newest_event_timestamp_seconds{{{SELLER}}}"
    yield bars(
        Told("Newest event", "How old the newest event of each feed of the seller is.", "s", _NOBODY, span=8),
        Query(f"time() - max by (marketplace, topic) ({newest})", "{{topic}} {{marketplace}}"),
    )
    day = 'seller_evaluation_day_timestamp_seconds{marketplace=~"$marketplace"}'
    yield number(
        Told(
            "Evaluation day began",
            "The windows end with this day; it begins at midnight in the marketplace's zone.",
            AGE,
            UNKNOWN,
            span=6,
        ),
        Query(f"1000 * min by (marketplace) ({day})", "{{marketplace}}"),
    )
    labels = {"alertname": "Alert", "severity": "Severity", "metric": "Metric", "window": "Window"}
    firing = f'ALERTS_FOR_STATE{{{SELLER}}} and ignoring (alertstate) ALERTS{{alertstate="firing"}}'
    yield rows(
        Told(
            "Firing alerts",
            "What Prometheus says of the seller now, and since when.",
            AGE,
            "none",
            span=10,
        ),
        labels,
        (Column("Since", f"1000 * min by ({', '.join(labels)}) ({firing})"),),
    )
