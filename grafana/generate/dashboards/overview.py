"""Overview: who is over target, who is about to be, why, and whether the figures are fresh."""

from collections.abc import Sequence
from typing import Final

from grafana.generate.dashboards.figures import CAUSES, GROUP, ORDER_DEFECT_NAMES, cause, chosen, shown, target
from grafana.generate.dashboards.frame import Frame, Row, choice, text_box, to_seller, worker_address
from grafana.generate.dashboards.panels import (
    AGE,
    NONE_IS_BAD,
    NONE_IS_BETTER,
    NONE_IS_GOOD,
    SHARE,
    UNKNOWN,
    Column,
    Panel,
    Query,
    Told,
    graph,
    number,
    rows,
)
from grafana.generate.rules import freshness
from grafana.generate.rules.names import MISSED_METRICS, Names, judged
from grafana.generate.rules.pipeline import WORKERS
from stream.figures import DEFECTIVE_ORDERS, ORDERS
from stream.metrics import AHEAD, OFFICIAL, ORDER_DEFECT

_MOST_ROWS: Final = 50
_NAMES: Final = ORDER_DEFECT_NAMES
_IN_OFFICIAL: Final = f'window="{OFFICIAL.name}"'
_IN_AHEAD: Final = f'window="{AHEAD.name}"'
_OF_SELLERS: Final = {"seller": "Seller", "marketplace": "Marketplace"}
_SELLER_LABELS: Final = {**_OF_SELLERS, "channel": "Channel"}


def _recorded(operation: str, window: str) -> str:
    return shown(_NAMES.recorded(operation), chosen(window), GROUP)


_MISSED: Final = _recorded("missed", _IN_OFFICIAL)
_FEW: Final = _recorded("missed_low_volume", _IN_OFFICIAL)
_COMING: Final = (
    f"({_recorded('missed', _IN_AHEAD)} or {_recorded('next_failure_misses', _IN_OFFICIAL)}) unless {_MISSED}"
)


def overview() -> Frame:
    """Return the dashboard that one opens first."""
    return Frame(
        "odr-overview",
        "Overview",
        "Who misses the Order Defect Rate, who is about to, why, who misses which other metric, and whether the "
        "figures are fresh.",
        (
            text_box("sellers", "Sellers", "A regular expression of seller ids.", ".*"),
            choice("marketplace", "Marketplace", "label_values(seller_target_ratio, marketplace)"),
            choice("channel", "Channel", "label_values(seller_orders, channel)"),
            worker_address(),
        ),
        (
            Row("Now", (*_now(), _over(), _coming())),
            Row("Over time", _over_time()),
            Row("The rest of account health", (_who_misses_what(), *_each_metric())),
            Row("Worth a look", (_few(), _alerts())),
        ),
        "now-6h",
    )


def _now() -> tuple[Panel, ...]:
    behind = freshness.VISIBLE_WITHIN_SECONDS
    return (
        number(
            _small("Over target", "Sellers that miss the target officially, with orders enough."),
            Query(_count(_MISSED)),
            steps=NONE_IS_GOOD,
        ),
        number(
            _small(
                "About to be",
                "Sellers that meet it, but miss it with one more failure, or in the window that Amazon shows in "
                f"{OFFICIAL.lag} days.",
            ),
            Query(_count(_COMING)),
            steps=NONE_IS_BETTER,
        ),
        number(
            _small("Alerts firing", "By severity: critical, warning, info.", "none"),
            Query('count by (severity) (ALERTS{alertstate="firing"})', "{{severity}}"),
            steps=NONE_IS_BETTER,
        ),
        number(
            _small("Figures are behind by", "Age of the newest record read, where any is left to read.", unit="s"),
            Query("max(topic:stream_consumer_lag_seconds:max)"),
            steps=((None, "green"), (behind, "orange"), (6 * behind, "red")),
        ),
        number(
            _small("Workers", "Workers that Prometheus reaches, and partitions that they show.", "none"),
            Query(f"sum(up{{{WORKERS}}})", "up"),
            Query("sum(job:stream_partitions_live:sum)", "partitions"),
            steps=NONE_IS_BAD,
        ),
        number(
            _small("Sellers watched", "All sellers, one for each marketplace and channel, series or not."),
            Query('sum(marketplace_sellers{job!="replay"})'),
        ),
    )


