"""Each metric's alerts, both ways: fires at the limit and not before its time, is quiet one failure better.

The counts are found by the metric's own target, so that a success that is missing is told as a failure that is there.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest

from grafana.generate.rules.names import Names, judged
from stream.metrics import ORDER_DEFECT, WINDOWS, Metric
from stream.rates import Target, headroom, low_volume
from tests.rules.test_alerts import promtool_tests
from tests.watch import RULE_FILES

SELLER, MARKETPLACE = "A2", "DE"
Counts = tuple[int, int]


class Words(NamedTuple):
    """How a metric's alerts call it, what its denominator counts, and what it must be."""

    title: str
    denominators: str
    must: str


WORDS: Final = {
    "order_defect": Words("order defect ratio", "orders", "below 1%"),
    "cancellation": Words("cancellation ratio", "orders", "below 2.5%"),
    "late_shipment": Words("late shipment ratio", "confirmed orders", "below 4%"),
    "valid_tracking": Words("valid tracking ratio", "packages", "above 95%"),
    "on_time_delivery": Words("on-time delivery ratio", "tracked packages", "above 97%"),
    "contact_response": Words("contact response ratio", "messages", "at least 90%"),
}
SHARES: Final = [names for names in judged() if names.is_share]
each_share = pytest.mark.parametrize("names", SHARES, ids=lambda names: names.metric.name)


def test_every_share_with_a_target_is_here() -> None:
    assert {names.metric.name for names in SHARES} == set(WORDS)


def with_room(target: Target, room: int, denominator: int = 1000) -> Counts:
    """Return counts with so much headroom: -1 misses the target by one failure, 0 meets it just so."""
    found = [numerator for numerator in range(denominator + 1) if headroom(numerator, denominator, target) == room]
    return found[0], denominator


def few(target: Target) -> Counts:
    """Return one failure in the most that are low volume."""
    denominator = max(number for number in range(1, 1000) if low_volume(number, target, None))
    return (1 if target.counts_failures else denominator - 1), denominator


def labels(names: Names) -> dict[str, str]:
    of_channel = {"channel": "MFN"} if names.metric.by_channel else {}
    return {"job": "odr", "seller": SELLER, "marketplace": MARKETPLACE, **of_channel, "window": window(names.metric)}


def window(metric: Metric) -> str:
    return metric.windows[0].name


def target_series(names: Names) -> dict[str, str]:
    about = f'metric="{names.metric.name}", marketplace="{MARKETPLACE}", condition="{names.target.condition}"'
    return {
        "series": f'seller_target_ratio{{job="odr", instance="a:6066", {about}}}',
        "values": f"{float(names.target.value)!r}x60",
    }


def series(names: Names, counts: Counts, seller: str = SELLER, then: Counts | None = None) -> Iterator[dict[str, str]]:
    """Yield the gauges of a share: `then` for 24 hours and a half, if it is given, before `counts`."""
    of = {**labels(names), "seller": seller, "instance": "a:6066"}
    told = ", ".join(f'{label}="{text}"' for label, text in of.items())

    def values(numbers: Counts) -> tuple[float, ...]:
        return numbers[0] / numbers[1], *numbers

    for name, value, before in zip(names.gauges, values(counts), values(then or counts), strict=True):
        steps = f"{value!r}+0x60" if then is None else f"{before!r}+0x48 {value!r}+0x10"
        yield {"series": f"{name}{{{told}}}", "values": steps}


def figure(names: Names, counts: Counts) -> str:
    words, (numerator, denominator) = WORDS[names.metric.name], counts
    place = f"MFN, {window(names.metric)}" if names.metric.by_channel else window(names.metric)
    share = f"{100 * numerator / denominator:.4g}%, {numerator} of {denominator} {words.denominators}"
    return f"{SELLER} in {MARKETPLACE} ({place}): {words.title} {share}; it must be {words.must}."


def told(names: Names, alert: str, severity: str, counts: Counts, what: str) -> dict[str, Any]:
    metric = names.metric.name
    return {
        "exp_labels": {**labels(names), "metric": metric, "scope": "seller", "severity": severity},
        "exp_annotations": {
            "summary": f"{SELLER} in {MARKETPLACE}: {WORDS[metric].title} {what}",
            "description": figure(names, counts),
            "page": f"/seller?id={SELLER}",
            "dashboard": f"/d/odr-seller?var-seller={SELLER}&var-marketplace={MARKETPLACE}",
            "runbook_url": f"grafana/runbooks/{alert}.md",
            "advice_url": f"grafana/runbooks/SellerTargetMissed.md#{metric}",
        },
    }


