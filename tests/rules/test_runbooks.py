"""Every alert has a runbook and every runbook an alert; what it tells to type exists, what it advises is allowed."""

import re
import shlex
from pathlib import Path

import pytest

from stream.cli import main
from stream.worker.transactions import TRANSACTION_TIMEOUT_SECONDS
from tests.metric_names import OF_PROMETHEUS, shown_by_workers
from tests.watch import WATCHING, alerts, recorded, selectors

PAGES = sorted((WATCHING / "runbooks").glob("*.md"))
SECTIONS = ["## Meaning", "## Impact", "## Diagnosis", "## Mitigation"]
ROUTES = (
    "/healthz",
    "/readyz",
    "/metrics",
    "/api/sellers",
    *(f"/api/sellers/A2SELLER/{part}" for part in ("health", "defects", "forecast")),
)


def text(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def blocks(page: Path, language: str) -> list[str]:
    """Return the non-empty lines of the page's code in a language."""
    found = re.findall(rf"```{language}\n(.*?)```", text(page), re.DOTALL)
    return [line for block in found for line in block.splitlines() if line]


def test_every_alert_has_a_runbook_and_every_runbook_an_alert() -> None:
    assert {page.stem for page in PAGES} == {alert["alert"] for alert in alerts()}


each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)


@each_page
def test_a_runbook_has_its_four_parts_in_order(page: Path) -> None:
    assert text(page).startswith(f"# {page.stem}\n")
    assert re.findall(r"^## .*$", text(page), re.MULTILINE) == SECTIONS
    for part in re.split(r"^#+ .*$", text(page), flags=re.MULTILINE)[2:]:
        assert part.strip() or page.stem == "SellerTargetMissed"


@each_page
def test_a_runbooks_queries_are_about_names_that_exist(page: Path) -> None:
    queries = blocks(page, "promql")
    assert queries or blocks(page, "sh")
    known = shown_by_workers() | recorded() | OF_PROMETHEUS
    for query in queries:
        assert {selector.name for selector in selectors(query)} <= known, query


@each_page
def test_a_runbooks_commands_are_ones_that_exist(page: Path) -> None:
    for line in blocks(page, "sh"):
        command, *arguments = shlex.split(line)
        if command == "odr":
            assert arguments[0] in main.commands, line
        else:
            assert command == "curl"
            path = arguments[-1].removeprefix("http://localhost:6066").partition("?")[0]
            assert path in ROUTES, line
    for command in re.findall(r"`odr ([a-z-]+)", text(page)):
        assert command in main.commands


@each_page
def test_a_runbooks_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)", text(page)):
        assert (page.parent / target).exists(), target


REWARD = r"refund|gift|discount|voucher|coupon|money back|reimburs|compensat|free (?:item|product)"
FEEDBACK = r"feedback|review|rating|star"
FORBIDDEN = r"second account|another account|new account|buy (?:from|for) your|purchase from your|fake|own orders"


def sentences(page: Path) -> list[str]:
    prose = re.sub(r"```.*?```", "", text(page), flags=re.DOTALL)
    return re.split(r"(?<=[.:;])\s+|\n\n", re.sub(r"(?<!\n)\n(?!\n)", " ", prose))


@each_page
def test_no_runbook_advises_what_the_marketplaces_forbid(page: Path) -> None:
    for sentence in sentences(page):
        told = sentence.casefold()
        bought = re.search(REWARD, told) and re.search(FEEDBACK, told)
        if bought or re.search(FORBIDDEN, told):
            assert told.startswith("never "), sentence


def test_the_runbook_of_a_missed_target_says_what_must_never_be_done() -> None:
    told = text(WATCHING / "runbooks" / "SellerTargetMissed.md")
    never = [
        sentence
        for sentence in sentences(WATCHING / "runbooks" / "SellerTargetMissed.md")
        if sentence.startswith("Never ")
    ]
    assert any(re.search(REWARD, sentence) for sentence in never)
    assert any(re.search(FORBIDDEN, sentence) for sentence in never)
    assert "one request per order" in told


@pytest.mark.parametrize("alert", [alert["alert"] for alert in alerts() if alert["labels"]["scope"] == "seller"])
def test_the_runbook_of_an_alert_on_a_seller_leads_to_its_orders_or_its_feed(alert: str) -> None:
    told = text(WATCHING / "runbooks" / f"{alert}.md")
    assert "/api/sellers/A2SELLER/defects" in told or alert == "SellerFeedSilent"
    assert "SellerTargetMissed.md#mitigation" in told or alert in {"SellerTargetMissed", "SellerFeedSilent"}


def test_the_runbook_of_a_stuck_restore_knows_how_long_a_transaction_may_stay_open() -> None:
    told = " ".join(text(WATCHING / "runbooks" / "RestoreStuck.md").split())
    assert f"time-out of {TRANSACTION_TIMEOUT_SECONDS:.0f} seconds" in told
