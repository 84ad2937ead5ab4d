"""What all sellers of a marketplace add up to, as gauges: there also where not all sellers become series.

A worker tells of its own sellers; the marketplace is the sum over all workers.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from operator import add
from typing import Final, get_args

from stream.figures import BY_ORDER_DATE
from stream.gauges import COLUMNS, Column, Family, Group, Totals, Values, header, labels
from stream.metrics import AHEAD, OFFICIAL, ORDER_DEFECT, WINDOWS, target_of
from stream.rates import Verdict, verdict
from stream.rules import Rules
from stream.shares import Place


def _family(column: Column) -> Family:
    seller = column.family
    told = f"`{seller.name}` of all sellers of this worker together; sum it over workers."
    return Family(seller.name.replace("seller_", "marketplace_", 1), told, seller.labels[1:])


COUNTS: Final = {column: _family(column) for columns in COLUMNS.values() for column in columns if column.kind.adds_up}
SELLERS: Final = Family(
    "marketplace_sellers",
    "Sellers of this worker, by the verdict on their official Order Defect Rate; sum it over workers.",
    ("marketplace", "channel", "verdict"),
)
FAMILIES: Final = (*COUNTS.values(), SELLERS)
"""Every name that this module renders."""

_OFFICIAL, _AHEAD = (WINDOWS[BY_ORDER_DATE.name].index(window) for window in (OFFICIAL, AHEAD))


class MarketplaceRenderer:
    """Renders what sellers add up to, and remembers the verdicts on those that stay as they are."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._values = Values(rules)
        self._verdicts: dict[Group, tuple[Totals, Verdict]] = {}

    def render(self, totals: Mapping[Group, Totals]) -> Iterator[str]:
        """Yield the page's text, name by name."""
        lines: defaultdict[Column, list[str]] = defaultdict(list)
        added = _added(totals)
        for place, amounts in added.items():
            for column, values in self._values.of(place, amounts):
                family = COUNTS.get(column)
                if family is not None:
                    about = labels(family.labels[:-1], place[1], *column.labels_of(place))
                    lines[column] += [f'{family.name}{{{about},window="{name}"}} {value}\n' for name, value in values]
        for column, family in COUNTS.items():
            if column in lines:
                yield header(family)
                yield from lines[column]
        yield from self._render_sellers(totals, [place for place in added if place[0] == BY_ORDER_DATE.name])

    def _render_sellers(self, totals: Mapping[Group, Totals], places: Iterable[Place]) -> Iterator[str]:
        known = self._verdicts
        self._verdicts = {
            group: judged
            if (judged := known.get(group)) is not None and judged[0] == amounts
            else (amounts, _verdict(group, amounts, self._rules))
            for group, amounts in totals.items()
            if group.place[0] == BY_ORDER_DATE.name
        }
        sellers = Counter((group.place, judged) for group, (_, judged) in self._verdicts.items())
        yield header(SELLERS)
        for place in places:
            for judged in get_args(Verdict):  # those that nobody has, too: a series that comes and goes is hard to sum
                yield f"{SELLERS.name}{{{labels(SELLERS.labels, *place[1:], judged)}}} {sellers[place, judged]}\n"


def _added(totals: Mapping[Group, Totals]) -> dict[Place, Totals]:
    added: dict[Place, Totals] = {}
    for group, amounts in totals.items():
        place = group.place
        known = added.get(place)
        added[place] = amounts if known is None else tuple(map(add, known, amounts))
    return dict(sorted(added.items()))


def _verdict(group: Group, totals: Totals, rules: Rules) -> Verdict:
    asked = target_of(ORDER_DEFECT, group.marketplace_id, rules)
    assert asked is not None  # noqa: S101 - the Order Defect Rate has a target everywhere
    minimum = rules.marketplace(group.marketplace_id).minimum_denominator
    official, ahead = ORDER_DEFECT.share(totals[_OFFICIAL]), ORDER_DEFECT.share(totals[_AHEAD])
    return verdict(*official, asked, minimum_denominator=minimum, ahead=ahead)