class Alerted(NamedTuple):
    """An alert, what a seller's counts are then, and what they are one failure better."""

    counts: Callable[[Target], Counts]
    better: Callable[[Target], Counts]
    severities: tuple[str, str]
    what: str


def one_better(target: Target) -> Counts:
    numerator, denominator = few(target)
    return numerator + (-1 if target.counts_failures else 1), denominator


ALERTS: Final = {
    "SellerTargetMissed": Alerted(
        lambda target: with_room(target, -1),
        lambda target: with_room(target, 0),
        ("critical", "warning"),
        "misses its target",
    ),
    "SellerHeadroomGone": Alerted(
        lambda target: with_room(target, 0),
        lambda target: with_room(target, 1),
        ("warning", "info"),
        "misses its target with the next failure",
    ),
    "SellerTargetMissedLowVolume": Alerted(few, one_better, ("info", "info"), "misses its target, with few {}"),
}


@each_share
@pytest.mark.parametrize("alert", ALERTS)
def test_it_fires_after_five_minutes_and_is_quiet_with_one_failure_less(
    alert: str, names: Names, tmp_path: Path
) -> None:
    one = ALERTS[alert]
    counts, better = one.counts(names.target), one.better(names.target)
    severity = one.severities[names.metric is not ORDER_DEFECT]
    what = one.what.format(WORDS[names.metric.name].denominators)
    others = [name for name in ALERTS if name != alert]
    fires = {
        "interval": "1m",
        "input_series": [target_series(names), *series(names, counts)],
        "alert_rule_test": [
            {"eval_time": "4m", "alertname": alert, "exp_alerts": []},
            {"eval_time": "5m", "alertname": alert, "exp_alerts": [told(names, alert, severity, counts, what)]},
            *({"eval_time": "30m", "alertname": name, "exp_alerts": []} for name in others),
        ],
    }
    quiet = {
        "interval": "1m",
        "input_series": [target_series(names), *series(names, better)],
        "alert_rule_test": [{"eval_time": "30m", "alertname": alert, "exp_alerts": []}],
    }
    promtool_tests(tmp_path, {"evaluation_interval": "1m", "tests": [fires, quiet]}, *RULE_FILES)


@each_share
@pytest.mark.parametrize(("sellers", "fires"), [(5, True), (4, False)])
def test_many_sellers_that_miss_it_at_once_are_told(names: Names, sellers: int, fires: bool, tmp_path: Path) -> None:
    missed, met = with_room(names.target, -1), with_room(names.target, 1)
    given = [one for seller in range(sellers) for one in series(names, missed, f"S{seller}", then=met)]
    title, _, must = WORDS[names.metric.name]
    severity = "critical" if names.metric is ORDER_DEFECT else "warning"
    alert = {
        "exp_labels": {
            "job": "odr",
            "marketplace": MARKETPLACE,
            "metric": names.metric.name,
            "scope": "pipeline",
            "severity": severity,
        },
        "exp_annotations": {
            "summary": f"Many sellers in {MARKETPLACE} at once: {title} misses its target",
            "description": f"In {MARKETPLACE} the {title} misses its target, {must.split()[-1]}, for {sellers} sellers "
            "for which it did not a day ago.",
            "dashboard": f"/d/odr-overview?var-marketplace={MARKETPLACE}",
            "runbook_url": "grafana/runbooks/ManySellersMissTarget.md",
        },
    }
    case = {
        "interval": "30m",
        "input_series": [target_series(names), *given],
        "alert_rule_test": [
            {"eval_time": "24h30m", "alertname": "ManySellersMissTarget", "exp_alerts": []},
            {"eval_time": "25h", "alertname": "ManySellersMissTarget", "exp_alerts": [alert] if fires else []},
        ],
    }
    promtool_tests(tmp_path, {"evaluation_interval": "30m", "tests": [case]}, *RULE_FILES)


