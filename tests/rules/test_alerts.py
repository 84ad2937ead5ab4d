"""Each alert is quiet the evaluation before, fires when it should, and has a case in which it must stay quiet.

The cases are promtool's tests, one file for each alert; what all of them share is added here: the rule files, and the
order in which their groups are evaluated, that of the files.
"""

from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml

from tests.watch import RULE_FILES, alerts, groups, run

CASES = Path(__file__).parent / "cases"
NAMES = sorted({alert["alert"] for alert in alerts()})


def case(name: str) -> dict[str, Any]:
    told: dict[str, Any] = yaml.safe_load((CASES / f"{name}.yml").read_text(encoding="utf-8"))
    return told


def promtool_tests(directory: Path, told: dict[str, Any], *rule_files: Path) -> None:
    order = [group["name"] for group in groups(*rule_files)]
    shared = {"rule_files": [str(file) for file in rule_files], "group_eval_order": order}
    file = directory / "tests.yml"
    file.write_text(yaml.safe_dump({**shared, **told}), encoding="utf-8")
    run("promtool", "test", "rules", file)


@pytest.mark.parametrize("name", NAMES)
def test_an_alert_fires_when_it_should_and_is_quiet_when_it_should(name: str, tmp_path: Path) -> None:
    promtool_tests(tmp_path, case(name), *RULE_FILES)


def test_no_case_is_of_an_alert_that_is_gone() -> None:
    assert sorted(file.stem for file in CASES.iterdir()) == NAMES


def seconds(duration: str) -> float:
    return promql_parser.parse_duration(duration).total_seconds() if duration != "0m" else 0


def expectations(told: dict[str, Any], name: str) -> dict[float, bool]:
    """Return at what times a case says that the alert fires, or doesn't."""
    return {
        seconds(asked["eval_time"]): bool(asked["exp_alerts"])
        for asked in told.get("alert_rule_test", [])
        if asked["alertname"] == name
    }


@pytest.mark.parametrize("name", NAMES)
def test_an_alerts_cases_hold_the_moment_before_the_moment_and_a_quiet_one(name: str) -> None:
    told = case(name)
    step = seconds(told["evaluation_interval"])
    asked = [(one["name"], expectations(one, name)) for one in told["tests"]]
    quiet = [fires for what, fires in asked if what.startswith("quiet: ")]
    assert any(quiet)
    assert not any(fires for expected in quiet for fires in expected.values())
    told_apart = [
        at for _, expected in asked for at, fires in expected.items() if fires and not expected.get(at - step, True)
    ]
    assert told_apart, "no case has the alert quiet at one evaluation and firing at the next"
