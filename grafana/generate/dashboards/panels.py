"""The kinds of panel, and what every one of them has: title, description, unit, and a word for "nothing".

A panel's queries are named A, B, C in their order; a stat or a table shows the newest moment, a graph the whole range.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from string import ascii_uppercase
from typing import Any, Final, TypeAlias, TypeVar

from grafana_foundation_sdk.builders import bargauge, common, dashboard, prometheus, stat, table, timeseries
from grafana_foundation_sdk.models import common as options
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

Panel: TypeAlias = stat.Panel | table.Panel | timeseries.Panel | bargauge.Panel
_AnyPanel = TypeVar("_AnyPanel", stat.Panel, table.Panel, timeseries.Panel, bargauge.Panel)

SOURCE: Final = models.DataSourceRef(type_val="prometheus", uid="${datasource}")

Steps: TypeAlias = Sequence[tuple[float | None, str]]
"""Colours from a value on; the first, from None, is the colour of everything below."""

UNKNOWN: Final = "unknown"
"""Shown where workers tell nothing: that must not look like 0, nor like "nobody"."""

GREY: Final[Steps] = ((None, "text"),)
NONE_IS_GOOD: Final[Steps] = ((None, "green"), (1, "red"))
NONE_IS_BETTER: Final[Steps] = ((None, "green"), (1, "orange"))
NONE_IS_BAD: Final[Steps] = ((None, "red"), (1, "green"))


@dataclass(frozen=True, slots=True)
class Told:
    """What every panel says of itself; `unit` is Grafana's name of one, `nothing` what is shown without data."""

    title: str
    description: str
    unit: str = "short"
    nothing: str = "no data"
    span: int = 12
    height: int = 8


@dataclass(frozen=True, slots=True)
class Query:
    """An expression and how its series are called."""

    expr: str
    legend: str = ""


AGE: Final = "dateTimeFromNow"
"""The unit of a moment that is told by how long ago it was."""

SHARE: Final[Mapping[str, Any]] = {"unit": "percentunit", "decimals": 2}
"""The properties of a column of ratios."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of figures in a table; `properties` are Grafana's overrides of the field."""

    name: str
    expr: str
    properties: Mapping[str, Any] = field(default_factory=dict)


def number(told: Told, *queries: Query, steps: Steps = GREY, link: Mapping[str, Any] | None = None) -> stat.Panel:
    """Return a panel of one large number for each series, coloured by its value.

    It is that of now, without a line behind it: the newest of the past would look like one where there is none now.
    """
    panel = _begin(stat.Panel(), told, steps)
    panel = panel.color_mode(options.BigValueColorMode.VALUE).graph_mode(options.BigValueGraphMode.NONE)
    panel = panel.reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
    if link is not None:
        panel = panel.data_links([_data_link(link)])
    return _ask(panel, queries, instant=True)


def bars(told: Told, *queries: Query, steps: Steps = GREY) -> bargauge.Panel:
    """Return a panel of one bar for each series, its name above it: beside it, only the name's beginning had room."""
    panel = _begin(bargauge.Panel(), told, steps).orientation(options.VizOrientation.HORIZONTAL)
    panel = panel.name_placement(options.BarGaugeNamePlacement.TOP)
    panel = panel.reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"])).min(0)
    return _ask(panel, queries, instant=True)


def graph(
    told: Told, *queries: Query, stacked: bool = False, link: Mapping[str, Any] | None = None
) -> timeseries.Panel:
    """Return a panel of lines over time; a series that is called "target" is drawn as a limit."""
    panel = _begin(timeseries.Panel(), told, GREY).color_scheme(
        dashboard.FieldColor().mode(models.FieldColorModeId.PALETTE_CLASSIC)
    )
    panel = panel.line_width(2).fill_opacity(30 if stacked else 5).show_points(options.VisibilityMode.NEVER)
    panel = panel.tooltip(
        common.VizTooltipOptions().mode(options.TooltipDisplayMode.MULTI).sort(options.SortOrder.DESCENDING)
    )
    panel = panel.legend(
        common.VizLegendOptions()
        .show_legend(True)
        .display_mode(options.LegendDisplayMode.LIST)
        .placement(options.LegendPlacement.BOTTOM)
    )
    if stacked:
        panel = panel.stacking(common.StackingConfig().mode(options.StackingMode.NORMAL))
    if link is not None:
        panel = panel.data_links([_data_link(link)])
    return _ask(panel.override_by_regexp("/target|objective/", _LIMIT), queries, instant=False)


_LIMIT: Final = [
    models.DynamicConfigValue("color", {"mode": "fixed", "fixedColor": "red"}),
    models.DynamicConfigValue("custom.lineStyle", {"fill": "dash", "dash": [10, 10]}),
    models.DynamicConfigValue("custom.fillOpacity", 0),
    models.DynamicConfigValue("custom.stacking", {"mode": "none", "group": "A"}),
]
"""How a target is drawn: a dashed red line."""


