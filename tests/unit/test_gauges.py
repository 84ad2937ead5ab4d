"""What Prometheus reads: names, labels, values, and that nothing is there twice or in pieces."""

import os
import shutil
import subprocess
from collections.abc import Iterable
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.figures import LEDGERS, ONE
from stream.gauges import (
    COLUMNS,
    FAMILIES,
    SELLER_FAMILIES,
    Group,
    GroupRenderer,
    Totals,
    Values,
    escape,
    render_evaluation_days,
    render_minimums,
    render_newest,
    render_targets,
)
from stream.metrics import TARGETS, WINDOWS
from stream.rules import Marketplace, Rules
from stream.worker.telemetry import Telemetry
from tests.builders import (
    DE,
    INDIA,
    SELLER,
    US,
    D,
    after,
    cancelled,
    claim,
    feedback,
    message,
    midnight,
    order,
    rules_of,
    shipment,
    totals_of,
    violation,
)
from tests.exposition import read_page
from tests.recount import (
    ACCOUNT_GAUGES,
    ALL_GAUGES,
    ODR_GAUGES,
    account_gauges,
    gauge_differences,
    gauges,
    parse_metrics,
)
from tests.strategies import foreign_text

GROUP = Group(SELLER, ("orders", US, "MFN"))
ORDERS, DEFECTIVE, CLAIMS = ONE["orders"], ONE["defective_orders"], ONE["claim_orders"]


needs_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None and not os.environ.get("CI"),
    reason="promtool is needed: apt-get install prometheus",
)


def labels(window: str, seller: str = SELLER) -> frozenset[tuple[str, str]]:
    return frozenset({("seller", seller), ("marketplace", US), ("channel", "MFN"), ("window", window)})


def page(lines: Iterable[str]) -> str:
    return "".join(lines)


def test_the_names_are_those_of_the_contract() -> None:
    assert {column.family.name for column in COLUMNS["orders"] if column.metric.by_channel} == ODR_GAUGES
    assert {family.name for family in SELLER_FAMILIES} == ALL_GAUGES
    assert [family.name for family in FAMILIES if family not in SELLER_FAMILIES] == [
        "seller_target_ratio",
        "seller_minimum_denominator",
        "seller_newest_event_timestamp_seconds",
        "seller_evaluation_day_timestamp_seconds",
    ]


def test_the_labels_are_those_of_the_contract() -> None:
    labels = {family.name: family.labels for family in SELLER_FAMILIES}
    assert {labels[name] for name in ODR_GAUGES} == {("seller", "marketplace", "channel", "window")}
    assert labels["seller_open_violations"] == ("seller", "marketplace", "category", "severity", "window")
    rest = ACCOUNT_GAUGES - {"seller_open_violations"}
    assert {labels[name] for name in rest} == {("seller", "marketplace", "window")}


def test_every_name_is_there_once_and_says_what_it_is() -> None:
    assert len({family.name for family in FAMILIES}) == len(FAMILIES)
    assert all(family.help.endswith(".") and "\n" not in family.help for family in FAMILIES)


WHOLE = [
    *(order("o1"), order("o2"), order("o3", "2026-08-21T00:00:00Z"), order("o4", channel="AFN")),
    *(claim("pending", "o1"), feedback(2, "o1"), feedback(5, "o2"), cancelled("seller", "o5"), shipment("o1")),
    *(shipment("o2", delivered_at=None), shipment("o3", first_scan_at=None), message(), violation(), shipment("o4")),
    *(message("2026-10-30T13:00:00Z", "M-2"), message(message_id="M-3", marketplace_id=DE)),
    *(violation(violation_id="V-2"), violation(violation_id="V-3", severity="low"), violation("resolved", "V-4")),
    *(order("d1", marketplace_id=DE), shipment("d1"), violation("resolved", "V-5", category="safety")),
]


