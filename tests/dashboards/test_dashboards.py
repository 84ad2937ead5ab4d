"""The dashboards' files: valid for Grafana, whole, laid out, linked, and about names that exist."""

import json
import re
from itertools import combinations
from typing import Any

import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from grafana.generate.dashboards.history import KNOWLEDGE
from grafana.generate.dashboards.panels import UNKNOWN
from grafana.generate.rules.names import Names, judged
from stream.gauges import COLUMNS, SELLER_FAMILIES
from stream.metrics import METRICS, TARGETS, Metric
from stream.tools.replay.blocks import SUFFIX
from tests.dashboards.boards import BOARDS, Asked, every_query, filled, panels, variables
from tests.metric_names import OF_PROMETHEUS, shown_by_workers
from tests.watch import recorded, selectors

WRITTEN_BY_REPLAYS = {f"{family.name}{SUFFIX}" for family in SELLER_FAMILIES}
NOTHING_IN_A_CELL = {"id": "noValue", "value": "–"}
ANYTHING = {
    "seller": "A2SELLER",
    "sellers": ".*",
    "marketplace": ".*",
    "channel": ".*",
    "replay": "r1",
    "__rate_interval": "1m",
}

each_board = pytest.mark.parametrize("board", BOARDS.values(), ids=list(BOARDS))
each_query = pytest.mark.parametrize("asked", every_query(), ids=lambda asked: asked.id)


def test_there_are_the_four() -> None:
    assert set(BOARDS) == {"overview", "seller", "pipeline", "history"}
    assert {board["uid"] for board in BOARDS.values()} == {f"odr-{name}" for name in BOARDS}


@each_board
def test_a_dashboard_holds_nothing_that_grafana_does_not_know(board: dict[str, Any]) -> None:
    register_default_plugins()
    read = Dashboard.from_json(board)
    assert json.loads(JSONEncoder().encode(read)) == board


@each_board
def test_a_dashboard_is_one_that_can_be_provisioned(board: dict[str, Any]) -> None:
    assert "id" not in board
    assert "__inputs" not in board
    assert board["editable"] is False
    assert board["title"]
    assert board["description"]
    sources = [one for one in board["templating"]["list"] if one["type"] == "datasource"]
    assert [(one["name"], one["query"]) for one in sources] == [("datasource", "prometheus")]


@each_board
def test_every_panel_says_what_it_shows_and_what_nothing_means(board: dict[str, Any]) -> None:
    titles = [panel["title"] for panel in panels(board)]
    for panel in panels(board):
        assert panel["title"]
        assert panel["description"].endswith("."), panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"]
        assert panel["fieldConfig"]["defaults"]["noValue"]
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        assert all(target["datasource"] == panel["datasource"] for target in panel["targets"])
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    assert titles


@each_board
def test_lines_are_named_under_every_graph(board: dict[str, Any]) -> None:
    for panel in panels(board):
        if panel["type"] == "timeseries":
            assert panel["options"]["legend"]["showLegend"], panel["title"]
            assert panel["options"]["legend"]["displayMode"] == "list"
            assert panel["fieldConfig"]["defaults"]["color"]["mode"] == "palette-classic", (
                "by name, two may look the same"
            )
            assert all(target.get("legendFormat") for target in panel["targets"]), panel["title"]


