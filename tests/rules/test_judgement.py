"""PromQL judges as the product's verdicts do: every metric of the table, as workers show it, whatever the counts."""

import tempfile
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from grafana.generate.rules import sellers
from grafana.generate.rules.names import Names, judged
from grafana.generate.rules.rule import Alert, rule_file
from stream.figures import ONE
from stream.gauges import Group, GroupRenderer, render_minimums, render_targets
from stream.metrics import METRICS, ORDER_DEFECT, WINDOWS, Metric, target_of
from stream.rates import Target, Verdict, headroom, low_volume, ratio, verdict
from stream.rules import Marketplace, Rules
from stream.shares import Place
from tests.rules.test_alerts import promtool_tests

PLAIN, WITH_MINIMUM, UNITED_STATES, INDIA = "A", "B", "ATVPDKIKX0DER", "A21TJRUUN4KGV"
RULES: Final = Rules(
    marketplaces={WITH_MINIMUM: Marketplace(minimum_denominator=30, targets={"order_defect": Fraction(3, 100)})}
)
MARKETPLACES: Final = (PLAIN, WITH_MINIMUM, UNITED_STATES, INDIA)

COUNTS: Final = [
    *((0, 0), (0, 1), (1, 1), (1, 9), (2, 9), (0, 20), (18, 20), (19, 20), (20, 20), (1, 24), (1, 25), (2, 25)),
    *((23, 25), (0, 26), (1, 26), (1, 40), (1, 41), (9, 10), (8, 10), (10, 10), (90, 100), (89, 100), (91, 100)),
    *((95, 100), (96, 100), (97, 100), (98, 100), (0, 100), (1, 100), (1, 101), (4, 100), (3, 100), (5, 100)),
    *((9, 1000), (10, 1000), (40, 1000), (39, 1000), (24, 1000), (25, 1000), (19, 1000), (20, 1000), (900, 1000)),
    *((7, 700), (6, 700), (28, 700), (27, 700), (665, 700), (666, 700), (630, 700), (629, 700), (299, 30_000)),
]
"""Case 22 among others: exactly at a limit that must not be reached, and one beside it."""

ROWS: Final = [names.metric for names in judged()]
each_row = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
Counts = tuple[int, int]


def near(denominator: int, target: Fraction, off: int) -> Counts:
    """Return counts that are a few failures or successes off a target."""
    return min(max(int(denominator * target) + off, 0), denominator), denominator


any_counts = st.lists(
    st.builds(
        near,
        st.integers(1, 100_000),
        st.sampled_from([row.target.value for row in ROWS if row.target]),
        st.integers(-2, 2),
    ),
    unique=True,
    max_size=40,
)


def place(metric: Metric, marketplace: str) -> Place:
    further = ["MFN"] if metric.ledger.labels == ("channel",) else [f"some {label}" for label in metric.ledger.labels]
    return (metric.ledger.name, marketplace, *further)


def shown(metric: Metric, counts: list[Counts]) -> Iterator[dict[str, str]]:
    """Yield what a worker shows of sellers with these counts, one for each in every marketplace, as it is scraped."""
    amounts = {
        Group(f"{numerator} of {denominator}", place(metric, marketplace)): (
            ONE[metric.numerator] * numerator + (ONE[metric.denominator] * denominator if metric.denominator else 0),
        )
        * len(WINDOWS[metric.ledger.name])
        for marketplace in MARKETPLACES
        for numerator, denominator in counts
    }
    page = [
        *GroupRenderer(RULES).render(amounts),
        *render_targets(MARKETPLACES, RULES),
        *render_minimums(MARKETPLACES, RULES),
    ]
    for line in "".join(page).splitlines():
        if not line.startswith("#"):
            name, value = line.rsplit(" ", 1)
            scraped = name.replace("{", '{job="odr",instance="a:6066",', 1)
            yield {"series": scraped, "values": f"{float(value)!r} {float(value)!r}"}


def judge(metric: Metric, asked: Target, counts: Counts, minimum: int | None) -> tuple[Verdict, bool]:
    """Return the product's verdict, and whether it rests on too little."""
    numerator, denominator = counts
    if metric.denominator is None:
        return "missed" if headroom(numerator, 0, asked) < 0 else "good", False
    few = low_volume(denominator, asked, minimum)
    return verdict(numerator, denominator, asked, minimum_denominator=minimum), few


OPERATIONS: Final[dict[str, tuple[Verdict, bool]]] = {
    "missed": ("missed", False),
    "missed_low_volume": ("missed", True),
    "next_failure_misses": ("at_risk", False),
}
"""What is recorded, and of what verdict: on enough, or on too little."""


def expected(names: Names, counts: list[Counts], operation: str) -> Iterator[dict[str, Any]]:
    metric = names.metric
    for marketplace in MARKETPLACES:
        asked, minimum = target_of(metric, marketplace, RULES), RULES.marketplace(marketplace).minimum_denominator
        assert asked is not None
        for one in counts:
            if judge(metric, asked, one, minimum) == OPERATIONS[operation]:
                for window in metric.windows_in(marketplace, RULES):
                    of = {"job": "odr", "seller": "{} of {}".format(*one), "marketplace": marketplace}
                    of |= {"window": window.name} | ({"channel": "MFN"} if metric.by_channel else {})
                    told = ", ".join(f'{label}="{text}"' for label, text in of.items())
                    value = ratio(*one) if names.is_share else one[0]
                    yield {"labels": f"{names.recorded(operation)}{{{told}}}", "value": value}