def _small(title: str, description: str, nothing: str = UNKNOWN, unit: str = "short") -> Told:
    return Told(title, description, unit, nothing, span=4, height=4)


def _count(figures: str) -> str:
    """Return how many sellers figures are of: 0 while any target is shown, nothing where nobody knows."""
    nobody = f'0 * min(seller_target_ratio{{metric="{ORDER_DEFECT.name}", job!="replay"}})'
    return f"count(group by (seller) ({figures})) or {nobody}"


def _over() -> Panel:
    told = Told(
        "Over target, worst first",
        "Official window. Click a seller for its figures and orders. An order may be defective by several causes.",
        nothing="nobody, as far as is known",
        span=24,
    )
    return rows(told, _SELLER_LABELS, _columns(_MISSED, _IN_OFFICIAL), to_seller(*_SELLER_LABELS))


def _coming() -> Panel:
    told = Told(
        "About to be, worst first",
        f"Ahead, and all counts: what Amazon shows in {OFFICIAL.lag} days. Headroom is the official one; at 0 the next "
        "failure misses the target.",
        nothing="nobody, as far as is known",
        span=24,
    )
    official = Column("Official", _beside(_NAMES.gauges[0], _IN_OFFICIAL, _COMING), SHARE)
    ahead = Column("Ahead", _beside(_NAMES.gauges[0], _IN_AHEAD, _COMING), SHARE)
    return rows(told, _SELLER_LABELS, (ahead, official, *_columns(_COMING, _IN_AHEAD)[1:]), to_seller(*_SELLER_LABELS))


def _few() -> Panel:
    told = Told(
        "Over target with few orders",
        "Fewer than the marketplace's minimum, or so few that one failure alone misses the target: no verdict.",
        nothing="nobody, as far as is known",
        span=13,
    )
    return rows(told, _SELLER_LABELS, _columns(_FEW, _IN_OFFICIAL)[:4], to_seller(*_SELLER_LABELS))


def _columns(who: str, window: str) -> tuple[Column, ...]:
    """Return the figures of a table about `who`: the ratio, why, and how many failures fit."""
    _, numerator, denominator = _NAMES.gauges
    return (
        Column("Ratio", f"topk({_MOST_ROWS}, {who})", SHARE),
        Column("Defective", _beside(numerator, window, who)),
        Column("Orders", _beside(denominator, window, who)),
        Column("Headroom", _beside(f"{_NAMES.metric.gauge}_headroom_orders", _IN_OFFICIAL, who), _HEADROOM),
        *(Column(cause(metric), _beside(f"seller_{metric.numerator}", window, who)) for metric in CAUSES),
    )


_HEADROOM: Final = {
    "thresholds": {
        "mode": "absolute",
        "steps": [{"value": None, "color": "red"}, {"value": 0, "color": "orange"}, {"value": 1, "color": "green"}],
    },
    "custom.cellOptions": {"type": "color-text"},
}


def _beside(gauge: str, window: str, who: str) -> str:
    """Return a gauge of the sellers in `who` only, as many as a table shows."""
    return f"{shown(gauge, chosen(window), GROUP)} and topk({_MOST_ROWS}, {who})"


def _over_time() -> tuple[Panel, ...]:
    in_figures = 'rate(stream_reclassifications_total{figure=~"defective_orders", direction="%s"}[$__rate_interval])'
    causes = [
        Query(f"sum(max by ({GROUP}) (seller_{metric.numerator}{{{chosen(_IN_OFFICIAL)}}}))", cause(metric))
        for metric in CAUSES
    ]
    everybody = f'{{{_IN_OFFICIAL}, marketplace=~"$marketplace", channel=~"$channel"}}'
    defective, orders = (f"marketplace_{figure}{everybody}" for figure in (DEFECTIVE_ORDERS, ORDERS))
    return (
        graph(
            Told("Sellers over target", "By marketplace, official window.", nothing=UNKNOWN, span=8),
            Query(f'{_NAMES.missed_sellers}{{marketplace=~"$marketplace"}}', "{{marketplace}}"),
        ),
        graph(
            Told(
                "All sellers together",
                "Defective orders of all sellers by their orders, official window, whether they are series or not.",
                "percentunit",
                span=8,
            ),
            Query(
                f"sum by (marketplace) ({defective}) / sum by (marketplace) ({orders})",
                "{{marketplace}}",
            ),
            Query(target(), "target"),
        ),
        graph(
            Told("Why", "Orders in the official window that are defective by each cause.", span=8),
            *causes,
            stacked=True,
        ),
        graph(
            Told(
                "Defects found and taken back",
                "Orders that became defective, or ceased to be, per second.",
                "cps",
                span=12,
            ),
            Query(f"sum({in_figures % 'entered'})", "found"),
            Query(f"-sum({in_figures % 'left'})", "taken back"),
        ),
        graph(
            Told(
                "Visible in time",
                f"Share of events visible within {freshness.VISIBLE_WITHIN_SECONDS:.0f} s of their record.",
                "percentunit",
                span=12,
            ),
            Query(f"1 - {freshness.late_share('5m')}", "within 5 minutes"),
            Query(f"1 - {freshness.late_share('1h')}", "within an hour"),
            Query(f"vector({freshness.OBJECTIVE})", "objective"),
        ),
    )


