"""A seller's figures as the API tells them: whatever places they are counted in, and whichever day is asked for."""

import json
from datetime import date, timedelta
from typing import Any

import pytest

from stream import health
from stream.rules import Rules
from tests.builders import DE, SELLER, US, D, accounts_on, apply, claim, held, message, order, violation
from tests.pages.serving import LivePages
from tests.recount import parse_metrics


def figures(pages: LivePages, query: str = "") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(pages.get(f"/api/sellers/{SELLER}/health{query}").read())["figures"]
    return found


def windows(found: list[dict[str, Any]], metric: str) -> list[str]:
    return [figure["window"] for figure in found if figure["metric"] == metric]


def test_open_violations_are_one_number_whatever_their_categories(pages: LivePages) -> None:
    for at in range(4):
        pages.apply(violation(violation_id=f"V-{at}", category=f"category {at // 2}", marketplace_id=(US, DE)[at == 0]))
    pages.apply(violation("resolved", violation_id="V-4", category="another"))

    found = [figure for figure in figures(pages) if figure["metric"] == "open_violations"]

    assert [(figure["marketplace"], figure["numerator"], figure["headroom"]) for figure in found] == [
        (DE, 1, -1),
        (US, 3, -3),
    ]
    assert {(figure["denominator"], figure["ratio"], figure["verdict"]) for figure in found} == {(None, None, "missed")}


def test_figures_of_a_past_day_whose_window_is_no_longer_kept_are_left_out(pages: LivePages) -> None:
    pages.apply(order(), message(), violation())

    today, past = figures(pages), figures(pages, "?as_of=2026-10-14")  # 20 days ago, of 200 that are kept
    further = figures(pages, "?as_of=2026-10-13")

    assert windows(today, "open_violations") == windows(past, "open_violations") == ["180d"]
    assert windows(further, "open_violations") == []
    assert windows(further, "contact_response") == ["7d", "30d", "90d"]
    assert {figure["to"] for figure in further if figure["metric"] == "late_shipment"} == {"2026-10-13"}


def test_a_sellers_places_are_gone_through_once_however_many_marketplaces_there_are() -> None:
    class Counted(dict[Any, Any]):
        reads = 0

        def items(self) -> Any:
            self.reads += 1
            return super().items()

    accounts = accounts_on()
    apply(accounts, *(violation(violation_id=f"V-{at}", marketplace_id=f"M-{at}") for at in range(30)))
    account = accounts.sellers[SELLER]
    account.groups = counted = Counted(account.groups)

    found = health.figures(account, None, held(Rules()), Rules())

    assert len({figure["marketplace"] for figure in found}) == 30
    assert counted.reads == 1


@pytest.mark.parametrize("as_of", [D + timedelta(days=1), D - timedelta(days=200)])
def test_a_seller_of_whom_nothing_is_counted_has_no_figures_of_days_to_come_either(
    pages: LivePages, as_of: date
) -> None:
    # Its claim waits for its order: of such a seller any day was answered, as if it had figures.
    pages.apply(claim("pending"))
    assert pages.get(f"/api/sellers/{SELLER}/health?as_of={D}").status == 200
    assert pages.get(f"/api/sellers/{SELLER}/health?as_of={as_of}").status == 400


def test_a_marketplace_of_which_nothing_is_counted_has_its_targets_and_its_day(pages: LivePages) -> None:
    pages.apply(claim("pending", marketplace_id=DE))
    series = parse_metrics(pages.get("/metrics").read().decode())
    told = {name for name, labels in series if ("marketplace", DE) in labels}
    assert {"seller_target_ratio", "seller_evaluation_day_timestamp_seconds"} <= told