def rows(
    told: Told,
    labels: Mapping[str, str],
    columns: Sequence[Column],
    link: Mapping[str, Any] | None = None,
    sorted_by: str | None = None,
) -> table.Panel:
    """Return a table of one row for each combination of `labels` (label to heading).

    The first column sorts it, largest first, or the one that is named. All columns must have exactly these labels.
    `link` is where the first label's cells lead.
    """
    panel = _begin(table.Panel(), told, GREY).cell_height(options.TableCellHeight.SM)
    panel = panel.align(options.FieldTextAlignment.AUTO).inspect(False)
    panel = panel.sort_by([common.TableSortByFieldState().display_name(sorted_by or columns[0].name).desc(True)])
    queries = [Query(column.expr) for column in columns]
    panel = _ask(panel, queries, instant=True, format_as_table=True).transformations(_join(labels, columns))
    for label, heading in labels.items():
        panel = panel.override_by_name(heading, _cells(heading, _LABEL_PIXELS.get(label, 0)))
    for column in columns:
        properties = [models.DynamicConfigValue(*one) for one in column.properties.items()]
        cells = _cells(column.name, _AGE_PIXELS if told.unit == AGE else 0)
        panel = panel.override_by_name(column.name, [*cells, *properties])
    if link is not None:
        panel = panel.override_by_name(next(iter(labels.values())), [models.DynamicConfigValue("links", [dict(link)])])
    return panel


_LABEL_PIXELS: Final = {
    "alertname": 220,
    "category": 300,
    "instance": 130,
    "marketplace": 140,
    "metric": 165,
    "seller": 160,
}
"""How wide the columns of long names are at least; of others, the heading decides."""

_AGE_PIXELS: Final = 120


def _cells(heading: str, pixels: int) -> list[models.DynamicConfigValue]:
    """Return what all columns have: a width, and a dash for nothing.

    Grafana's own least width, 150 pixels, wastes room on numbers and cuts names. Without a dash, a cell for which there
    is no figure would say what the whole table says when it has no row.
    """
    width = max(pixels, 80, 24 + 8 * len(heading))
    return [models.DynamicConfigValue("custom.minWidth", width), models.DynamicConfigValue("noValue", "–")]


def thresholds_from(panel: stat.Panel, target: str) -> stat.Panel:
    """Colour the panel's numbers red from the value of `target` on, an expression of one series."""
    asked = _query(Query(target, "target"), "target").instant()
    mappings = [{"fieldName": "target", "handlerKey": "threshold1", "reducerId": "lastNotNull"}]
    config = {"configRefId": "target", "mappings": mappings}
    return panel.with_target(asked).with_transformation(models.DataTransformerConfig("configFromData", options=config))


def _begin(panel: _AnyPanel, told: Told, steps: Steps) -> _AnyPanel:
    levels = [models.Threshold(value=value, color=color) for value, color in steps]
    return (
        panel.title(told.title)
        .description(told.description)
        .unit(told.unit)
        .no_value(told.nothing)
        .span(told.span)
        .height(told.height)
        .datasource(SOURCE)
        .thresholds(dashboard.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps(levels))
    )


def _ask(panel: _AnyPanel, queries: Sequence[Query], *, instant: bool, format_as_table: bool = False) -> _AnyPanel:
    for name, query in zip(ascii_uppercase, queries, strict=False):
        asked = _query(query, name)
        asked = asked.instant() if instant else asked.range()
        panel = panel.with_target(asked.format(PromQueryFormat.TABLE) if format_as_table else asked)
    return panel


def _query(query: Query, name: str) -> prometheus.Dataquery:
    asked = prometheus.Dataquery().expr(query.expr).ref_id(name).datasource(SOURCE)
    return asked.legend_format(query.legend) if query.legend else asked


def _join(labels: Mapping[str, str], columns: Sequence[Column]) -> list[models.DataTransformerConfig]:
    """Return how the queries' tables become one, its columns in order and under their headings."""
    values = {f"Value #{name}": column.name for name, column in zip(ascii_uppercase, columns, strict=False)}
    renamed = {**labels, **values, "Value": columns[0].name}  # what a single query's is called
    order = {name: at for at, name in enumerate(renamed)}
    organize = {"excludeByName": {"Time": True}, "indexByName": order, "renameByName": renamed}
    return [
        models.DataTransformerConfig("merge", options={}),
        models.DataTransformerConfig("organize", options=organize),
    ]


def _data_link(link: Mapping[str, Any]) -> dashboard.DashboardLink:
    return dashboard.DashboardLink(link["title"]).url(link["url"]).target_blank(link.get("targetBlank", False))
