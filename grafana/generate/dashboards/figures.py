"""The sellers' figures as panels ask for them: gauges wherever they are shown, under labels that a panel keeps."""

from collections.abc import Callable, Iterable
from typing import Final

from grafana.generate.rules.names import Names, judged
from stream.metrics import METRICS, ORDER_DEFECT, Metric

GROUP: Final = "seller, marketplace, channel"
"""The labels that name a seller's share in a marketplace."""

ORDER_DEFECT_NAMES: Final = next(names for names in judged() if names.metric is ORDER_DEFECT)

REST: Final = tuple(Names(metric) for metric in METRICS if not metric.by_channel)
"""The metrics beside the Order Defect Rate: each with counts and windows of its own, and told of no channel."""

CAUSES: Final = tuple(metric for metric in METRICS if metric.by_channel and metric.target is None)
"""What an order can be defective by: the metrics that have no target of their own."""


def chosen(*matchers: str) -> str:
    """Return the selector of all sellers that the variables of Overview choose."""
    return ", ".join((*matchers, 'seller=~"$sellers"', 'marketplace=~"$marketplace"', 'channel=~"$channel"'))


def shown(gauge: str, selector: str, by: str) -> str:
    """Return a gauge by the labels that a panel keeps, whichever worker shows it."""
    return f"max by ({by}) ({gauge}{{{selector}}})"


def of_each(metrics: Iterable[Names], expr: Callable[[Names], str]) -> str:
    """Return an expression of each metric, all as one, with a label that says which metric a series is of."""
    return " or ".join(f'label_replace({expr(names)}, "metric", "{names.heading}", "", "")' for names in metrics)


def target(names: Names = ORDER_DEFECT_NAMES, of: str = "") -> str:
    """Return the strictest target of the chosen marketplaces; of those only that `of`, if given, has series in."""
    chosen_targets = f'seller_target_ratio{{metric="{names.metric.name}", marketplace=~"$marketplace"}}'
    if of:
        chosen_targets = f"max by (marketplace) ({chosen_targets}) and max by (marketplace) ({of})"
    return f"{'min' if names.target.counts_failures else 'max'}({chosen_targets})"


def cause(metric: Metric) -> str:
    """Return how a metric without target is called beside others."""
    return metric.name.replace("_", " ").capitalize()