@pytest.mark.parametrize("retention_days", [200, 400])
def test_a_page_says_what_the_windows_hold(retention_days: int) -> None:
    text = page(GroupRenderer(rules_of(retention_days=retention_days)).render(totals_of(after(*WHOLE))))
    expected = gauges(WHOLE, D) | account_gauges(WHOLE, D, retention_days=retention_days)
    assert gauge_differences(parse_metrics(text), expected, ALL_GAUGES) == []


def test_each_marketplace_shows_its_own_windows() -> None:
    """Case 25."""
    series = parse_metrics(page(GroupRenderer(Rules()).render(totals_of(after(*WHOLE)))))
    windows = {
        (dict(labels)["marketplace"], dict(labels)["window"])
        for name, labels in series
        if name == "seller_on_time_delivery_numerator"
    }
    assert windows == {(US, "14d"), (DE, "30d")}


def test_orders_that_amazon_fulfils_are_in_no_gauge_of_the_sellers_own_shipping() -> None:
    """Case 24."""
    told = [order(channel="AFN"), shipment(), cancelled("seller", "o2", channel="AFN")]
    series = parse_metrics(page(GroupRenderer(Rules()).render(totals_of(after(*told)))))
    assert {name for name, _ in series} <= ODR_GAUGES


def test_violations_are_told_by_category_and_severity_and_stay_at_zero_when_resolved() -> None:
    series = parse_metrics(page(GroupRenderer(Rules()).render(totals_of(after(*WHOLE)))))
    violations = {
        (dict(labels)["category"], dict(labels)["severity"]): value
        for (name, labels), value in series.items()
        if name == "seller_open_violations"
    }
    assert violations == {("listing", "high"): 2, ("listing", "low"): 1, ("safety", "high"): 0}


def test_without_a_denominator_a_share_of_the_sellers_has_counts_of_zero_and_no_ratio() -> None:
    """Case 21."""
    totals = totals_of(after(message(received="2026-11-02T12:00:00Z")))  # D-1: in no window yet
    series = parse_metrics(page(GroupRenderer(Rules()).render(totals)))
    assert {name for name, _ in series} == {"seller_contact_response_numerator", "seller_contact_response_denominator"}
    assert set(series.values()) == {0.0}


def test_how_many_series_a_group_has_is_how_many_lines_it_renders() -> None:
    renderer = GroupRenderer(Rules())
    for group, amounts in totals_of(after(*WHOLE)).items():
        lines = [line for line in page(GroupRenderer(Rules()).render({group: amounts})).splitlines() if line[0] != "#"]
        assert renderer.series_of(group, amounts) == len(lines)


def test_a_page_of_nobody_is_empty() -> None:
    renderer = GroupRenderer(Rules())
    assert page(renderer.render({})) == ""
    assert page(renderer.render({GROUP: (ORDERS, ORDERS, 0)})) != ""
    assert page(renderer.render({})) == ""


def test_without_orders_a_ratio_and_headroom_are_absent_and_counts_are_zero() -> None:
    """Case 21."""
    series = parse_metrics(page(GroupRenderer(Rules()).render({GROUP: (0, ONE["uncounted_orders"], 0)})))
    counts = {name for name in ODR_GAUGES if name.endswith("_orders")} - {"seller_order_defect_headroom_orders"}
    assert {name for name, _ in series} == counts | {"seller_cancellation_numerator", "seller_cancellation_denominator"}
    assert set(series.values()) == {0.0}


def test_ratios_are_told_in_full_double_precision() -> None:
    share = ORDERS * 99_991 + DEFECTIVE + CLAIMS
    text = page(GroupRenderer(Rules()).render({GROUP: (share, ORDERS * 3 + DEFECTIVE, 0)}))
    series = parse_metrics(text)
    assert series["seller_order_defect_ratio", labels("official")] == 1 / 99_991
    assert series["seller_order_defect_ratio", labels("ahead")] == 1 / 3
    assert f"{1 / 99_991!r}\n" in text


