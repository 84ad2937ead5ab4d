"""What all sellers of a marketplace add up to, as gauges: there also where not all sellers become series.

A worker tells of its own sellers; the marketplace is the sum over all workers.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from operator import add
from typing import Final, TypeAlias, get_args

from stream.figures import FIGURES, count
from stream.gauges import Family, Group, Totals, header, labels
from stream.metrics import ORDER_DEFECT, ORDER_WINDOWS, target_of
from stream.rates import Verdict, verdict
from stream.rules import Rules

Place: TypeAlias = tuple[str, str]
"""A marketplace and channel."""

COUNTS: Final = tuple(
    Family(
        f"marketplace_{figure}",
        f"`seller_{figure}` of all sellers of this worker together; sum it over workers.",
        ("marketplace", "channel", "window"),
    )
    for figure in FIGURES
)
SELLERS: Final = Family(
    "marketplace_sellers",
    "Sellers of this worker, by the verdict on their official Order Defect Rate; sum it over workers.",
    ("marketplace", "channel", "verdict"),
)
FAMILIES: Final = (*COUNTS, SELLERS)
"""Every name that this module renders."""


class MarketplaceRenderer:
    """Renders what sellers add up to, and remembers the verdicts on those that stay as they are."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._verdicts: dict[Group, tuple[Totals, Verdict]] = {}

    def render(self, totals: Mapping[Group, Totals]) -> Iterator[str]:
        """Yield the page's text, name by name."""
        added = _added(totals)
        for family, figure in zip(COUNTS, FIGURES, strict=True):
            yield header(family)
            for place, amounts in added.items():
                for window, amount in zip(ORDER_WINDOWS, amounts, strict=True):
                    yield f"{family.name}{{{labels(family.labels, *place, window.name)}}} {count(amount, figure)}\n"
        yield from self._render_sellers(totals, added)

    def _render_sellers(self, totals: Mapping[Group, Totals], places: Iterable[Place]) -> Iterator[str]:
        known = self._verdicts
        self._verdicts = {
            group: judged
            if (judged := known.get(group)) is not None and judged[0] == amounts
            else (amounts, _verdict(group, amounts, self._rules))
            for group, amounts in totals.items()
        }
        sellers = Counter((group[1:], judged) for group, (_, judged) in self._verdicts.items())
        yield header(SELLERS)
        for place in places:
            for judged in get_args(Verdict):  # those that nobody has, too: a series that comes and goes is hard to sum
                yield f"{SELLERS.name}{{{labels(SELLERS.labels, *place, judged)}}} {sellers[place, judged]}\n"


def _added(totals: Mapping[Group, Totals]) -> dict[Place, Totals]:
    added: dict[Place, Totals] = {}
    for group, amounts in totals.items():
        place = group[1:]
        known = added.get(place)
        added[place] = amounts if known is None else tuple(map(add, known, amounts))
    return dict(sorted(added.items()))


def _verdict(group: Group, totals: Totals, rules: Rules) -> Verdict:
    asked = target_of(ORDER_DEFECT, group.marketplace_id, rules)
    assert asked is not None  # noqa: S101 - the Order Defect Rate has a target everywhere
    official, ahead = (
        (count(total, ORDER_DEFECT.numerator), count(total, ORDER_DEFECT.denominator)) for total in totals
    )
    minimum = rules.marketplace(group.marketplace_id).minimum_denominator
    return verdict(*official, asked, minimum_denominator=minimum, ahead=ahead)
