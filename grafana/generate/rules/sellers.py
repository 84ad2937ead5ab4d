"""The sellers' rules: for each metric with a target, what is recorded of it and when it is told."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Final, NamedTuple

from grafana.generate.rules import judgement, messages
from grafana.generate.rules.names import MINIMUMS, MISSED_METRICS, OFFICIAL, TARGETS, Names, judged
from grafana.generate.rules.rule import KEEP_FIRING, Alert, Group, Recording, Severity, held
from stream.metrics import AHEAD, METRICS, ORDER_DEFECT, Metric

_SETTLED: Final = "5m"
"""How long a figure has to stand before it is told: a defect and its withdrawal may come in one batch."""

_A_TREND: Final = "1h"
_MANY_SELLERS: Final = 5
_MANY_SHARE: Final = 0.5
_SILENT_DAYS: Final = 1
_MISSING_ORDERS: Final = 20


def recording_groups(metrics: Iterable[Metric] = METRICS) -> Iterator[Group]:
    """Yield what is recorded of the sellers: what all judge by, then each metric's gauges and what they say."""
    yield Group(
        "sellers",
        (
            Recording(TARGETS, held("seller_target_ratio")),
            Recording(MINIMUMS, held("seller_minimum_denominator")),
            Recording(
                "seller:seller_newest_event_timestamp_seconds:max", held("seller_newest_event_timestamp_seconds")
            ),
        ),
    )
    every = judged(metrics)
    for names in every:
        yield Group(names.metric.name, tuple(_recordings(names)))
    yield Group("account health", (Recording(MISSED_METRICS, judgement.missed_metrics(every)),))


def _recordings(names: Names) -> Iterator[Recording]:
    for gauge in names.gauges:
        yield Recording(f"seller:{gauge}:max", held(gauge))
    if names.is_share:
        yield Recording(names.recorded("low_volume"), judgement.low_volume(names))
        yield Recording(names.recorded("missed"), judgement.missed(names))
        yield Recording(names.recorded("missed_low_volume"), judgement.missed_low_volume(names))
        yield Recording(names.recorded("next_failure_misses"), judgement.next_failure_misses(names))
    else:
        yield Recording(names.value, held(names.metric.gauge, names.parts))
        yield Recording(names.recorded("missed"), judgement.missed(names))
    yield Recording(names.missed_sellers, judgement.missed_sellers(names))


def alert_groups(metrics: Iterable[Metric] = METRICS) -> Iterator[Group]:
    """Yield the sellers' alerts."""
    for names in judged(metrics):
        yield Group(f"{names.metric.name} alerts", tuple(_alerts(names)))
        if names.trends:
            yield Group(f"{names.metric.name} alerts by the week", (_creeping(names),), "5m")
    yield Group("feed alerts", (_silent(),))


class _Steps(NamedTuple):
    """How grave it is that a target is missed, and that it is about to be."""

    missed: Severity
    coming: Severity


def _steps(names: Names) -> _Steps:
    """Return how grave a metric's alerts are: those on the Order Defect Rate are a step above those on the others."""
    return _Steps("critical", "warning") if names.metric is ORDER_DEFECT else _Steps("warning", "info")


def _alerts(names: Names) -> Iterator[Alert]:
    missed, coming = _steps(names)
    official = f"{{{OFFICIAL}}}" if names.warns_early else ""
    misses = names.recorded("missed")
    if not names.is_share:
        yield _critical_part(names)
        yield _alert(names, "SellerTargetMissed", missed, misses, "more than there may be")
        yield _many_sellers(names)
        return
    few, next_failure = names.recorded("missed_low_volume"), names.recorded("next_failure_misses")
    with_few = f"misses its target, with few {names.denominators}"
    yield _alert(names, "SellerTargetMissed", missed, misses + official, "misses its target")
    yield _alert(names, "SellerTargetMissedLowVolume", "info", few + official, with_few)
    if names.warns_early:
        ahead = f'{misses}{{window="{AHEAD.name}"}}'
        yield _alert(names, "SellerTargetMissedAhead", coming, ahead, "is going to miss its target")
    to_come = "misses its target with the next failure"
    yield _alert(names, "SellerHeadroomGone", coming, next_failure + official, to_come)
    yield _many_sellers(names)


def _creeping(names: Names) -> Alert:
    worse = judgement.creeping(names)
    told = _alert(names, "SellerRatioCreeping", _steps(names).coming, worse, "gets worse by the week")
    return replace(told, wait=_A_TREND)


def _critical_part(names: Names) -> Alert:
    """Return the alert on the gravest of what is counted: told at once, for one may end the account."""
    *kinds, grade = names.parts
    gravest = f'sum without ({", ".join((*kinds, grade))}) ({names.recorded("max")}{{{grade}="critical"}}) > 0'
    told = _alert(names, "SellerViolationCritical", "critical", gravest, f"one of critical {grade}")
    return replace(told, wait=None, description=messages.worst_part(names, grade, "critical"))


def _alert(names: Names, name: str, severity: Severity, expr: str, what: str) -> Alert:
    told = f"{names.title} {what}" if names.is_share else f"{names.title}, {what}"
    return Alert(
        name,
        severity,
        expr,
        f"{messages.SELLER} in {messages.MARKETPLACE}: {told}",
        messages.figure(names),
        wait=_SETTLED,
        keep=KEEP_FIRING,
        scope="seller",
        labels={"metric": names.metric.name},
        annotations={"page": messages.SELLERS_PAGE, "dashboard": messages.BOARD},
        advice=f"SellerTargetMissed.md#{names.metric.name}",
    )


def _many_sellers(names: Names) -> Alert:
    """Return the alert on a marketplace: half as many sellers more than a day ago is nobody's own doing."""
    new = judgement.newly_missed_sellers(names)
    before = f"{_MANY_SHARE} * {names.missed_sellers} offset 1d"
    if names.is_share:
        what = f"{names.title} misses its target"
        told = f"the {what}, {messages.target(names)}, for {messages.counted('seller')} for which it did not a day ago"
    else:
        what = f"{names.title}, more than there may be"
        allowed = f"more {names.title} than the {messages.target(names)} that there may be"
        told = f"{messages.counted('seller')} with {allowed} had no more than that a day ago"
    return Alert(
        "ManySellersMissTarget",
        _steps(names).missed,
        f"({new} >= {_MANY_SELLERS}) > {before}",
        f"Many sellers in {messages.MARKETPLACE} at once: {what}",
        f"In {messages.MARKETPLACE} {told}.",
        wait=_SETTLED,
        keep=KEEP_FIRING,
        labels={"metric": names.metric.name},
        annotations={"dashboard": messages.OVERVIEW},
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
        annotations={"page": messages.SELLERS_PAGE, "dashboard": messages.BOARD},
    )
