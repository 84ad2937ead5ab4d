"""What Prometheus reads: the counts of every seller as text, rendered at scrape time.

The text format groups all series of a name, and a seller's series are many names: so each group's lines are kept as
one string per name, made again only when its counts have moved, and a page is their columns joined.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import groupby
from operator import attrgetter
from typing import Final, NamedTuple, TypeAlias

from stream.figures import BY_ORDER_DATE, LEDGERS, ORDERS
from stream.metrics import METRICS_OF, TARGETS, WINDOWS, Counted, Metric, target, target_of
from stream.rates import Target, headroom, ratio
from stream.rules import Rules, start_of_day
from stream.shares import Place

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


class Family(NamedTuple):
    """One metric name of the page, with what HELP says and the labels of its series."""

    name: str
    help: str
    labels: tuple[str, ...]


class Group(NamedTuple):
    """One seller in one place, where something is counted."""

    seller_id: str
    place: Place

    @property
    def marketplace_id(self) -> str:
        """The marketplace of the place."""
        return self.place[1]


Totals: TypeAlias = tuple[int, ...]
"""A group's amounts, one for each of its ledger's `WINDOWS`."""


class Kind(NamedTuple):
    """What a series has for a metric's counts and what is asked of them, if anything; None where it is absent."""

    of: Callable[[Counted, Target | None], float | None]
    adds_up: bool = False


def _headroom(counted: Counted, asked: Target | None) -> int | None:
    numerator, denominator = counted
    return headroom(numerator, denominator, asked) if asked is not None and denominator else None


NUMERATOR: Final = Kind(lambda counted, _: counted.numerator, adds_up=True)
DENOMINATOR: Final = Kind(lambda counted, _: counted.denominator, adds_up=True)
RATIO: Final = Kind(lambda counted, _: ratio(*counted))
HEADROOM: Final = Kind(_headroom)


_BY_CHANNEL: Final = ("seller", "marketplace", "channel", "window")


class Column(NamedTuple):
    """One name of a metric's, and which of its values the series have."""

    family: Family
    metric: Metric
    kind: Kind

    def labels_of(self, place: Place) -> Place:
        """Return the values of those labels that say more of a place than its marketplace."""
        return () if self.metric.channel else place[2:]


def _columns(metrics: Sequence[Metric]) -> Iterator[Column]:
    """Yield the names of a ledger's metrics, all of one metric's together.

    Shares of orders by channel have one denominator together: it comes with the first of them.
    """
    by_channel = [metric for metric in metrics if metric.by_channel]
    if by_channel:
        orders = Family(f"seller_{ORDERS}", "Counted orders in the window, by order date.", _BY_CHANNEL)
        yield Column(orders, by_channel[0], DENOMINATOR)
    for metric in metrics:
        yield from _columns_by_channel(metric) if metric.by_channel else _columns_of(metric)


def _columns_by_channel(metric: Metric) -> Iterator[Column]:
    """Yield the names of a share by channel, whose numerator is called as its figure."""
    counts = Family(f"seller_{metric.numerator}", f"Of the {metric.among}: {metric.meaning}.", _BY_CHANNEL)
    yield Column(counts, metric, NUMERATOR)
    share = Family(f"{metric.gauge}_ratio", f"Share of {metric.among}, 0-1: {metric.meaning}.", _BY_CHANNEL)
    yield Column(share, metric, RATIO)
    if metric.target is not None:
        told = "How many more defective orders fit before the target is missed; negative when it is."
        yield Column(Family(f"{metric.gauge}_headroom_orders", told, _BY_CHANNEL), metric, HEADROOM)


def _columns_of(metric: Metric) -> Iterator[Column]:
    further = () if metric.channel else metric.ledger.labels
    labels = ("seller", "marketplace", *further, "window")
    if metric.denominator is None:
        yield Column(Family(metric.gauge, f"Number of {metric.meaning}.", labels), metric, NUMERATOR)
        return
    by = f"by {metric.ledger.day}"
    numerator, denominator = f"Number of {metric.meaning}, {by}.", f"Number of {metric.among}, {by}."
    yield Column(Family(f"{metric.gauge}_numerator", numerator, labels), metric, NUMERATOR)
    yield Column(Family(f"{metric.gauge}_denominator", denominator, labels), metric, DENOMINATOR)
    yield Column(
        Family(f"{metric.gauge}_ratio", f"Share of {metric.among}, 0-1: {metric.meaning}, {by}.", labels), metric, RATIO
    )


COLUMNS: Final = {name: tuple(_columns(METRICS_OF[name])) for name in LEDGERS}
"""The names that every group of a ledger has, by the ledger's name, in the order in which they are rendered."""