@each_board
def test_panels_neither_overlap_nor_leave_the_grid(board: dict[str, Any]) -> None:
    places = [panel["gridPos"] for panel in board["panels"]]
    for place in places:
        assert place["x"] >= 0
        assert place["x"] + place["w"] <= 24
    for one, other in combinations(places, 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        above = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or above, (one, other)


@each_board
def test_no_row_leaves_a_gap(board: dict[str, Any]) -> None:
    widths: dict[int, int] = {}
    for panel in board["panels"]:
        widths[panel["gridPos"]["y"]] = widths.get(panel["gridPos"]["y"], 0) + panel["gridPos"]["w"]
    assert set(widths.values()) == {24}


@each_query
def test_a_query_is_about_names_that_exist(asked: Asked) -> None:
    known = shown_by_workers() | recorded() | OF_PROMETHEUS | WRITTEN_BY_REPLAYS
    assert {selector.name for selector in selectors(filled(asked.target["expr"], ANYTHING))} <= known


@each_query
def test_only_history_looks_at_what_a_replay_has_written(asked: Asked) -> None:
    of_replay = [name for name in re.findall(r"\w+", asked.target["expr"]) if name.endswith(SUFFIX)]
    assert bool(of_replay) is (asked.board == "history")
    if of_replay and asked.target["legendFormat"] != "target":  # a target is of no replay: it is that of now
        assert all(known in KNOWLEDGE for known in re.findall(r'knowledge="(\w+)"', asked.target["expr"]))
        assert asked.target["expr"].count("last_over_time") == asked.target["expr"].count(SUFFIX)
        assert asked.target["expr"].count('job="replay"') == len(of_replay)


@each_query
def test_no_query_has_a_target_of_its_own(asked: Asked) -> None:
    targets = {str(float(target.value)) for target in TARGETS.values() if 0 < target.value < 1}
    numbers = set(re.findall(r"(?<![\w.])\d+\.\d+(?![\w.])", asked.target["expr"]))
    shares_of_time = {"0.9"} if "histogram_quantile" in asked.target["expr"] else set()
    assert not numbers & targets - shares_of_time


JUDGED = [names for names in judged() if names.is_share]


@pytest.mark.parametrize("name", ["overview", "seller", "history"])
@pytest.mark.parametrize("names", JUDGED, ids=lambda names: names.metric.name)
def test_a_target_is_drawn_beside_every_ratio_over_time(names: Names, name: str) -> None:
    for panel in panels(BOARDS[name]):
        asked = " ".join(target["expr"] for target in panel["targets"])
        if panel["type"] == "timeseries" and names.gauges[0] in asked and " - " not in asked:
            limits = [target["expr"] for target in panel["targets"] if target["legendFormat"] == "target"]
            assert limits, panel["title"]
            assert f'seller_target_ratio{{metric="{names.metric.name}"' in limits[0]


def links(board: dict[str, Any]) -> list[str]:
    found: list[str] = [link["url"] for link in board["links"] if link["type"] == "link"]
    for panel in panels(board):
        found += [link["url"] for link in panel["fieldConfig"]["defaults"].get("links", [])]
        for override in panel["fieldConfig"]["overrides"]:
            found += [link["url"] for one in override["properties"] if one["id"] == "links" for link in one["value"]]
    return found


@each_board
def test_links_hand_on_variables_that_are_there(board: dict[str, Any]) -> None:
    names = {one["name"] for one in board["templating"]["list"]} | {"__url_time_range", "__data"}
    for url in links(board):
        assert (
            set(variables(url.replace("__data.fields.", "__data_")))
            - {"__data_seller", "__data_marketplace", "__data_channel"}
            <= names
        )
        if url.startswith("/d/"):
            linked = BOARDS[url.removeprefix("/d/odr-").partition("?")[0]]
            theirs = {one["name"] for one in linked["templating"]["list"]}
            assert set(re.findall(r"var-(\w+)=", url)) <= theirs


def test_one_click_leads_from_a_seller_in_trouble_to_its_figures_and_on_to_its_orders() -> None:
    to_seller = [url for url in links(BOARDS["overview"]) if url.startswith("/d/odr-seller?")]
    assert len(to_seller) == 4
    for at, url in enumerate(to_seller):
        of_any_channel = at == 2  # who misses what, in whatever channel
        assert ("var-channel" in url) is not of_any_channel
        for name in ("seller", "marketplace", *(() if of_any_channel else ("channel",))):
            assert f"var-{name}=${{__data.fields.{name}:percentencode}}" in url
    to_orders = set(links(BOARDS["seller"]))
    assert to_orders == {"${worker:raw}/sellers/${seller:percentencode}"}
    (worker,) = [one for one in BOARDS["seller"]["templating"]["list"] if one["name"] == "worker"]
    assert worker["query"] == "http://localhost:6066"


def test_sellers_are_typed_not_listed() -> None:
    for board in BOARDS.values():
        for one in board["templating"]["list"]:
            assert one["name"] not in {"seller", "sellers"} or one["type"] == "textbox"
            assert "seller)" not in str(one["query"])


@each_board
def test_where_no_worker_answers_no_number_says_that_all_is_well(board: dict[str, Any]) -> None:
    for panel in panels(board):
        told_by_prometheus = all(re.search(r"ALERTS|up\{", target["expr"]) for target in panel["targets"][:1])
        if panel["type"] == "stat" and not told_by_prometheus:
            says = panel["fieldConfig"]["defaults"]["noValue"]
            assert says == UNKNOWN or says.startswith("no such seller"), panel["title"]


def test_overview_shows_the_gravest_first() -> None:
    titles = [panel["title"] for panel in panels(BOARDS["overview"])]
    assert titles[0] == "Over target"
    assert titles.index("Over target, worst first") < titles.index("About to be, worst first") < titles.index("Why")


def asked_of(board: str) -> set[str]:
    """Return the names of every series that a dashboard asks for."""
    exprs = [filled(asked.target["expr"], ANYTHING) for asked in every_query() if asked.board == board]
    return {selector.name for expr in exprs for selector in selectors(expr) if selector.name}


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_every_metric_is_on_the_dashboards_of_a_seller_and_of_a_replay(metric: Metric) -> None:
    told = {column.family.name for column in COLUMNS[metric.ledger.name] if column.metric is metric}
    assert told
    assert told <= asked_of("seller")
    assert told & asked_of("seller")
    replayed = {f"{name}{SUFFIX}" for name in told}
    assert replayed & asked_of("history")
    if metric.target is not None:
        assert replayed <= asked_of("history")


@pytest.mark.parametrize("names", judged(), ids=lambda names: names.metric.name)
def test_overview_tells_who_misses_every_metric(names: Names) -> None:
    (panel,) = [panel for panel in panels(BOARDS["overview"]) if panel["title"] == "Who misses what"]
    (column,) = [target for target in panel["targets"] if names.recorded("missed") in target["expr"]]
    (organize,) = [one for one in panel["transformations"] if one["id"] == "organize"]
    assert organize["options"]["renameByName"][f"Value #{column['refId']}"] == names.heading.removesuffix(" ratio")
    assert names.missed_sellers in asked_of("overview")


@each_board
def test_an_empty_cell_does_not_say_what_an_empty_table_says(board: dict[str, Any]) -> None:
    for panel in panels(board):
        if panel["type"] == "table":
            overrides = panel["fieldConfig"]["overrides"]
            dashed = {one["matcher"]["options"] for one in overrides if NOTHING_IN_A_CELL in one["properties"]}
            (organize,) = [one for one in panel["transformations"] if one["id"] == "organize"]
            assert dashed == set(organize["options"]["renameByName"].values()), panel["title"]


def test_a_seller_without_open_violations_has_none_not_an_unknown_number() -> None:
    (panel,) = [panel for panel in panels(BOARDS["seller"]) if panel["title"] == "Open violations"]
    assert re.search(r"\bor\b\s+0 \* max by \(marketplace\) \(\s*seller_orders", panel["targets"][0]["expr"])


def test_the_verdicts_of_the_rest_stand_in_one_table_worst_first() -> None:
    (panel,) = [panel for panel in panels(BOARDS["seller"]) if panel["title"] == "Against their targets, worst first"]
    (verdicts,) = [target["expr"] for target in panel["targets"] if "next_failure_misses" in target["expr"]]
    for names in JUDGED:
        if not names.metric.by_channel:
            for operation in ("missed", "missed_low_volume", "next_failure_misses", "max"):
                assert names.recorded(operation) in verdicts
    assert panel["options"]["sortBy"] == [{"displayName": "Verdict", "desc": True}]