def test_headroom_goes_by_the_marketplaces_own_target() -> None:
    """Case 25."""
    rules = Rules(marketplaces={US: Marketplace(targets={"order_defect": Fraction(1, 10)})})
    group_elsewhere = Group(SELLER, ("orders", DE, "MFN"))
    share = 100 * ORDERS + 2 * DEFECTIVE
    series = parse_metrics(page(GroupRenderer(rules).render({GROUP: (share, 0, 0), group_elsewhere: (share, 0, 0)})))
    name = "seller_order_defect_headroom_orders"
    assert series[name, labels("official")] == 7
    assert series[name, labels("official") - {("marketplace", US)} | {("marketplace", DE)}] == -2


@given(st.text(max_size=20))
def test_any_text_comes_back_from_a_label(text: str) -> None:
    series = parse_metrics(page(GroupRenderer(Rules()).render({GROUP._replace(seller_id=text): (ORDERS, ORDERS, 0)})))
    assert series["seller_orders", labels("official", text)] == 1.0
    assert "\n" not in escape(text)


FURTHER = {"channel": "MFN", "severity": "critical"}


@given(foreign_text(), foreign_text(), foreign_text())
def test_any_text_comes_back_from_every_label_by_two_readers(seller: str, marketplace: str, category: str) -> None:
    feed = seller, marketplace, "orders"
    # Of each ledger one place with one of everything in it.
    one_of_each = {
        Group(seller, (ledger.name, marketplace, *(FURTHER.get(label, category) for label in ledger.labels))): (
            sum(ONE[figure] for figure in ledger.figures),
        )
        * len(WINDOWS[ledger.name])
        for ledger in LEDGERS.values()
    }
    rules = Rules(marketplaces={marketplace: Marketplace(minimum_denominator=50)})
    text = page(
        [
            *GroupRenderer(rules).render(one_of_each),
            *render_targets([marketplace], rules),
            *render_minimums([marketplace], rules),
            *render_newest({feed: midnight(D)}),
            *render_evaluation_days({marketplace: D.toordinal()}, rules),
        ]
    )
    series = read_page(text.encode())
    assert series == parse_metrics(text)
    told = {name: dict(labels) for name, labels in series}
    assert told.keys() == {family.name for family in FAMILIES}
    for family in FAMILIES:
        assert told[family.name].keys() == set(family.labels)
        assert told[family.name]["marketplace"] == marketplace
        assert told[family.name].get("seller", seller) == seller
        assert told[family.name].get("category", category) == category


@given(foreign_text())
def test_any_text_comes_back_from_the_pipelines_own_labels(topic: str) -> None:
    # Their labels are our own words today; the page is one, and the client library escapes its part.
    text = Telemetry([topic]).render()
    series = read_page(text.encode())
    assert series == parse_metrics(text)
    assert ("stream_events_total", frozenset({("topic", topic)})) in series


@needs_promtool
@pytest.mark.parametrize(
    "text", ["a\x00b", "\r", "\u2028", "\x1b[31m", "\U0001f600", "\ufffe", 'q"u\\o\nte', '"} 1\nup 0\n', ""]
)
def test_prometheus_itself_takes_any_text(text: str) -> None:
    lines = [
        *GroupRenderer(Rules()).render({Group(text, ("orders", text, "MFN")): (ORDERS, ORDERS, 0)}),
        *render_targets([text], Rules()),
    ]
    checked = subprocess.run(
        ["promtool", "check", "metrics"], input=page(lines).encode(), capture_output=True, check=False
    )
    assert (checked.returncode, checked.stderr) == (0, b"")


def test_backslashes_quotes_and_newlines_are_escaped_once() -> None:
    assert escape('a\\"\n\\n') == r"a\\\"\n\\n"


