"""History: what a replay has written, every day as it was known then and as it is known now.

A replay writes one sample a day under the gauges' own names with a suffix, labelled with the replay and with what was
known. A plain selector looks back five minutes only, so every query takes the last sample of a day.
"""

from collections.abc import Iterator
from itertools import chain
from typing import Final

from grafana.generate.dashboards.figures import CAUSES, ORDER_DEFECT_NAMES, REST, cause
from grafana.generate.dashboards.frame import Frame, Row, choice, one_of, text_box
from grafana.generate.dashboards.panels import Panel, Query, Told, graph
from grafana.generate.rules.names import Names
from stream.metrics import AHEAD, OFFICIAL
from stream.tools.replay.blocks import JOB, SUFFIX

KNOWLEDGE: Final = ("then", "now")
"""What was known: at the end of that very day, or now."""

_NAMES: Final = ORDER_DEFECT_NAMES
_RATIO, _DEFECTIVE, _ORDERS = _NAMES.gauges
_HEADROOM: Final = f"{_NAMES.metric.gauge}_headroom_orders"
_LEGEND: Final = "{{marketplace}} {{channel}}"
_OF_ANY_CHANNEL: Final = f'job="{JOB}", replay="$replay", seller=${{seller:doublequote}}, marketplace=~"$marketplace"'
_OF: Final = f'{_OF_ANY_CHANNEL}, channel=~"$channel"'
_NOTHING: Final = "no replay of this seller"


def daily(gauge: str, window: str, knowledge: str, days_before: int = 0) -> str:
    """Return a gauge's daily samples, of the replay and seller that are chosen."""
    selector = f'{gauge}{SUFFIX}{{{_OF}, window="{window}", knowledge="{knowledge}"}}'
    before = f" offset {days_before}d" if days_before else ""
    return f"max by (marketplace, channel) (last_over_time({selector}[1d]{before}))"


def _of_rest(gauge: str, knowledge: str, by: str = "marketplace, window") -> str:
    """Return the daily samples of a gauge of no channel, by window; of a number of several kinds, their sum."""
    selector = f'{gauge}{SUFFIX}{{{_OF_ANY_CHANNEL}, knowledge="{knowledge}"}}'
    return f"sum by ({by}) (last_over_time({selector}[1d]))"


def _both(gauge: str, window: str = OFFICIAL.name) -> list[Query]:
    return [Query(daily(gauge, window, known), f"as known {known} {_LEGEND}") for known in KNOWLEDGE]


def _gap(gauge: str, window: str = OFFICIAL.name) -> str:
    then, now = (daily(gauge, window, known) for known in KNOWLEDGE)
    return f"{now} - {then}"


def history() -> Frame:
    """Return the dashboard of a replay."""
    of_replay = f'seller_orders{SUFFIX}{{job="{JOB}", replay="$replay"}}'
    return Frame(
        "odr-history",
        "History",
        "A replay: each day's figures as known at its end and as known now. The gap is what came and changed later.",
        (
            one_of("replay", "Replay", f'label_values(seller_orders{SUFFIX}{{job="{JOB}"}}, replay)'),
            text_box("seller", "Seller", "The exact id of a seller."),
            choice("marketplace", "Marketplace", f"label_values({of_replay}, marketplace)"),
            choice("channel", "Channel", f"label_values({of_replay}, channel)"),
        ),
        (
            Row("What late reclassification did", (_ratio(), _ratio_gap(), _defective_gap())),
            Row("What it was made of", (_counts(), *_causes())),
            Row("Was the warning right", (_warning(), _headroom())),
            Row("The rest of account health, then and now", tuple(chain.from_iterable(map(_rest, REST)))),
        ),
        "now-180d",
        refresh="",
    )


def _target(names: Names = _NAMES) -> Query:
    # The newest target, drawn wherever there is a figure: there are no targets of the past.
    newest = (
        f'last_over_time(seller_target_ratio{{metric="{names.metric.name}", marketplace=~"$marketplace"}}[1d] @ end())'
    )
    figures = f"last_over_time({names.gauges[0]}{SUFFIX}{{{_OF_ANY_CHANNEL}}}[1d])"
    of_the_sellers = f"max by (marketplace) ({newest}) and on (marketplace) ({figures})"
    return Query(f"{'min' if names.target.counts_failures else 'max'}({of_the_sellers})", "target")


