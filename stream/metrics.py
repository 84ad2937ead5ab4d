"""The table: every metric's figures, windows and target. Gauges, API, rules and documents are made from it.

Adding a metric is a row here and, at most, figures that an order adds to (`orders.contribution`).
"""

from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from stream.figures import CHARGEBACK_ORDERS, CLAIM_ORDERS, DEFECTIVE_ORDERS, NEGATIVE_FEEDBACK_ORDERS, ORDERS
from stream.rates import Target
from stream.rules import Rules
from stream.windows import Window

OFFICIAL: Final = Window("official", days=60, lag=15)
"""What Amazon shows today."""

AHEAD: Final = Window("ahead", days=60, lag=0)
"""What the official figure will be 15 days from now if no more defects arrive: the early warning."""

ORDER_WINDOWS: Final = (OFFICIAL, AHEAD)


@dataclass(frozen=True, slots=True)
class Metric:
    """One row: the share of `denominator` that is `numerator`, two figures, over each of `windows`.

    `gauge` is the stem of its Prometheus names, `target` what the ratio must be, None where nothing is asked.
    """

    name: str
    gauge: str
    numerator: str
    denominator: str
    windows: tuple[Window, ...]
    target: Target | None
    meaning: str


TARGETS: Final = {
    "order_defect": Target("less_than", Fraction(1, 100)),
    "cancellation": Target("less_than", Fraction(25, 1000)),
    "late_shipment": Target("less_than", Fraction(4, 100)),
    "valid_tracking": Target("greater_than", Fraction(95, 100)),
    "on_time_delivery": Target("greater_than", Fraction(97, 100)),
    "contact_response": Target("at_least", Fraction(90, 100)),
    "open_violations": Target("equals", Fraction(0)),
}
"""What every metric of account health must be, whether it is computed yet or not (rules.md: the tables of metrics)."""

_UNITED_STATES: Final = "ATVPDKIKX0DER"
_INDIA: Final = "A21TJRUUN4KGV"

OWN_TARGETS: Final = {
    _UNITED_STATES: {"on_time_delivery": Fraction(90, 100)},
    _INDIA: {"cancellation": Fraction(2, 100), "late_shipment": Fraction(2, 100)},
}
"""Where a marketplace's target is another than the table's."""

ORDER_DEFECT: Final = Metric(
    "order_defect",
    "seller_order_defect",
    DEFECTIVE_ORDERS,
    ORDERS,
    ORDER_WINDOWS,
    TARGETS["order_defect"],
    "orders with at least one counted defect",
)

METRICS: Final = (
    ORDER_DEFECT,
    Metric(
        "negative_feedback",
        "seller_negative_feedback",
        NEGATIVE_FEEDBACK_ORDERS,
        ORDERS,
        ORDER_WINDOWS,
        None,
        "orders with a posted feedback of 1 or 2 stars",
    ),
    Metric("claim", "seller_claim", CLAIM_ORDERS, ORDERS, ORDER_WINDOWS, None, "orders with a counted A-to-Z claim"),
    Metric(
        "chargeback",
        "seller_chargeback",
        CHARGEBACK_ORDERS,
        ORDERS,
        ORDER_WINDOWS,
        None,
        "orders with a counted service chargeback",
    ),
)
"""Every metric that is computed."""


def target(name: str, marketplace_id: str, rules: Rules) -> Target:
    """Return what a metric must be in a marketplace: the configured target, else Amazon's for it, else the table's."""
    configured = rules.marketplace(marketplace_id).targets.get(name)
    own = configured if configured is not None else OWN_TARGETS.get(marketplace_id, {}).get(name)
    return TARGETS[name] if own is None else TARGETS[name]._replace(value=own)


def target_of(metric: Metric, marketplace_id: str, rules: Rules) -> Target | None:
    """Return what `metric` must be in a marketplace, or None where nothing is asked."""
    return None if metric.target is None else target(metric.name, marketplace_id, rules)