AMOUNTS = st.integers(0, 3).flatmap(
    lambda orders: st.integers(0, orders).map(lambda defective: orders * ORDERS + defective * DEFECTIVE)
)
SCRAPES = st.dictionaries(
    st.builds(
        Group,
        st.sampled_from(("A", "B")),
        st.tuples(st.just("orders"), st.sampled_from((US, DE)), st.sampled_from(("MFN", "AFN"))),
    ),
    st.tuples(AMOUNTS, AMOUNTS, AMOUNTS),
)


@given(st.lists(SCRAPES, max_size=5))
def test_what_a_renderer_remembers_never_shows(scrapes: list[dict[Group, Totals]]) -> None:
    # Lines are kept from scrape to scrape; groups that change, leave and come back must look as if rendered anew.
    renderer = GroupRenderer(Rules())
    for totals in scrapes:
        assert page(renderer.render(totals)) == page(GroupRenderer(Rules()).render(totals))


def test_what_a_renderer_knows_of_places_does_not_grow_with_the_categories_of_violations() -> None:
    # A category is any text that a source writes: what was remembered of each stayed for the worker's life.
    values = Values(Rules())
    for number in range(100):
        found = list(values.of(("violations", US, f"category {number}", "high"), (ONE["open_violations"],)))
        assert [pairs for _, pairs in found] == [[("180d", 1)]]
    list(values.of(("orders", US, "MFN"), (0, 0, 0)))
    list(values.of(("orders", US, "AFN"), (0, 0, 0)))
    assert len(values._told) == 3


def test_every_target_is_shown_for_every_marketplace() -> None:
    """Case 25."""
    rules = Rules(marketplaces={DE: Marketplace(targets={"late_shipment": Fraction("0.03")})})
    series = parse_metrics(page(render_targets([US, DE, INDIA], rules)))
    told = {(dict(key)["metric"], dict(key)["marketplace"]): value for (_, key), value in series.items()}
    assert told.keys() == {(metric, marketplace) for metric in TARGETS for marketplace in (US, DE, INDIA)}
    assert [told["late_shipment", marketplace] for marketplace in (US, DE, INDIA)] == [0.04, 0.03, 0.02]
    assert [told["on_time_delivery", marketplace] for marketplace in (US, DE, INDIA)] == [0.9, 0.97, 0.97]
    assert [told["open_violations", marketplace] for marketplace in (US, DE, INDIA)] == [0.0, 0.0, 0.0]
    assert {(dict(key)["metric"], dict(key)["condition"]) for _, key in series} == {
        (metric, asked.condition) for metric, asked in TARGETS.items()
    }


def test_a_minimum_volume_is_shown_where_one_is_configured() -> None:
    rules = Rules(marketplaces={DE: Marketplace(minimum_denominator=50), INDIA: Marketplace()})
    series = parse_metrics(page(render_minimums([US, DE, INDIA], rules)))
    assert series == {("seller_minimum_denominator", frozenset({("marketplace", DE)})): 50.0}


def test_the_newest_event_of_a_feed_is_told_in_seconds() -> None:
    newest = {(SELLER, US, "orders"): midnight(D) + 120_000, (SELLER, US, "claim-statuses"): -1_500_000}
    series = parse_metrics(page(render_newest(newest)))
    assert {dict(key)["topic"]: value for (_, key), value in series.items()} == {
        "orders": midnight(D) / 1_000_000 + 0.12,
        "claim-statuses": -1.5,
    }


@pytest.mark.parametrize(
    ("zones", "start"),
    [({}, "2026-11-03T00:00:00"), ({US: "America/Los_Angeles"}, "2026-11-03T08:00:00")],
)
def test_an_evaluation_day_is_told_by_its_start_in_the_marketplaces_zone(zones: dict[str, str], start: str) -> None:
    series = parse_metrics(page(render_evaluation_days({US: D.toordinal()}, rules_of(zones=zones))))
    hours = int(start[11:13])
    assert series == {
        ("seller_evaluation_day_timestamp_seconds", frozenset({("marketplace", US)})): (
            midnight(D) / 1_000_000 + hours * 3600
        )
    }