def _ratio() -> Panel:
    told = Told(
        "Order defect ratio, then and now",
        "Official window of each day: as Amazon would have shown it at the day's end, and with all that is known now.",
        "percentunit",
        _NOTHING,
        span=24,
        height=10,
    )
    return graph(told, *_both(_RATIO), _target())


def _ratio_gap() -> Panel:
    told = Told(
        "The gap",
        "Now less then: above 0, defects arrived late; below 0, claims were withdrawn, appeals won, feedback removed.",
        "percentunit",
        _NOTHING,
    )
    return graph(told, Query(_gap(_RATIO), _LEGEND))


def _defective_gap() -> Panel:
    told = Told("The gap in orders", "Defective orders: now less then.", nothing=_NOTHING)
    return graph(told, Query(_gap(_DEFECTIVE), _LEGEND))


def _counts() -> Panel:
    told = Told("Defective orders, then and now", "Of the official window.", nothing=_NOTHING)
    return graph(told, *_both(_DEFECTIVE))


def _causes() -> tuple[Panel, ...]:
    known_now = [
        Query(daily(f"seller_{metric.numerator}", OFFICIAL.name, "now"), f"{cause(metric)} {_LEGEND}")
        for metric in CAUSES
    ]
    gaps = [Query(_gap(f"seller_{metric.numerator}"), f"{cause(metric)} {_LEGEND}") for metric in CAUSES]
    return (
        graph(
            Told("Orders", "Counted orders of the official window, then and now.", nothing=_NOTHING), *_both(_ORDERS)
        ),
        graph(Told("By cause", "Orders that each cause makes defective, as known now.", nothing=_NOTHING), *known_now),
        graph(Told("The gap by cause", "Orders of each cause: now less then.", nothing=_NOTHING), *gaps),
    )


def _warning() -> Panel:
    told = Told(
        "Ahead, 15 days later",
        "What `ahead` said 15 days before, as known then, against what the official window came to.",
        "percentunit",
        _NOTHING,
    )
    ahead = daily(_RATIO, AHEAD.name, "then", days_before=OFFICIAL.lag)
    official = daily(_RATIO, OFFICIAL.name, "then")
    return graph(told, Query(ahead, f"ahead said {_LEGEND}"), Query(official, f"official {_LEGEND}"), _target())


def _headroom() -> Panel:
    told = Told("Headroom, then and now", "How many more defective orders would have fitted.", nothing=_NOTHING)
    return graph(told, *_both(_HEADROOM))


def _rest(names: Names) -> Iterator[Panel]:
    """Yield what a metric with counts of its own came to, and what it was made of."""
    legend = "{{window}} {{marketplace}}"
    told = Told(
        names.heading,
        f"{names.sentence}, by window.",
        "percentunit" if names.is_share else "short",
        _NOTHING,
        height=7,
    )
    both = [Query(_of_rest(names.gauges[0], known), f"as known {known} {legend}") for known in KNOWLEDGE]
    yield graph(told, *both, *([] if names.metric.target is None else [_target(names)]))
    if not names.is_share:
        kinds = " ".join(f"{{{{{part}}}}}" for part in names.parts)
        by_part = Told(f"{names.heading} by kind", f"{names.sentence}, as known now.", nothing=_NOTHING, height=7)
        by = ", ".join(("marketplace", *names.parts))
        yield graph(by_part, Query(_of_rest(names.gauges[0], "now", by), f"{kinds} {{{{marketplace}}}}"), stacked=True)
        return
    _, numerator, denominator = names.gauges
    counts = f"{names.numerators} and {names.denominators}".capitalize()
    yield graph(
        Told(counts, f"What the {names.title} is made of.", nothing=_NOTHING, height=7),
        *(Query(_of_rest(numerator, known), f"{names.numerators}, known {known} {legend}") for known in KNOWLEDGE),
        Query(_of_rest(denominator, "now"), f"{names.denominators}, known now {legend}"),
    )
