"""A scrape as a whole: what becomes series with and without STREAM_EXPORT=at_risk, and what is said of the rest."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from types import SimpleNamespace
from typing import cast

import pytest

from stream.accounts import Accounts
from stream.decode import CONVERTERS
from stream.evaluation import EvaluationDays
from stream.rules import Rules
from stream.settings import Settings
from stream.worker.exposition import SLICE_SELLERS, Exposition, Scrape
from stream.worker.ground import Ground
from stream.worker.intake import Intake
from stream.worker.telemetry import Telemetry
from tests.builders import D, accounts_on, apply, claim, held, midnight, order
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


def ground(rules: Rules, evaluation: EvaluationDays, export: str = "all") -> Ground:
    return Ground(Settings.read(export=export), rules, evaluation, Telemetry(list(CONVERTERS)), "cluster", 60.0)


def exposition(export: str) -> Exposition:
    rules = Rules()
    return Exposition(ground(rules, held(rules), export))


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


@pytest.fixture
def crowd() -> Accounts:
    """More sellers than fit in a slice, with an order each."""
    accounts = accounts_on()
    apply(accounts, *(order(f"o{at}", seller_id=f"S{at}") for at in range(2 * SLICE_SELLERS + 1)))
    return accounts


def test_taken_in_slices_a_scrape_is_that_of_one_moment_if_nothing_moves(crowd: Accounts, accounts: Accounts) -> None:
    exposed, of = exposition("all"), intake(crowd, accounts)
    assert asyncio.run(exposed.take_in_slices(of)) == exposed.take(of)


def test_between_slices_others_have_their_turn_and_no_seller_is_half_changed(crowd: Accounts) -> None:
    # With 10,000 sellers the worker stood still for a second at each scrape, and its heartbeats with it.
    turns = 0

    async def others() -> None:
        nonlocal turns
        for at in reversed(range(2 * SLICE_SELLERS + 1)):
            apply(crowd, claim("pending", f"o{at}", seller_id=f"S{at}"))
            if at % SLICE_SELLERS == 0:
                turns += 1
                await asyncio.sleep(0)

    async def both() -> Scrape:
        scrape, _ = await asyncio.gather(exposition("all").take_in_slices(intake(crowd)), others())
        return scrape

    scrape = asyncio.run(both())
    assert turns > 1
    series = parse_metrics(exposition("all").render(scrape).decode())
    defective, claimed = (
        {labels: value for (of, labels), value in series.items() if of == name}
        for name in ("seller_defective_orders", "seller_claim_orders")
    )
    assert defective == claimed
    assert set(claimed.values()) == {0.0, 1.0}, "some sellers were taken before their claim, some after it"


def taken_while(of: Intake, exposed: Exposition, what: Callable[[], None]) -> Scrape:
    """Return what is taken in slices while something happens after the first of them."""

    async def both() -> Scrape:
        taking = asyncio.create_task(exposed.take_in_slices(of))
        await asyncio.sleep(0)
        what()
        return await taking

    return asyncio.run(both())


def test_a_partition_that_goes_while_it_is_taken_is_not_shown(crowd: Accounts, accounts: Accounts) -> None:
    of = intake(crowd, accounts)

    def gone() -> None:
        cast("SimpleNamespace", of).live = of.live[1:]

    assert taken_while(of, exposition("all"), gone) == exposition("all").take(intake(accounts))


def test_nobody_is_shown_by_a_worker_that_loses_its_group_while_they_are_taken(crowd: Accounts) -> None:
    # The partitions themselves are live until the group says otherwise; the worker no longer knows whether it does.
    of = intake(crowd)

    def lost() -> None:
        cast("SimpleNamespace", of).live = []

    assert taken_while(of, exposition("all"), lost) == Scrape({}, {}, {})


def test_a_partition_that_is_restored_while_it_is_taken_is_shown_as_it_is_now(crowd: Accounts) -> None:
    of = intake(crowd)

    def restored() -> None:
        crowd.clear()
        apply(crowd, order("o1", seller_id="S1"))

    assert {group.seller_id for group in taken_while(of, exposition("all"), restored).totals} == {"S1"}


@pytest.mark.parametrize("days", [1, 2])
def test_all_sellers_of_a_scrape_are_of_the_day_that_it_tells(days: int) -> None:
    rules = Rules()
    evaluation = EvaluationDays(rules, midnight(D))
    crowd = Accounts(rules, evaluation)
    apply(crowd, *(order(f"o{at}", seller_id=f"S{at}") for at in range(2 * SLICE_SELLERS + 1)))

    def midnight_passes() -> None:
        evaluation.move(midnight(D + timedelta(days=days)))
        crowd.roll()

    exposed = Exposition(ground(rules, evaluation))
    scrape = taken_while(intake(crowd), exposed, midnight_passes)
    assert scrape == exposed.take(intake(crowd))
    assert set(scrape.days.values()) == {D.toordinal() + days}


def test_where_days_go_by_faster_than_sellers_are_taken_they_are_taken_at_once(crowd: Accounts) -> None:
    # As in a history that is replayed at many days a second.
    of = intake(crowd)

    async def restless() -> None:
        while True:
            crowd.sellers = dict(crowd.sellers)
            await asyncio.sleep(0)

    async def both() -> Scrape:
        moving = asyncio.create_task(restless())
        try:
            return await asyncio.wait_for(exposition("all").take_in_slices(of), 60)
        finally:
            moving.cancel()

    assert asyncio.run(both()) == exposition("all").take(of)
