"""What all sellers of a marketplace add up to."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from stream.figures import FIGURES, LEDGERS, ONE, count
from stream.gauges import Group, GroupRenderer, Totals
from stream.health import judge, standings
from stream.marketplaces import FAMILIES, SELLERS, MarketplaceRenderer
from stream.metrics import OFFICIAL, ORDER_DEFECT, ORDER_WINDOWS, WINDOWS
from stream.rules import Marketplace, Rules
from tests.builders import DE, US, D, after, claim, held, message, order, shipment, totals_of, violation
from tests.recount import ALL_GAUGES, Series, parse_metrics

RULES = Rules(marketplaces={DE: Marketplace(minimum_denominator=2)})

AMOUNTS = st.tuples(st.integers(0, 200), st.integers(0, 3)).map(
    lambda counts: counts[0] * ONE["orders"] + min(counts) * (ONE["defective_orders"] + ONE["claim_orders"])
)
SCRAPES = st.dictionaries(
    st.builds(
        Group,
        st.sampled_from("ABCD"),
        st.tuples(st.just("orders"), st.sampled_from((US, DE)), st.sampled_from(("MFN", "AFN"))),
    ),
    st.tuples(AMOUNTS, AMOUNTS, AMOUNTS),
)


def rendered(renderer: MarketplaceRenderer, totals: dict[Group, Totals]) -> dict[Series, float]:
    return parse_metrics("".join(renderer.render(totals)))


def of(name: str, **labels: str) -> Series:
    return name, frozenset(labels.items())


@given(SCRAPES)
def test_a_marketplaces_figures_are_the_sums_of_its_sellers(totals: dict[Group, Totals]) -> None:
    sums: Counter[Series] = Counter()
    for group, amounts in totals.items():
        _, marketplace, channel = group.place
        for window, amount in zip(ORDER_WINDOWS, amounts[:2], strict=True):
            place = {"marketplace": marketplace, "channel": channel, "window": window.name}
            sums.update({of(f"marketplace_{figure}", **place): count(amount, figure) for figure in FIGURES})
        if channel == "MFN":
            place = {"marketplace": marketplace, "window": "7d"}
            cancelled, orders = count(amounts[2], "cancelled_orders"), count(amounts[2], "orders")
            sums[of("marketplace_cancellation_numerator", **place)] += cancelled
            sums[of("marketplace_cancellation_denominator", **place)] += orders
    shown = rendered(MarketplaceRenderer(RULES), totals)
    assert {series: value for series, value in shown.items() if series[0] != SELLERS.name} == dict(sums)


@given(SCRAPES)
def test_every_seller_is_counted_with_one_verdict(totals: dict[Group, Totals]) -> None:
    shown = rendered(MarketplaceRenderer(RULES), totals)
    counted: Counter[tuple[str, ...]] = Counter()
    for (name, labels), value in shown.items():
        if name == SELLERS.name:
            counted[dict(labels)["marketplace"], dict(labels)["channel"]] += int(value)
    assert counted == Counter(group.place[1:] for group in totals)


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
    totals = {
        Group(seller, place): tuple(counts.totals)
        for seller, account in sellers.items()
        for place, counts in account.groups.items()
    }
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


AMONG = {"channel": st.sampled_from(("MFN", "AFN")), "category": st.sampled_from("xy"), "severity": st.just("high")}
"""What a place says further."""


@st.composite
def whole_scrapes(draw: st.DrawFn) -> dict[Group, Totals]:
    """Any figures of any ledgers in few places."""
    found = {}
    for _ in range(draw(st.integers(1, 8))):
        ledger = draw(st.sampled_from(list(LEDGERS.values())))
        place = (ledger.name, draw(st.sampled_from((US, DE))), *(draw(AMONG[label]) for label in ledger.labels))
        amounts = [
            sum(draw(st.integers(0, 9)) * ONE[figure] for figure in ledger.figures) for _ in WINDOWS[ledger.name]
        ]
        found[Group(draw(st.sampled_from("ABC")), place)] = tuple(amounts)
    return found


@given(whole_scrapes())
def test_every_count_of_a_marketplace_is_the_sum_of_its_sellers_gauges_of_the_same_name(
    totals: dict[Group, Totals],
) -> None:
    sums: Counter[Series] = Counter()
    for (name, labels), value in parse_metrics("".join(GroupRenderer(RULES).render(totals))).items():
        if not name.endswith(("_ratio", "_headroom_orders")):
            mine = frozenset((label, of) for label, of in labels if label != "seller")
            sums[name.replace("seller_", "marketplace_", 1), mine] += int(value)
    shown = rendered(MarketplaceRenderer(RULES), totals)
    assert {series: value for series, value in shown.items() if series[0] != SELLERS.name} == dict(sums)


def test_a_marketplace_tells_the_counts_of_every_metric_and_no_ratio() -> None:
    told = {family.name for family in FAMILIES} - {SELLERS.name}
    counts = {name for name in ALL_GAUGES if not name.endswith(("_ratio", "_headroom_orders"))}
    assert told == {name.replace("seller_", "marketplace_", 1) for name in counts}


def test_sellers_are_counted_by_their_orders_alone() -> None:
    totals = totals_of(
        after(message(seller_id="A"), violation(seller_id="A"), order(seller_id="B"), shipment(seller_id="B"))
    )
    shown = rendered(MarketplaceRenderer(RULES), totals)
    sellers = {dict(labels)["verdict"]: value for (name, labels), value in shown.items() if name == SELLERS.name}
    assert sellers == {"good": 1, "at_risk": 0, "missed": 0, "no_data": 0}
    assert shown[of("marketplace_contact_response_denominator", marketplace=US, window="7d")] == 1
    late = of("marketplace_late_shipment_denominator", marketplace=US, window="30d")
    open_ = of("marketplace_open_violations", marketplace=US, category="listing", severity="high", window="180d")
    assert (shown[late], shown[open_]) == (1, 1)