@each_row
@given(counts=any_counts)
@example(counts=COUNTS)
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_what_is_recorded_is_what_the_products_verdicts_say(row: Metric, counts: list[Counts]) -> None:
    (names,) = judged([row])
    if not names.is_share:
        counts = list({numerator: (numerator, denominator) for numerator, denominator in counts}.values())
    operations = OPERATIONS if names.is_share else ["missed"]
    asked = [
        {"expr": names.recorded(name), "eval_time": "1m", "exp_samples": list(expected(names, counts, name))}
        for name in operations
    ]
    if counts is COUNTS:
        assert all(one["exp_samples"] for one in asked)
    told = {"interval": "1m", "input_series": list(shown(row, counts)), "promql_expr_test": asked}
    with tempfile.TemporaryDirectory() as directory:
        rules = Path(directory, "rules.yml")
        rules.write_text(rule_file(sellers.recording_groups([row]), ""), encoding="utf-8")
        promtool_tests(Path(directory), {"evaluation_interval": "1m", "tests": [told]}, rules)


@each_row
def test_a_row_of_the_table_is_all_that_a_metrics_alerts_need(row: Metric) -> None:
    told = {rule.name for group in sellers.alert_groups([row]) for rule in group.rules if isinstance(rule, Alert)}
    always = {"SellerTargetMissed", "ManySellersMissTarget", "SellerFeedSilent"}
    of_shares = {"SellerTargetMissedLowVolume", "SellerHeadroomGone"}
    creeps = {"SellerRatioCreeping"} if any(window.days >= 30 for window in row.windows) else set()
    of_kind = of_shares | creeps if row.denominator else {"SellerViolationCritical"}
    assert told == always | of_kind | ({"SellerTargetMissedAhead"} if row is ORDER_DEFECT else set())


def a_week_later(row: Metric, window: str, before: Counts, after: Counts) -> Iterator[dict[str, str]]:
    """Yield a figure that is `before` for a week and `after` from then on."""
    (names,) = judged([row])
    target = f'metric="{row.name}", marketplace="A", condition="{names.target.condition}"'
    yield {"series": f'seller_target_ratio{{job="odr", {target}}}', "values": f"{float(names.target.value)!r}x60"}
    was, became = (before[0] / before[1], *before), (after[0] / after[1], *after)
    channel = 'channel="MFN", ' if row.by_channel else ""
    for name, then, now in zip(names.gauges, was, became, strict=True):
        of = f'job="odr", seller="S", marketplace="A", {channel}window="{window}"'
        yield {"series": f"{name}{{{of}}}", "values": f"{then!r}+0x44 {now!r}+0x20"}


def row_of(name: str) -> Metric:
    return next(metric for metric in METRICS if metric.name == name)


CREEPS: Final = [
    ("order_defect", "ahead", (2, 1000), (5, 1000), True),
    ("order_defect", "ahead", (5, 1000), (2, 1000), False),
    ("late_shipment", "30d", (10, 1000), (19, 1000), True),  # 0.9 points of 4
    ("late_shipment", "30d", (10, 1000), (18, 1000), False),  # exactly a fifth of what is allowed
    ("late_shipment", "30d", (19, 1000), (10, 1000), False),  # it gets better
    ("late_shipment", "10d", (10, 1000), (19, 1000), False),  # other orders than a week ago
    ("valid_tracking", "30d", (990, 1000), (979, 1000), True),  # 1.1 points of the 5 that may go wrong
    ("valid_tracking", "30d", (979, 1000), (990, 1000), False),
    ("on_time_delivery", "30d", (995, 1000), (985, 1000), True),
    ("on_time_delivery", "30d", (985, 1000), (995, 1000), False),
    ("on_time_delivery", "14d", (995, 1000), (985, 1000), False),
    ("contact_response", "90d", (99, 100), (96, 100), True),  # 3 points of 10
    ("contact_response", "90d", (96, 100), (99, 100), False),
    ("contact_response", "30d", (99, 100), (98, 100), False),  # one more failure
    ("contact_response", "7d", (99, 100), (96, 100), False),
]


@pytest.mark.parametrize(("name", "window", "before", "after", "creeps"), CREEPS)
def test_a_ratio_that_creeps_does_so_in_its_own_direction(
    name: str, window: str, before: Counts, after: Counts, creeps: bool, *, tmp_path: Path
) -> None:
    row = row_of(name)
    groups = [*sellers.recording_groups([row]), *sellers.alert_groups([row])]
    rules = tmp_path / "rules.yml"
    rules.write_text(rule_file(groups, ""), encoding="utf-8")
    firing = 'count(ALERTS{alertname="SellerRatioCreeping", alertstate="firing"})'
    asked = {"expr": firing, "eval_time": "200h", "exp_samples": [{"value": 1}] if creeps else []}
    told = {
        "interval": "4h",
        "input_series": list(a_week_later(row, window, before, after)),
        "promql_expr_test": [asked],
    }
    promtool_tests(tmp_path, {"evaluation_interval": "4h", "tests": [told]}, rules)


def test_every_metric_that_may_creep_is_shown_to_do_so_both_ways() -> None:
    for creeps in (True, False):
        assert {name for name, *_, does in CREEPS if does is creeps} == {
            names.metric.name for names in judged() if names.trends
        }
