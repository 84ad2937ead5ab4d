"""The sellers' figures as panels ask for them: gauges wherever they are shown, under labels that a panel keeps."""

from typing import Final

from grafana.generate.rules.names import Names
from grafana.generate.rules.sellers import judged
from stream.metrics import METRICS, ORDER_DEFECT, Metric

GROUP: Final = "seller, marketplace, channel"
"""The labels that name a seller's share in a marketplace."""

ORDER_DEFECT_NAMES: Final = next(names for names in judged() if names.metric is ORDER_DEFECT)

CAUSES: Final = tuple(
    metric for metric in METRICS if metric.denominator == ORDER_DEFECT.denominator and metric.target is None
)
"""What an order can be defective by: the metrics that have no target of their own."""


def chosen(*matchers: str) -> str:
    """Return the selector of all sellers that the variables of Overview choose."""
    return ", ".join((*matchers, 'seller=~"$sellers"', 'marketplace=~"$marketplace"', 'channel=~"$channel"'))


def shown(gauge: str, selector: str, by: str) -> str:
    """Return a gauge by the labels that a panel keeps, whichever worker shows it."""
    return f"max by ({by}) ({gauge}{{{selector}}})"


def target(names: Names = ORDER_DEFECT_NAMES, of: str = "") -> str:
    """Return the strictest target of the chosen marketplaces; of those only that `of`, if given, has series in."""
    chosen_targets = f'seller_target_ratio{{metric="{names.metric.name}", marketplace=~"$marketplace"}}'
    if of:
        chosen_targets = f"max by (marketplace) ({chosen_targets}) and max by (marketplace) ({of})"
    return f"{'min' if names.target.counts_failures else 'max'}({chosen_targets})"


def cause(metric: Metric) -> str:
    """Return how a metric without target is called beside others."""
    return metric.name.replace("_", " ").capitalize()
