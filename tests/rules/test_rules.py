"""The rules' files: made from the table, without a flaw that a tool can find, and about names that exist."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from promql_parser import MatchOp

from grafana.generate.outputs import HOME, outputs
from grafana.generate.rules import pipeline
from stream.metrics import METRICS, Metric
from tests.metric_names import OF_PROMETHEUS, shown_by_workers
from tests.watch import RULE_FILES, WATCHING, alerts, recorded, rules, run, selectors

SELLER_ALERTS = [alert for alert in alerts() if alert["labels"]["scope"] == "seller"]
EXPRESSIONS = [pytest.param(rule["expr"], id=rule.get("record") or rule["alert"]) for rule in rules(*RULE_FILES)]


@pytest.mark.parametrize("path", [path for path, _ in outputs()], ids=str)
def test_a_file_is_what_the_code_makes(path: Path) -> None:
    assert (HOME / path).read_text(encoding="utf-8") == dict(outputs())[path], "run `make grafana`"


def test_promtool_finds_no_flaw() -> None:
    run("promtool", "check", "rules", "--lint=all", "--lint-fatal", *RULE_FILES)


@pytest.mark.parametrize("expr", EXPRESSIONS)
def test_every_name_is_shown_by_a_worker_or_recorded(expr: str) -> None:
    known = shown_by_workers() | recorded() | OF_PROMETHEUS
    assert {selector.name for selector in selectors(expr)} <= known


@pytest.mark.parametrize("expr", EXPRESSIONS)
def test_no_rule_looks_at_what_a_replay_has_written(expr: str) -> None:
    for selector in selectors(expr):
        jobs = [(matcher.op, matcher.value) for matcher in selector.matchers.matchers if matcher.name == "job"]
        told_apart = selector.name in recorded() or jobs in ([(MatchOp.NotEqual, "replay")], [(MatchOp.Equal, "odr")])
        assert told_apart, selector


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_every_metric_has_advice_and_is_alerted_on_if_it_has_a_target(metric: Metric) -> None:
    advice = (WATCHING / "runbooks" / "SellerTargetMissed.md").read_text(encoding="utf-8")
    sections = dict(re.findall(r"^### (\w+)\n(.*?)(?=^###? |\Z)", advice, re.MULTILINE | re.DOTALL))
    assert sections.get(metric.name, "").strip(), f"SellerTargetMissed.md has no advice on {metric.name}"
    told = {alert["alert"] for alert in SELLER_ALERTS if alert["labels"].get("metric") == metric.name}
    if metric.target is None:
        assert not told
    else:
        of_shares = {"SellerTargetMissedLowVolume", "SellerHeadroomGone"}
        assert {"SellerTargetMissed"} | (of_shares if metric.denominator else {"SellerViolationCritical"}) <= told


@pytest.mark.parametrize("alert", SELLER_ALERTS, ids=lambda alert: f"{alert['alert']} {alert['labels'].get('metric')}")
def test_an_alert_on_a_sellers_figure_links_its_own_advice_and_dashboard(alert: dict[str, Any]) -> None:
    told, metric = alert["annotations"], alert["labels"].get("metric")
    assert told["page"].startswith("/seller?id=")
    assert told["dashboard"].startswith("/d/odr-seller?var-seller=")
    wanted = None if metric is None else f"grafana/runbooks/SellerTargetMissed.md#{metric}"
    assert told.get("advice_url") == wanted


WITHOUT_A_VALUE = {"WorkerDown", "NoWorker", "EvaluationDayUnconfirmed"}


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: alert["alert"])
def test_an_alert_says_how_grave_it_is_of_whom_and_where_to_read_on(alert: dict[str, Any]) -> None:
    told = alert["annotations"]
    assert alert["labels"]["severity"] in {"critical", "warning", "info"}
    assert alert["labels"]["scope"] in {"seller", "pipeline"}
    assert told["summary"]
    assert "$labels" in told["description"]
    assert ("$value" in told["description"]) is (alert["alert"] not in WITHOUT_A_VALUE)
    assert told["runbook_url"] == f"grafana/runbooks/{alert['alert']}.md"


TOLD_BY_WORKERS = {
    "AuditMismatch",
    "SellersSplit",
    "MidnightMissed",
    "EvaluationDayUnconfirmed",
    "ManySellersMissTarget",
}


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: alert["alert"])
def test_an_alert_on_what_workers_tell_of_sellers_outlives_their_death(alert: dict[str, Any]) -> None:
    outlives = alert in SELLER_ALERTS or alert["alert"] in TOLD_BY_WORKERS
    assert alert.get("keep_firing_for") == ("15m" if outlives else None)


def test_no_rule_has_a_target_of_its_own() -> None:
    # The numbers of targets are the workers' to tell; a rule's own numbers are counts and durations.
    targets = {str(float(metric.target.value)) for metric in METRICS if metric.target is not None}
    for rule in rules(*RULE_FILES):
        if "metric" in rule.get("labels", {}) or str(rule.get("record", "")).startswith(("seller:", "marketplace:")):
            assert not targets & set(re.findall(r"(?<![\w.])\d+(?:\.\d+)?(?![\w.])", rule["expr"])), rule


def test_the_runbooks_may_be_at_any_address() -> None:
    told = dict(outputs("https://wiki.example/runbooks"))[Path("prometheus/alerts.yml")]
    urls = {rule["annotations"]["runbook_url"] for group in yaml.safe_load(told)["groups"] for rule in group["rules"]}
    assert "https://wiki.example/runbooks/NoWorker.md" in urls


def test_the_scrapes_are_as_the_rules_take_them_to_be() -> None:
    config = yaml.safe_load((WATCHING / "prometheus" / "prometheus.yml").read_text(encoding="utf-8"))
    (job,) = [scraped for scraped in config["scrape_configs"] if scraped["job_name"] == "odr"]
    timeout = job.get("scrape_timeout", config["global"].get("scrape_timeout", "10s"))
    assert timeout == f"{pipeline.SCRAPE_TIMEOUT_SECONDS}s"
    assert config["rule_files"] == ["recording.yml", "alerts.yml"]
