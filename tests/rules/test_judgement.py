"""PromQL judges as `stream.rates` does, for every condition and every shape of gauge that a row may have."""

from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from grafana.generate.rules import sellers
from grafana.generate.rules.names import Names
from grafana.generate.rules.rule import Alert, rule_file
from stream.metrics import ORDER_DEFECT, TARGETS, Metric
from stream.rates import Target, headroom, low_volume
from stream.windows import Window
from tests.rules.test_alerts import promtool_tests

MINIMUM = 30
"""The minimum volume of marketplace B; marketplace A has none."""

COUNTS = [(0, 1), (1, 1), (1, 9), (2, 9), (0, 20), (18, 20), (19, 20), (20, 20), (1, 24), (1, 25), (2, 25), (23, 25)]
COUNTS += [
    (0, 26),
    (1, 26),
    (9, 10),
    (8, 10),
    (10, 10),
    (90, 100),
    (89, 100),
    (91, 100),
    (95, 100),
    (96, 100),
    (0, 100),
]
COUNTS += [(1, 100), (1, 101), (4, 100), (3, 100), (5, 100), (9, 1000), (10, 1000), (40, 1000), (39, 1000), (900, 1000)]
COUNTS += [(7, 700), (6, 700), (28, 700), (27, 700), (665, 700), (666, 700), (630, 700), (629, 700), (299, 30_000)]


def metric(name: str, target: Target) -> Metric:
    """Return a row as the sister metrics will be: counts of its own, no channel, no window that warns early."""
    return Metric(name, f"seller_{name}", "some", "all", (Window("30d", 30, 0), Window("10d", 10, 0)), target, "")


METRICS = [
    ORDER_DEFECT,
    *(metric(name, TARGETS[name]) for name in ("late_shipment", "valid_tracking", "contact_response")),
    metric("recalls", Target("equals", Fraction(0))),
    metric("returns", Target("equals", Fraction(1, 100))),
]


def labels(names: Names, numerator: int, denominator: int, marketplace: str) -> dict[str, str]:
    seller = {"job": "odr", "seller": f"{numerator} of {denominator}", "marketplace": marketplace}
    return {
        **seller,
        **({"channel": "MFN"} if names.of_orders else {}),
        "window": "official" if names.of_orders else "30d",
    }


def series(name: str, of: dict[str, str], value: float) -> dict[str, str]:
    told = ", ".join(f'{label}="{text}"' for label, text in {**of, "instance": "a:6066"}.items())
    return {"series": f"{name}{{{told}}}", "values": f"{value!r} {value!r}"}


def shown(names: Names) -> Iterator[dict[str, str]]:
    for marketplace in "AB":
        target = {"metric": names.metric.name, "marketplace": marketplace, "condition": names.target.condition}
        yield series("seller_target_ratio", {"job": "odr", **target}, float(names.target.value))
        for counts in COUNTS:
            of = labels(names, *counts, marketplace)
            numerator, denominator = counts
            for name, value in zip(names.gauges, (numerator / denominator, *counts), strict=True):
                yield series(name, of, value)


Judge = Callable[[Names, int, int, int | None], bool]


def missed(names: Names, numerator: int, denominator: int, _: int | None) -> bool:
    return headroom(numerator, denominator, names.target) < 0


def few(names: Names, _: int, denominator: int, minimum: int | None) -> bool:
    if names.target.condition == "equals" and minimum is None:
        return False  # nothing is too little where any failure counts: the alerts' own decision
    return low_volume(denominator, names.target, minimum)


def next_failure_misses(names: Names, numerator: int, denominator: int, minimum: int | None) -> bool:
    no_room = headroom(numerator, denominator, names.target) == 0
    return no_room and not few(names, numerator, denominator, minimum)


JUDGES: dict[str, Judge] = {
    "missed": lambda *told: missed(*told) and not few(*told),
    "missed_low_volume": lambda *told: missed(*told) and few(*told),
    "next_failure_misses": next_failure_misses,
}


def expected(names: Names, operation: str) -> Iterator[dict[str, Any]]:
    for marketplace, minimum in (("A", None), ("B", MINIMUM)):
        for numerator, denominator in COUNTS:
            if JUDGES[operation](names, numerator, denominator, minimum):
                of = labels(names, numerator, denominator, marketplace)
                told = ", ".join(f'{label}="{text}"' for label, text in of.items())
                yield {"labels": f"{names.recorded(operation)}{{{told}}}", "value": numerator / denominator}