def test_a_seller_that_missed_it_in_another_window_a_day_ago_is_no_new_one(tmp_path: Path) -> None:
    (names,) = [names for names in SHARES if names.metric.name == "late_shipment"]
    missed, met = with_room(names.target, -1), with_room(names.target, 1)
    given = [
        {**one, "series": one["series"].replace(window(names.metric), other)}
        for seller in range(6)
        for other, then in (("30d", missed), ("10d", met))
        for one in series(names, missed, f"S{seller}", then=then)
    ]
    case = {
        "interval": "30m",
        "input_series": [target_series(names), *given],
        "alert_rule_test": [{"eval_time": "25h", "alertname": "ManySellersMissTarget", "exp_alerts": []}],
    }
    promtool_tests(tmp_path, {"evaluation_interval": "30m", "tests": [case]}, *RULE_FILES)


def violations(seller: int, values: str) -> dict[str, str]:
    kind = 'category="listing", severity="high", window="180d"'
    about = f'job="odr", instance="a:6066", seller="S{seller}", marketplace="{MARKETPLACE}", {kind}'
    return {"series": f"seller_open_violations{{{about}}}", "values": values}


def many_with_violations(names: Names, name: str, *, new: int, before: int, fires: bool) -> dict[str, Any]:
    """Return a case: `new` sellers have open violations within half an hour, `before` had one for a day and more."""
    given = [violations(seller, "0+0x48 2+0x10") for seller in range(new)]
    given += [violations(new + seller, "1+0x48 2+0x10") for seller in range(before)]
    alert = {
        "exp_labels": {
            "job": "odr",
            "marketplace": MARKETPLACE,
            "metric": "open_violations",
            "scope": "pipeline",
            "severity": "warning",
        },
        "exp_annotations": {
            "summary": f"Many sellers in {MARKETPLACE} at once: open violations, more than there may be",
            "description": f"In {MARKETPLACE} {new} sellers with more open violations than the 0 that there may be had "
            "no more than that a day ago.",
            "dashboard": f"/d/odr-overview?var-marketplace={MARKETPLACE}",
            "runbook_url": "grafana/runbooks/ManySellersMissTarget.md",
        },
    }
    return {
        "name": name,
        "interval": "30m",
        "input_series": [target_series(names), *given],
        "alert_rule_test": [
            {"eval_time": "24h30m", "alertname": "ManySellersMissTarget", "exp_alerts": []},
            {"eval_time": "25h", "alertname": "ManySellersMissTarget", "exp_alerts": [alert] if fires else []},
        ],
    }


def test_many_sellers_with_open_violations_at_once_are_told(tmp_path: Path) -> None:
    (names,) = [names for names in judged() if not names.is_share]
    cases = [
        many_with_violations(names, "five who had none", new=5, before=0, fires=True),
        many_with_violations(names, "four are no crowd", new=4, before=0, fires=False),
        many_with_violations(names, "more than half as many as had some", new=5, before=9, fires=True),
        many_with_violations(names, "no more than half as many as had some", new=5, before=10, fires=False),
    ]
    promtool_tests(tmp_path, {"evaluation_interval": "30m", "tests": cases}, *RULE_FILES)


def test_how_many_metrics_a_seller_misses_is_recorded(tmp_path: Path) -> None:
    given = [
        one
        for names in SHARES
        for seller, room in (("ALL", -1), ("NONE", 0))
        for one in (target_series(names), *series(names, with_room(names.target, room), seller))
        if "seller_target_ratio" not in one["series"] or seller == "ALL"
    ]
    recorded = f'seller:seller_missed_metrics:count{{job="odr", seller="ALL", marketplace="{MARKETPLACE}"}}'
    asked = {
        "expr": "seller:seller_missed_metrics:count",
        "eval_time": "1m",
        "exp_samples": [{"labels": recorded, "value": len(SHARES)}],
    }
    case = {"interval": "1m", "input_series": given, "promql_expr_test": [asked]}
    promtool_tests(tmp_path, {"evaluation_interval": "1m", "tests": [case]}, *RULE_FILES)


def test_a_metric_shows_each_of_its_windows_and_the_ledger_has_them() -> None:
    for names in judged():
        assert set(names.windows) <= set(WINDOWS[names.metric.ledger.name])
