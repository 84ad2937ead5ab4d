"""What all sellers of a marketplace add up to."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from stream.figures import FIGURES, ONE, count
from stream.gauges import Group, Totals
from stream.health import judge, standings
from stream.marketplaces import FAMILIES, SELLERS, MarketplaceRenderer
from stream.metrics import OFFICIAL, ORDER_DEFECT, ORDER_WINDOWS
from stream.rules import Marketplace, Rules
from tests.builders import DE, US, D, after, claim, held, order
from tests.recount import Series, parse_metrics

RULES = Rules(marketplaces={DE: Marketplace(minimum_denominator=2)})

AMOUNTS = st.tuples(st.integers(0, 200), st.integers(0, 3)).map(
    lambda counts: counts[0] * ONE["orders"] + min(counts) * (ONE["defective_orders"] + ONE["claim_orders"])
)
SCRAPES = st.dictionaries(
    st.builds(Group, st.sampled_from("ABCD"), st.sampled_from((US, DE)), st.sampled_from(("MFN", "AFN"))),
    st.tuples(AMOUNTS, AMOUNTS),
)


def rendered(renderer: MarketplaceRenderer, totals: dict[Group, Totals]) -> dict[Series, float]:
    return parse_metrics("".join(renderer.render(totals)))


def of(name: str, **labels: str) -> Series:
    return name, frozenset(labels.items())


@given(SCRAPES)
def test_a_marketplaces_figures_are_the_sums_of_its_sellers(totals: dict[Group, Totals]) -> None:
    sums: Counter[Series] = Counter()
    for group, amounts in totals.items():
        for window, amount in zip(ORDER_WINDOWS, amounts, strict=True):
            place = {"marketplace": group.marketplace_id, "channel": group.channel, "window": window.name}
            sums.update({of(f"marketplace_{figure}", **place): count(amount, figure) for figure in FIGURES})
    shown = rendered(MarketplaceRenderer(RULES), totals)
    assert {series: value for series, value in shown.items() if series[0] != SELLERS.name} == dict(sums)


@given(SCRAPES)
def test_every_seller_is_counted_with_one_verdict(totals: dict[Group, Totals]) -> None:
    shown = rendered(MarketplaceRenderer(RULES), totals)
    counted: Counter[tuple[str, str]] = Counter()
    for (name, labels), value in shown.items():
        if name == SELLERS.name:
            counted[dict(labels)["marketplace"], dict(labels)["channel"]] += int(value)
    assert counted == Counter((group.marketplace_id, group.channel) for group in totals)


@given(st.lists(SCRAPES, max_size=4))
def test_what_a_renderer_remembers_never_shows(scrapes: list[dict[Group, Totals]]) -> None:
    renderer = MarketplaceRenderer(RULES)
    for totals in scrapes:
        assert rendered(renderer, totals) == rendered(MarketplaceRenderer(RULES), totals)


def test_verdicts_are_those_of_the_api() -> None:
    # A misses, B is warned by the ahead window alone, C is good, D has no order in the official window.
    told = [
        *(order(f"a{number}", seller_id="A") for number in range(100)),
        claim("pending", "a1", seller_id="A"),
        *(order(f"b{number}", seller_id="B") for number in range(150)),
        *(order(f"b{number}", "2026-11-01T00:00:00Z", seller_id="B") for number in range(150, 160)),
        *(claim("pending", f"b{number}", seller_id="B") for number in (150, 151)),
        order("c", seller_id="C"),
        order("d", "2026-11-01T00:00:00Z", seller_id="D"),
    ]
    sellers = after(*told).sellers
    totals = {Group(seller, US, "MFN"): tuple(account.groups[US, "MFN"].totals) for seller, account in sellers.items()}
    judged = Counter(
        judge(ORDER_DEFECT, OFFICIAL, standing, RULES)
        for account in sellers.values()
        for standing in standings(account, D.toordinal(), held(RULES))
    )
    assert judged == {"missed": 1, "at_risk": 1, "good": 1, "no_data": 1}
    shown = rendered(MarketplaceRenderer(RULES), totals)
    for verdict, sellers_so_judged in judged.items():
        assert shown[of(SELLERS.name, marketplace=US, channel="MFN", verdict=str(verdict))] == sellers_so_judged


def test_the_names_can_not_be_taken_for_a_sellers() -> None:
    assert all(family.name.startswith("marketplace_") and "seller" not in family.labels for family in FAMILIES)