SELLER_FAMILIES: Final = tuple(column.family for columns in COLUMNS.values() for column in columns)
"""The names of the sellers' own figures."""

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

FAMILIES: Final = (*SELLER_FAMILIES, TARGET, MINIMUM, NEWEST_EVENT, EVALUATION_DAY)
"""Every name that this module renders."""


def escape(text: str) -> str:
    """Return `text` as it may stand between the quotes of a label."""
    return text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


class Told(NamedTuple):
    """A metric in a place: what is asked of it, its windows there (which of the ledger's, and its name), its names."""

    metric: Metric
    asked: Target | None
    windows: tuple[tuple[int, str], ...]
    columns: tuple[Column, ...]

    def counted(self, totals: Totals) -> list[tuple[str, Counted]]:
        """Return the metric's counts in each of its windows."""
        counted = self.metric.counted
        return [(name, counted(totals[at])) for at, name in self.windows]


class Values:
    """What the series of a group have: knows for each place which names and windows it has."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._told: dict[Place, list[Told]] = {}

    def of(self, place: Place, totals: Totals) -> Iterator[tuple[Column, list[tuple[str, float]]]]:
        """Yield each of the ledger's `COLUMNS` with the name of each window that has a value, and the value.

        A ratio or headroom without anything to divide by is absent (rules.md: "0 orders").
        """
        for told in self.told_in(place):
            counted, asked = told.counted(totals), told.asked
            for column in told.columns:
                value_of = column.kind.of
                yield column, [(name, value) for name, of in counted if (value := value_of(of, asked)) is not None]

    def told_in(self, place: Place) -> list[Told]:
        """Return the ledger's metrics as they are told in a place."""
        # Only the channel decides what is shown; the labels of violations are any text, and too many to remember.
        about = place if place[0] == BY_ORDER_DATE.name else place[:2]
        return self._told.get(about) or self._tell(about)

    def _tell(self, place: Place) -> list[Told]:
        ledger, marketplace_id = place[:2]
        told = []
        for metric, columns in groupby(COLUMNS[ledger], attrgetter("metric")):
            theirs = metric.windows_in(marketplace_id, self._rules) if metric.is_told_in(place) else ()
            windows = tuple((at, window.name) for at, window in enumerate(WINDOWS[ledger]) if window in theirs)
            told.append(Told(metric, target_of(metric, marketplace_id, self._rules), windows, tuple(columns)))
        self._told[place] = told
        return told


def series_labels(column: Column, group: Group) -> str:
    """Return the labels of a group's series in a column, but for the window."""
    return labels(column.family.labels[:-1], group.seller_id, group.marketplace_id, *column.labels_of(group.place))


class GroupRenderer:
    """Renders the windows of every group, and remembers the lines of those that stay as they are."""

    def __init__(self, rules: Rules) -> None:
        self._values = Values(rules)
        self._lines: dict[Group, tuple[Totals, tuple[str, ...]]] = {}

    def render(self, totals: Mapping[Group, Totals]) -> Iterator[str]:
        """Yield the page's text, name by name."""
        known = self._lines
        self._lines = {
            group: lines
            if (lines := known.get(group)) is not None and lines[0] == amounts
            else (amounts, self._render(group, amounts))
            for group, amounts in totals.items()
        }
        by_ledger: defaultdict[str, list[tuple[str, ...]]] = defaultdict(list)
        for group, (_, rendered) in self._lines.items():
            by_ledger[group.place[0]].append(rendered)
        for ledger, columns in COLUMNS.items():
            for column, rendered in zip(columns, zip(*by_ledger[ledger], strict=True), strict=False):
                yield header(column.family)
                yield from rendered

    def _render(self, group: Group, totals: Totals) -> tuple[str, ...]:
        rendered = []
        for column, values in self._values.of(group.place, totals):
            about = series_labels(column, group)
            rendered.append(
                "".join(f'{column.family.name}{{{about},window="{name}"}} {value!r}\n' for name, value in values)
            )
        return tuple(rendered)

    def series_of(self, group: Group, totals: Totals) -> int:
        """Return how many series a group has."""
        return sum(len(values) for _, values in self._values.of(group.place, totals))


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


@lru_cache(maxsize=1024)  # a group's names have the same labels, one after the other
def labels(names: Sequence[str], *values: str) -> str:
    """Return labels as they stand between the braces of a series."""
    return ",".join(f'{name}="{escape(value)}"' for name, value in zip(names, values, strict=True))


def header(family: Family) -> str:
    """Return the lines that come before all series of a name."""
    return f"# HELP {family.name} {family.help}\n# TYPE {family.name} gauge\n"