@pytest.mark.parametrize("row", METRICS, ids=lambda row: f"{row.name} {row.target.condition}")
def test_what_is_recorded_is_what_the_exact_fractions_say(row: Metric, tmp_path: Path) -> None:
    """Case 22 among others: exactly at a limit that must not be reached."""
    (names,) = sellers.judged([row])
    rules = tmp_path / "rules.yml"
    rules.write_text(rule_file(sellers.recording_groups([row]), ""), encoding="utf-8")
    operations = [name for name in JUDGES if names.target.condition != "equals" or name != "next_failure_misses"]
    asked = [
        {"expr": names.recorded(name), "eval_time": "1m", "exp_samples": list(expected(names, name))}
        for name in operations
    ]
    assert any(one["exp_samples"] for one in asked)
    minimum = series("seller_minimum_denominator", {"job": "odr", "marketplace": "B"}, MINIMUM)
    told = {"interval": "1m", "input_series": [minimum, *shown(names)], "promql_expr_test": asked}
    promtool_tests(tmp_path, {"evaluation_interval": "1m", "tests": [told]}, rules)


@pytest.mark.parametrize("row", METRICS, ids=lambda row: row.name)
def test_a_row_of_the_table_is_all_that_a_metrics_alerts_need(row: Metric) -> None:
    names = {rule.name for group in sellers.alert_groups([row]) for rule in group.rules if isinstance(rule, Alert)}
    always = {"SellerTargetMissed", "SellerTargetMissedLowVolume", "ManySellersMissTarget", "SellerFeedSilent"}
    assert row.target is not None
    by_trend = set() if row.target.condition == "equals" else {"SellerHeadroomGone", "SellerRatioCreeping"}
    assert names == always | by_trend | ({"SellerTargetMissedAhead"} if row is ORDER_DEFECT else set())


def a_week_later(row: Metric, before: tuple[int, int], after: tuple[int, int]) -> Iterator[dict[str, str]]:
    """Yield a figure that is `before` for a week and `after` from then on."""
    (names,) = sellers.judged([row])
    target = {"job": "odr", "metric": row.name, "marketplace": "A", "condition": names.target.condition}
    yield series("seller_target_ratio", target, 0) | {"values": f"{float(names.target.value)!r}x60"}
    was, became = (before[0] / before[1], *before), (after[0] / after[1], *after)
    for name, then, now in zip(names.gauges, was, became, strict=True):
        yield series(name, labels(names, 1, 1, "A"), 0) | {"values": f"{then!r}+0x44 {now!r}+0x20"}


@pytest.mark.parametrize(
    ("name", "before", "after", "creeps"),
    [
        ("late_shipment", (10, 1000), (19, 1000), True),  # 0.9 points of 4
        ("late_shipment", (10, 1000), (18, 1000), False),  # exactly a fifth of what is allowed
        ("late_shipment", (19, 1000), (10, 1000), False),  # it gets better
        ("valid_tracking", (990, 1000), (979, 1000), True),  # 1.1 points of the 5 that may go wrong
        ("valid_tracking", (979, 1000), (990, 1000), False),
        ("contact_response", (99, 100), (96, 100), True),  # 3 points of 10
        ("contact_response", (99, 100), (98, 100), False),  # one more failure
    ],
)
def test_a_ratio_that_creeps_does_so_in_its_own_direction(
    name: str, before: tuple[int, int], after: tuple[int, int], creeps: bool, tmp_path: Path
) -> None:
    row = metric(name, TARGETS[name])
    groups = [*sellers.recording_groups([row]), *sellers.alert_groups([row])]
    rules = tmp_path / "rules.yml"
    rules.write_text(rule_file(groups, ""), encoding="utf-8")
    firing = 'count(ALERTS{alertname="SellerRatioCreeping", alertstate="firing"})'
    asked = {"expr": firing, "eval_time": "200h", "exp_samples": [{"value": 1}] if creeps else []}
    told = {
        "interval": "4h",
        "input_series": list(a_week_later(row, before, after)),
        "promql_expr_test": [asked],
    }
    promtool_tests(tmp_path, {"evaluation_interval": "4h", "tests": [told]}, rules)
