"""What `grafana/README.md` says is so: its table of alerts is that of the rules, its dashboards and files exist."""

import re
from typing import Any

from grafana.generate.rules.names import judged
from tests.dashboards.boards import BOARDS
from tests.receiver import RECEIVERS
from tests.watch import WATCHING, alerts, recorded

README = (WATCHING / "README.md").read_text(encoding="utf-8")


def alerts_table() -> str:
    """Return a row for each alert and severity; of an alert on several metrics, the first one's words."""
    of_each: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    for alert in alerts():
        labels = alert["labels"]
        of_each.setdefault((alert["alert"], labels["severity"], RECEIVERS[labels["scope"]]), []).append(alert)
    rows = [
        f"| [{name}](runbooks/{name}.md) | {severity} | {told_to} | {says(found)} |"
        for (name, severity, told_to), found in of_each.items()
    ]
    return "\n".join(["| alert | severity | told to | says |", "|---|---|---|---|", *rows])


def says(found: list[dict[str, Any]]) -> str:
    first, *others = found
    further = [f"`{alert['labels']['metric']}`" for alert in others]
    return in_words(first["annotations"]["summary"]) + (f"; so of {', '.join(further)}" if further else "")


def in_words(summary: str) -> str:
    return re.sub(r"\{\{ \$labels\.(\w+) \}\}", r"*\1*", summary)


def test_the_table_of_alerts_is_the_rules() -> None:
    found = re.search(r"<!-- alerts -->\n(.*?)\n<!-- /alerts -->", README, re.DOTALL)
    assert found
    assert found[1] == alerts_table()


def test_the_table_of_what_is_recorded_is_the_rules() -> None:
    found = re.search(r"<!-- recorded -->\n(.*?)\n<!-- /recorded -->", README, re.DOTALL)
    assert found
    told = set(re.findall(r"^\| `([^`]+)`", found[1], re.MULTILINE))
    gauges = {gauge for names in judged() for gauge in names.gauges}
    missed_sellers = {names.missed_sellers for names in judged()}

    def row(name: str) -> str:
        level, stem, operation = name.split(":")
        if name in missed_sellers:
            return "marketplace:<metric>_missed:count"
        return f"{level}:<gauge>:{operation}" if stem in gauges else name

    assert {row(name) for name in recorded() if name.startswith(("seller:", "marketplace:"))} == told


def test_every_dashboard_is_told_of() -> None:
    (table,) = re.findall(r"\| dashboard \|.*\n\|---.*\n((?:\|.*\n)+)", README)
    assert re.findall(r"^\| (\w+) \|", table, re.MULTILINE) == [
        BOARDS[name]["title"] for name in ("overview", "seller", "pipeline", "history")
    ]


def test_every_file_and_folder_that_is_named_is_there() -> None:
    for target in re.findall(r"\]\((?!http)([^)#]+)", README):
        assert (WATCHING / target).exists(), target
    (table,) = re.findall(r"\| where \|.*\n\|---.*\n((?:\|.*\n)+)", README)
    named = [path for row in table.splitlines() for path in re.findall(r"`([^`]+)`", row.split("|")[1])]
    assert len(named) == len(table.splitlines()) + 1
    for path in named:
        assert list(WATCHING.glob(path.replace("<Alert>", "*").rstrip("/"))), path
