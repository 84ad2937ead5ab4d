"""What Prometheus reads: the counts of every seller as text, rendered at scrape time.

The text format groups all series of a name, and a seller's series are many names: so each seller's lines are kept as
one string per name, made again only when its counts have moved, and a page is their columns joined.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from stream.figures import ORDERS, count
from stream.metrics import METRICS, ORDER_WINDOWS, TARGETS, Metric, target, target_of
from stream.rates import headroom, ratio
from stream.rules import Rules, start_of_day

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


class Family(NamedTuple):
    """One metric name of the page, with what HELP says and the labels of its series."""

    name: str
    help: str
    labels: tuple[str, ...]


class Group(NamedTuple):
    """One seller in a marketplace and channel."""

    seller_id: str
    marketplace_id: str
    channel: str


Totals = tuple[int, ...]
"""A group's amounts, one for each of `ORDER_WINDOWS`."""


_ORDER_LABELS: Final = ("seller", "marketplace", "channel", "window")

ORDER_FAMILIES: Final = (
    Family("seller_orders", "Counted orders in the window, by order date.", _ORDER_LABELS),
    *(
        Family(f"seller_{metric.numerator}", f"Of the counted orders: {metric.meaning}.", _ORDER_LABELS)
        for metric in METRICS
    ),
    *(
        Family(f"{metric.gauge}_ratio", f"Share of counted orders, 0-1: {metric.meaning}.", _ORDER_LABELS)
        for metric in METRICS
    ),
    *(
        Family(
            f"{metric.gauge}_headroom_orders",
            "How many more defective orders fit before the target is missed; negative when it is.",
            _ORDER_LABELS,
        )
        for metric in METRICS
        if metric.target is not None
    ),
)
"""The names that every seller's order windows have, in the order in which they are rendered."""

TARGET: Final = Family(
    "seller_target_ratio", "What the ratio must be, by metric.", ("metric", "marketplace", "condition")
)
MINIMUM: Final = Family(
    "seller_minimum_denominator",
    "Fewer are low volume; absent where a single failure's weight decides that.",
    ("marketplace",),
)
NEWEST_EVENT: Final = Family(
    "seller_newest_event_timestamp_seconds",
    "Newest event time of the seller's feed, Unix time.",
    ("seller", "marketplace", "topic"),
)
EVALUATION_DAY: Final = Family(
    "seller_evaluation_day_timestamp_seconds",
    "Start of the evaluation day in use, in the marketplace's zone, Unix time.",
    ("marketplace",),
)

FAMILIES: Final = (*ORDER_FAMILIES, TARGET, MINIMUM, NEWEST_EVENT, EVALUATION_DAY)
"""Every name that this module renders."""


def escape(text: str) -> str:
    """Return `text` as it may stand between the quotes of a label."""
    return text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


class GroupRenderer:
    """Renders the order windows of every group, and remembers the lines of those that stay as they are."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._lines: dict[Group, tuple[Totals, tuple[str, ...]]] = {}

    def render(self, totals: Mapping[Group, Totals]) -> Iterator[str]:
        """Yield the page's text, name by name; a ratio or headroom without orders is absent (rules.md: "0 orders")."""
        known = self._lines
        self._lines = {
            group: lines
            if (lines := known.get(group)) is not None and lines[0] == amounts
            else (amounts, _render(group, amounts, self._rules))
            for group, amounts in totals.items()
        }
        columns = zip(*(lines for _, lines in self._lines.values()), strict=True)
        for family, column in zip(ORDER_FAMILIES, columns, strict=False):
            yield header(family)
            yield from column


def series_of(totals: Totals) -> int:
    """Return how many series a group has: without orders, a window has counts only."""
    shares = sum(1 for family in ORDER_FAMILIES if family.name.endswith("_ratio")) + 1  # and the headroom
    return sum(len(ORDER_FAMILIES) - (0 if count(total, ORDERS) else shares) for total in totals)


def render_targets(marketplaces: Iterable[str], rules: Rules) -> Iterator[str]:
    """Yield every target of every marketplace, so that no rule or panel needs a number of its own."""
    yield header(TARGET)
    for marketplace_id in sorted(marketplaces):
        for name in TARGETS:
            condition, value = target(name, marketplace_id, rules)
            yield f"{TARGET.name}{{{labels(TARGET.labels, name, marketplace_id, condition)}}} {float(value)!r}\n"


def render_minimums(marketplaces: Iterable[str], rules: Rules) -> Iterator[str]:
    """Yield what every marketplace with a minimum of its own calls low volume, so that alerts judge as verdicts do."""
    yield header(MINIMUM)
    for marketplace_id in sorted(marketplaces):
        least = rules.marketplace(marketplace_id).minimum_denominator
        if least is not None:
            yield f"{MINIMUM.name}{{{labels(MINIMUM.labels, marketplace_id)}}} {least!r}\n"


def render_newest(newest: Mapping[tuple[str, str, str], int]) -> Iterator[str]:
    """Yield the newest event time of each (seller, marketplace, topic), given in microseconds."""
    yield header(NEWEST_EVENT)
    for feed, event_time in newest.items():
        yield f"{NEWEST_EVENT.name}{{{labels(NEWEST_EVENT.labels, *feed)}}} {event_time / 1_000_000!r}\n"


def render_evaluation_days(days: Mapping[str, int], rules: Rules) -> Iterator[str]:
    """Yield when the evaluation day (proleptic ordinal) of each marketplace began."""
    yield header(EVALUATION_DAY)
    for marketplace_id, day in sorted(days.items()):
        start = start_of_day(day, rules.marketplace(marketplace_id).zone)
        yield f"{EVALUATION_DAY.name}{{{labels(EVALUATION_DAY.labels, marketplace_id)}}} {start!r}\n"


def _render(group: Group, totals: Totals, rules: Rules) -> tuple[str, ...]:
    windows = [window_values(total, group.marketplace_id, rules) for total in totals]
    labelled = [labels(_ORDER_LABELS, *group, window.name) for window in ORDER_WINDOWS]
    return tuple(
        "".join(
            f"{family.name}{{{label}}} {values[at]!r}\n"
            for label, values in zip(labelled, windows, strict=True)
            if values[at] is not None
        )
        for at, family in enumerate(ORDER_FAMILIES)
    )


def window_values(total: int, marketplace_id: str, rules: Rules) -> list[float | None]:
    """Return the value of each of `ORDER_FAMILIES` for one window's amount, None where the series is absent."""
    shares = [(count(total, metric.numerator), count(total, metric.denominator)) for metric in METRICS]
    return [
        shares[0][1],
        *(numerator for numerator, _ in shares),
        *(ratio(numerator, denominator) for numerator, denominator in shares),
        *(
            _headroom(metric, *share, marketplace_id, rules)
            for metric, share in zip(METRICS, shares, strict=True)
            if metric.target
        ),
    ]


def _headroom(metric: Metric, numerator: int, denominator: int, marketplace_id: str, rules: Rules) -> int | None:
    asked = target_of(metric, marketplace_id, rules)
    return None if asked is None or denominator == 0 else headroom(numerator, denominator, asked)


def labels(names: Sequence[str], *values: str) -> str:
    """Return labels as they stand between the braces of a series."""
    return ",".join(f'{name}="{escape(value)}"' for name, value in zip(names, values, strict=True))


def header(family: Family) -> str:
    """Return the lines that come before all series of a name."""
    return f"# HELP {family.name} {family.help}\n# TYPE {family.name} gauge\n"
