"""Seller: one seller, figure by figure, with the way to the orders behind them."""

from collections.abc import Iterable, Iterator
from typing import Final

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.models import dashboard as models

from grafana.generate.dashboards.figures import CAUSES, ORDER_DEFECT_NAMES, cause, shown, target
from grafana.generate.dashboards.frame import ORDERS_URL, Frame, Row, choice, text_box, to_orders, worker_address
from grafana.generate.dashboards.panels import (
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
from grafana.generate.rules.names import Names
from grafana.generate.rules.sellers import judged
from stream.metrics import AHEAD, METRICS, OFFICIAL, Metric

SELLER: Final = 'seller=${seller:doublequote}, marketplace=~"$marketplace"'
"""Selects exactly the seller in the text box, whatever characters the id has."""

_NAMES: Final = ORDER_DEFECT_NAMES
_GAUGE: Final = _NAMES.metric.gauge
_RATIO, _DEFECTIVE, _ORDERS = _NAMES.gauges
_BY: Final = "marketplace, channel"
_LEGEND: Final = "{{marketplace}} {{channel}}"
_NOBODY: Final = "no such seller: open one from Overview"


_TARGET: Final = target(of=f"seller_orders{{{SELLER}}}")


def _in(window: str) -> str:
    return f'{SELLER}, channel=~"$channel", window="{window}"'


def _now(gauge: str, window: str) -> str:
    return shown(gauge, _in(window), _BY)


def seller(metrics: Iterable[Metric] = METRICS) -> Frame:
    """Return the dashboard of one seller; other metrics with a target have a row of their own."""
    others = tuple(_other(names) for names in judged(metrics) if not names.of_orders)
    return Frame(
        "odr-seller",
        "Seller",
        "One seller: the Order Defect Rate against its target, what it is made of, and what is coming.",
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
            *((Row("Other metrics", others),) if others else ()),
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


def _other(names: Names) -> Panel:
    """Return the panel of a metric that has counts of its own, one line for each of its windows."""
    title = names.metric.name.replace("_", " ").capitalize()
    return graph(
        Told(f"{title} ratio", f"{names.metric.meaning.capitalize()}, by window.", "percentunit", "nothing to count"),
        Query(shown(names.gauges[0], SELLER, "marketplace, window"), "{{window}} {{marketplace}}"),
        Query(target(names, f"{names.gauges[0]}{{{SELLER}}}"), "target"),
    )


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
            "dateTimeFromNow",
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
            "dateTimeFromNow",
            "none",
            span=10,
        ),
        labels,
        (Column("Since", f"1000 * min by ({', '.join(labels)}) ({firing})"),),
    )
