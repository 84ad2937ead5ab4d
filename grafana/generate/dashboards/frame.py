"""A dashboard around rows of panels: its variables, its links to the others, and where each panel stands."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard as models

from grafana.generate.dashboards.panels import SOURCE, Panel

TAG: Final = "odr"
"""Every dashboard has it; the links at the top lead to all that have it."""


@dataclass(frozen=True, slots=True)
class Row:
    """Panels under a heading."""

    title: str
    panels: Sequence[Panel]


Variable = dashboard.DatasourceVariable | dashboard.QueryVariable | dashboard.TextBoxVariable | dashboard.CustomVariable


@dataclass(frozen=True, slots=True)
class Frame:
    """One dashboard: its uid, what it is about, its variables and rows, and the range of time that it opens with."""

    uid: str
    title: str
    description: str
    variables: Sequence[Variable]
    rows: Sequence[Row]
    since: str
    refresh: str = "30s"
    links: Sequence[dashboard.DashboardLink] = ()

    def to_json(self) -> str:
        """Return the dashboard as Grafana provisions it: without an id, its panels numbered in their order."""
        built = self._laid_out().build()
        for number, panel in enumerate(built.panels or (), 1):
            panel.id_val = number
        return JSONEncoder(sort_keys=True, indent=2, ensure_ascii=False).encode(built) + "\n"

    def _laid_out(self) -> dashboard.Dashboard:
        board = (
            dashboard.Dashboard(self.title)
            .uid(self.uid)
            .description(self.description)
            .tags([TAG])
            .time(self.since, "now")
            .refresh(self.refresh)
            .timezone("browser")
            .readonly()
            .tooltip(models.DashboardCursorSync.CROSSHAIR)
            .variables([_data_source(), *self.variables])
            .links([*self.links, _to_the_others()])
        )
        for row in self.rows:
            board = board.with_row(dashboard.Row(row.title))
            for panel in row.panels:
                board = board.with_panel(panel)
        return board


def _data_source() -> dashboard.DatasourceVariable:
    found = models.VariableOption(text="Prometheus", value="prometheus")
    return dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus").current(found)


def _to_the_others() -> dashboard.DashboardLink:
    every = dashboard.DashboardLink("Account health").type(models.DashboardLinkType.DASHBOARDS).tags([TAG])
    return every.as_dropdown(False).include_vars(True).keep_time(False)


def text_box(name: str, label: str, description: str, default: str = "") -> dashboard.TextBoxVariable:
    """Return a variable that one types: with a hundred thousand sellers a list to choose from would weigh megabytes."""
    chosen = models.VariableOption(text=default, value=default)
    box = dashboard.TextBoxVariable(name).label(label).description(description)
    return box.default_value(default).current(chosen).options([chosen])


def choice(name: str, label: str, query: str) -> dashboard.QueryVariable:
    """Return a variable with the values that a label has now, all of them at first; for labels of few values."""
    box = dashboard.QueryVariable(name).label(label).datasource(SOURCE).query(query)
    box = box.refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED).sort(models.VariableSort.ALPHABETICAL_ASC)
    return box.multi(True).include_all(True).all_value(".*").current(_ALL)


def one_of(name: str, label: str, query: str) -> dashboard.QueryVariable:
    """Return a variable with one of the values that a label has."""
    box = dashboard.QueryVariable(name).label(label).datasource(SOURCE).query(query)
    return box.refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED).sort(models.VariableSort.ALPHABETICAL_DESC)


_ALL: Final = models.VariableOption(selected=True, text="All", value="$__all")


def worker_address() -> dashboard.TextBoxVariable:
    """Return the variable that says where a worker's own pages are."""
    told = "Where the pages of any worker are, for the links to orders."
    return text_box("worker", "Worker", told, "http://localhost:6066")


def to_seller(*labels: str) -> dict[str, Any]:
    """Return the link of a table's cell to the dashboard of the row's seller, by the labels that a row has."""
    chosen = "&".join(f"var-{name}=${{__data.fields.{name}:percentencode}}" for name in labels)
    url = f"/d/odr-seller?{chosen}&${{datasource:queryparam}}&${{worker:queryparam}}&${{__url_time_range}}"
    return {"title": "This seller, figure by figure", "url": url}


ORDERS_URL: Final = "${worker:raw}/sellers/${seller:percentencode}"
"""The worker's page with the seller's orders, the id percent-encoded."""


def to_orders() -> dict[str, Any]:
    """Return the link of a panel to the seller's orders."""
    return {"title": "The orders behind it", "url": ORDERS_URL, "targetBlank": True}
