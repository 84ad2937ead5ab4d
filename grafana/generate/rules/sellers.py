"""The sellers' rules: for each metric with a target, what is recorded of it and when it is told."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Final

from grafana.generate.rules import judgement, messages
from grafana.generate.rules.names import MINIMUMS, OFFICIAL, TARGETS, Names
from grafana.generate.rules.rule import KEEP_FIRING, Alert, Group, Recording, Severity, held
from stream.metrics import AHEAD, METRICS, Metric

_SETTLED: Final = "5m"
"""How long a figure has to stand before it is told: a defect and its withdrawal may come in one batch."""

_A_TREND: Final = "1h"
_MANY_SELLERS: Final = 5
_MANY_SHARE: Final = 0.5
_SILENT_DAYS: Final = 1
_MISSING_ORDERS: Final = 20


def judged(metrics: Iterable[Metric] = METRICS) -> list[Names]:
    """Return the metrics that have a target."""
    return [Names(metric, metric.target) for metric in metrics if metric.target is not None]


def recording_groups(metrics: Iterable[Metric] = METRICS) -> Iterator[Group]:
    """Yield what is recorded of the sellers: gauges wherever they are shown, then what they say against targets."""
    every = judged(metrics)
    gauges = dict.fromkeys(gauge for names in every for gauge in names.gauges)
    yield Group(
        "sellers",
        (
            *(Recording(f"seller:{gauge}:max", held(gauge)) for gauge in gauges),
            Recording(TARGETS, held("seller_target_ratio")),
            Recording(MINIMUMS, held("seller_minimum_denominator")),
            Recording(
                "seller:seller_newest_event_timestamp_seconds:max", held("seller_newest_event_timestamp_seconds")
            ),
        ),
    )
    for names in every:
        yield Group(names.metric.name, tuple(_recordings(names)))


def _recordings(names: Names) -> Iterator[Recording]:
    yield Recording(names.recorded("low_volume"), judgement.low_volume(names))
    yield Recording(names.recorded("missed"), judgement.missed(names))
    yield Recording(names.recorded("missed_low_volume"), judgement.missed_low_volume(names))
    if names.target.condition != "equals":
        yield Recording(names.recorded("next_failure_misses"), judgement.next_failure_misses(names))
    yield Recording(names.missed_sellers, judgement.missed_sellers(names))


def alert_groups(metrics: Iterable[Metric] = METRICS) -> Iterator[Group]:
    """Yield the sellers' alerts."""
    for names in judged(metrics):
        yield Group(f"{names.metric.name} alerts", tuple(_alerts(names)))
        if names.target.condition != "equals":
            yield Group(f"{names.metric.name} alerts by the week", (_creeping(names),), "5m")
    yield Group("feed alerts", (_silent(),))


def _alerts(names: Names) -> Iterator[Alert]:
    official, ahead = f"{{{OFFICIAL}}}", f'{{window="{AHEAD.name}"}}'
    missed, few = names.recorded("missed"), names.recorded("missed_low_volume")
    yield _alert(names, "SellerTargetMissed", "critical", missed + official, "misses its target")
    yield _alert(names, "SellerTargetMissedLowVolume", "info", few + official, "misses its target, with few orders")
    if names.warns_early:
        yield _alert(names, "SellerTargetMissedAhead", "warning", missed + ahead, "is going to miss its target")
    if names.target.condition != "equals":
        next_failure = names.recorded("next_failure_misses") + official
        yield _alert(names, "SellerHeadroomGone", "warning", next_failure, "misses its target with the next failure")
    yield _many_sellers(names)


def _creeping(names: Names) -> Alert:
    worse = judgement.creeping(names)
    return replace(_alert(names, "SellerRatioCreeping", "warning", worse, "gets worse by the week"), wait=_A_TREND)


def _alert(names: Names, name: str, severity: Severity, expr: str, what: str) -> Alert:
    return Alert(
        name,
        severity,
        expr,
        f"{messages.SELLER} in {messages.MARKETPLACE}: {messages.title(names)} {what}",
        messages.figure(names),
        wait=_SETTLED,
        keep=KEEP_FIRING,
        scope="seller",
        labels={"metric": names.metric.name},
        annotations={"page": messages.SELLERS_PAGE},
    )


def _many_sellers(names: Names) -> Alert:
    """Return the alert on a marketplace: half as many sellers more than a day ago is nobody's own doing."""
    new = judgement.newly_missed_sellers(names)
    before = f"{_MANY_SHARE} * {names.missed_sellers} offset 1d"
    return Alert(
        "ManySellersMissTarget",
        "critical",
        f"({new} >= {_MANY_SELLERS}) > {before}",
        f"Many sellers in {messages.MARKETPLACE} at once: {messages.title(names)} misses its target",
        f"In {messages.MARKETPLACE} the {messages.title(names)} misses its target, {messages.target(names)}, for "
        f"{messages.counted('seller')} for which it did not a day ago.",
        wait=_SETTLED,
        keep=KEEP_FIRING,
        labels={"metric": names.metric.name},
    )


def _silent() -> Alert:
    """Return the alert on a feed: silent for a day, and for as long as so many orders of its usual pace take."""
    newest = 'seller:seller_newest_event_timestamp_seconds:max{topic="orders"}'
    silence = f"time() - {newest}"
    usual = f'sum by (job, seller, marketplace) (seller:seller_orders:max{{window="{AHEAD.name}"}}) / {AHEAD.days}'
    return Alert(
        "SellerFeedSilent",
        "warning",
        f"({silence} > {_SILENT_DAYS} * 86400) "
        "and on (job, seller, marketplace) "
        f"(({silence}) / 86400 * on (job, seller, marketplace) ({usual}) > {_MISSING_ORDERS})",
        f"{messages.SELLER} in {messages.MARKETPLACE}: nothing is heard any more of its orders",
        f"{messages.SELLER} in {messages.MARKETPLACE}: the newest order event is {messages.DURATION} old; at the usual "
        f"pace more than {_MISSING_ORDERS} orders would have come since.",
        wait=_SETTLED,
        keep=KEEP_FIRING,
        scope="seller",
        annotations={"page": messages.SELLERS_PAGE},
    )