def _any_channel(*matchers: str) -> str:
    """Return the selector of the chosen sellers, whatever their channels: few metrics are of one."""
    return ", ".join((*matchers, 'seller=~"$sellers"', 'marketplace=~"$marketplace"'))


def _who_misses_what() -> Panel:
    told = Told(
        "Who misses what",
        "Sellers that miss a target with volume enough, those that miss most first; each metric that is missed with "
        "its worst figure of any window and channel.",
        nothing="nobody, as far as is known",
        span=24,
    )
    by = ", ".join(_OF_SELLERS)
    most = f"topk({_MOST_ROWS}, {shown(MISSED_METRICS, _any_channel(), by)})"

    def column(names: Names) -> Column:
        official = [_IN_OFFICIAL] if names.warns_early else []
        missed = f"{names.recorded('missed')}{{{_any_channel(*official)}}}"
        worst = "max" if names.target.counts_failures else "min"
        shown_as = SHARE if names.is_share else {}
        return Column(_short(names), f"{worst} by ({by}) ({missed}) and {most}", shown_as)

    return rows(told, _OF_SELLERS, (Column("Missed", most), *map(column, judged())), to_seller(*_OF_SELLERS))


def _short(names: Names) -> str:
    """Return what a metric is called where many stand side by side."""
    return names.heading.removesuffix(" ratio")


def _each_metric() -> tuple[Panel, ...]:
    in_marketplace = '{marketplace=~"$marketplace"}'
    others = [names for names in judged() if not names.metric.by_channel]
    missed = [Query(f"sum({names.missed_sellers}{in_marketplace})", _short(names)) for names in others]
    return (
        graph(
            Told("Sellers that miss each metric", "With volume enough, in any window.", nothing=UNKNOWN, span=8),
            *missed,
        ),
        _together(
            "All sellers together: failures",
            [names for names in others if names.is_share and names.target.counts_failures],
        ),
        _together(
            "All sellers together: successes",
            [names for names in others if names.is_share and not names.target.counts_failures],
        ),
    )


def _together(title: str, metrics: Sequence[Names]) -> Panel:
    """Return the panel of what all sellers come to, whether they are series or not."""

    def ratio(names: Names) -> str:
        numerator, denominator = (
            f'sum by (window) (marketplace_{gauge.removeprefix("seller_")}{{marketplace=~"$marketplace"}})'
            for gauge in names.gauges[1:]
        )
        return f"{numerator} / {denominator}"

    told = Told(title, "Of all sellers of the chosen marketplaces, by window.", "percentunit", UNKNOWN, span=8)
    return graph(told, *(Query(ratio(names), f"{_short(names)} {{{{window}}}}") for names in metrics))


def _alerts() -> Panel:
    told = Told(
        "Firing alerts",
        "What Prometheus says now, and since when. Alertmanager sends the gravest of each figure.",
        AGE,
        "none",
        span=11,
    )
    labels = {"alertname": "Alert", "severity": "Severity", "metric": "Metric", **_OF_SELLERS}
    since = 'ALERTS_FOR_STATE and ignoring (alertstate) ALERTS{alertstate="firing"}'
    by = ", ".join(labels)
    return rows(told, labels, (Column("Since", f"1000 * min by ({by}) ({since})"),))
