"""What `grafana/README.md` says is so: its table of alerts is that of the rules, its dashboards and files exist."""

import re

from tests.dashboards.boards import BOARDS
from tests.receiver import RECEIVERS
from tests.watch import WATCHING, alerts

README = (WATCHING / "README.md").read_text(encoding="utf-8")


def alerts_table() -> str:
    rows = [
        f"| [{alert['alert']}](runbooks/{alert['alert']}.md) | {alert['labels']['severity']} "
        f"| {RECEIVERS[alert['labels']['scope']]} | {in_words(alert['annotations']['summary'])} |"
        for alert in alerts()
    ]
    return "\n".join(["| alert | severity | told to | says |", "|---|---|---|---|", *rows])


def in_words(summary: str) -> str:
    return re.sub(r"\{\{ \$labels\.(\w+) \}\}", r"*\1*", summary)


def test_the_table_of_alerts_is_the_rules() -> None:
    found = re.search(r"<!-- alerts -->\n(.*?)\n<!-- /alerts -->", README, re.DOTALL)
    assert found
    assert found[1] == alerts_table()


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
