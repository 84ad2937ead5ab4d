"""A scrape as a whole: what becomes series with and without STREAM_EXPORT=at_risk, and what is said of the rest."""

from types import SimpleNamespace
from typing import cast

import pytest

from stream.accounts import Accounts
from stream.decode import CONVERTERS
from stream.rules import Rules
from stream.settings import Settings
from stream.worker.exposition import Exposition
from stream.worker.ground import Ground
from stream.worker.intake import Intake
from stream.worker.telemetry import Telemetry
from tests.builders import accounts_on, apply, claim, held, order
from tests.recount import Series, parse_metrics


def intake(*partitions: Accounts) -> Intake:
    own = [SimpleNamespace(accounts=accounts, remaining=0) for accounts in partitions]
    return cast("Intake", SimpleNamespace(own=own, live=own, lags=list))


@pytest.fixture
def accounts() -> Accounts:
    """A seller with one defective order in 100, one without any in 100, one without orders in the official window."""
    accounts = accounts_on()
    apply(accounts, *(order(f"{seller}{at}", seller_id=seller) for seller in ("BAD", "GOOD") for at in range(100)))
    apply(accounts, claim("pending", "BAD1", seller_id="BAD"), order("new", "2026-11-01T00:00:00Z", seller_id="NEW"))
    return accounts


def exposition(export: str) -> Exposition:
    rules = Rules()
    settings = Settings.read(export=export)
    return Exposition(Ground(settings, rules, held(rules), Telemetry(list(CONVERTERS)), "cluster", 60.0))


def scraped(exposed: Exposition, *partitions: Accounts) -> dict[Series, float]:
    return parse_metrics(exposed.render(exposed.take(intake(*partitions))).decode())


def of_sellers(series: dict[Series, float]) -> dict[Series, float]:
    return {(name, labels): value for (name, labels), value in series.items() if "seller" in dict(labels)}


def left_out(series: dict[Series, float]) -> float:
    return series["stream_left_out_series", frozenset()]


def test_only_sellers_at_risk_become_series_and_the_rest_are_counted(accounts: Accounts) -> None:
    everything, few = scraped(exposition("all"), accounts), scraped(exposition("at_risk"), accounts)
    assert {dict(labels)["seller"] for _, labels in of_sellers(everything)} == {"BAD", "GOOD", "NEW"}
    assert {dict(labels)["seller"] for _, labels in of_sellers(few)} == {"BAD"}
    assert of_sellers(few).items() <= of_sellers(everything).items()
    assert left_out(everything) == 0
    assert left_out(few) == len(of_sellers(everything)) - len(of_sellers(few))


def test_marketplaces_and_targets_are_whole_whatever_is_left_out(accounts: Accounts) -> None:
    everything, few = scraped(exposition("all"), accounts), scraped(exposition("at_risk"), accounts)
    whole = {key: value for key, value in everything.items() if key[0].startswith(("marketplace_", "seller_target"))}
    assert whole
    assert whole.items() <= few.items()


def test_a_seller_whose_defective_orders_change_is_shown_from_the_next_scrape_on(accounts: Accounts) -> None:
    apply(accounts, *(order(f"more{at}", seller_id="GOOD") for at in range(200)))
    exposed = exposition("at_risk")
    scraped(exposed, accounts)
    apply(accounts, claim("pending", "GOOD1", seller_id="GOOD"))
    assert {dict(labels)["seller"] for _, labels in of_sellers(scraped(exposed, accounts))} == {"BAD", "GOOD"}
