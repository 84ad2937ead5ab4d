"""The table: every metric's figures, windows and target. Gauges, API, replay, rules and documents are made from it.

Adding a metric is a row here and, at most, a figure in a ledger with the function that counts it (`shares`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final, NamedTuple

from stream.figures import (
    ANSWERED_MESSAGES,
    CANCELLED_ORDERS,
    CHARGEBACK_ORDERS,
    CLAIM_ORDERS,
    CONFIRMED_ORDERS,
    DEFECTIVE_ORDERS,
    LATE_ORDERS,
    LEDGER_OF,
    LEDGERS,
    MESSAGES,
    NEGATIVE_FEEDBACK_ORDERS,
    NEGATIVE_RECEIVED_FEEDBACK,
    ON_TIME_PACKAGES,
    OPEN_VIOLATIONS,
    ORDERS,
    PACKAGES,
    RECEIVED_FEEDBACK,
    TRACKED_PACKAGES,
    Ledger,
    count,
)
from stream.rates import Target
from stream.rules import Rules
from stream.shares import Place
from stream.windows import Window

OFFICIAL: Final = Window("official", days=60, lag=15)
"""What Amazon shows today."""

AHEAD: Final = Window("ahead", days=60, lag=0)
"""What the official figure will be 15 days from now if no more defects arrive: the early warning."""

ORDER_WINDOWS: Final = (OFFICIAL, AHEAD)

_UNITED_STATES: Final = "ATVPDKIKX0DER"
_INDIA: Final = "A21TJRUUN4KGV"


class Counted(NamedTuple):
    """A metric's counts in a window; `denominator` is None where the metric is a number, not a share."""

    numerator: int
    denominator: int | None


@dataclass(frozen=True, slots=True, eq=False)
class Metric:
    """One row: the share of `denominator` that is `numerator`, two figures of one ledger, over each of `windows`.

    `gauge` is the stem of its Prometheus names; `target` what the ratio must be, None where nothing is asked. `meaning`
    says in words what the numerator counts, `among` what the denominator does; without those the metric is a number.
    `channel` is the only one it is of, where there is one; `own_windows` holds the windows of marketplaces that have
    others.
    """

    name: str
    gauge: str
    numerator: str
    denominator: str | None
    windows: tuple[Window, ...]
    target: Target | None
    meaning: str
    among: str | None = None
    channel: str | None = None
    own_windows: Mapping[str, tuple[Window, ...]] = field(default_factory=dict)

    @property
    def description(self) -> str:
        """What it is, in words."""
        return self.meaning if self.among is None else f"{self.meaning}, of {self.among}"

    @property
    def ledger(self) -> Ledger:
        """The ledger that its figures are counted in."""
        return LEDGER_OF[self.numerator]

    @property
    def by_channel(self) -> bool:
        """Whether it is told for each channel by itself."""
        return self.channel is None and self.ledger.labels == ("channel",)

    def is_told_in(self, place: Place) -> bool:
        """Return whether it is told of what is counted in a place of its ledger."""
        return self.channel is None or self.ledger.labels != ("channel",) or place[2] == self.channel

    def channel_in(self, place: Place) -> str | None:
        """Return the channel that it is of in a place, None where it has none."""
        return place[2] if self.by_channel else self.channel

    def windows_in(self, marketplace_id: str, rules: Rules) -> tuple[Window, ...]:
        """Return its windows in a marketplace, as far as so many days are kept."""
        windows = self.own_windows.get(marketplace_id, self.windows)
        return tuple(window for window in windows if window.days + window.lag <= rules.retention_days)

    def share(self, amount: int) -> tuple[int, int]:
        """Return its counts in an amount of its ledger, of a metric that is a share."""
        assert self.denominator is not None  # noqa: S101
        return count(amount, self.numerator), count(amount, self.denominator)

    def counted(self, amount: int) -> Counted:
        """Return its counts in an amount of its ledger."""
        denominator = None if self.denominator is None else count(amount, self.denominator)
        return Counted(count(amount, self.numerator), denominator)


ORDER_DEFECT: Final = Metric(
    "order_defect",
    "seller_order_defect",
    DEFECTIVE_ORDERS,
    ORDERS,
    ORDER_WINDOWS,
    Target("less_than", Fraction(1, 100)),
    "orders with at least one counted defect",
    "counted orders",
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
        "counted orders",
    ),
    Metric(
        "claim",
        "seller_claim",
        CLAIM_ORDERS,
        ORDERS,
        ORDER_WINDOWS,
        None,
        "orders with a counted A-to-Z claim",
        "counted orders",
    ),
    Metric(
        "chargeback",
        "seller_chargeback",
        CHARGEBACK_ORDERS,
        ORDERS,
        ORDER_WINDOWS,
        None,
        "orders with a counted service chargeback",
        "counted orders",
    ),
    Metric(
        "cancellation",
        "seller_cancellation",
        CANCELLED_ORDERS,
        ORDERS,
        (Window("7d", days=7, lag=1),),
        Target("less_than", Fraction(25, 1000)),
        "orders cancelled by the seller before they were confirmed shipped",
        "counted orders",
        channel="MFN",
    ),
    Metric(
        "late_shipment",
        "seller_late_shipment",
        LATE_ORDERS,
        CONFIRMED_ORDERS,
        (Window("30d", days=30, lag=0), Window("10d", days=10, lag=0)),
        Target("less_than", Fraction(4, 100)),
        "orders confirmed shipped after their latest ship date",
        "orders confirmed shipped",
        channel="MFN",
    ),
    Metric(
        "valid_tracking",
        "seller_valid_tracking",
        TRACKED_PACKAGES,
        PACKAGES,
        (Window("30d", days=30, lag=10),),
        Target("greater_than", Fraction(95, 100)),
        "packages with a carrier's scan",
        "packages confirmed shipped",
        channel="MFN",
    ),
    Metric(
        "on_time_delivery",
        "seller_on_time_delivery",
        ON_TIME_PACKAGES,
        TRACKED_PACKAGES,
        (Window("30d", days=30, lag=10),),
        Target("greater_than", Fraction(97, 100)),
        "packages delivered by the promised day",
        "packages with valid tracking",
        channel="MFN",
        own_windows={_UNITED_STATES: (Window("14d", days=14, lag=8),)},
    ),
    Metric(
        "contact_response",
        "seller_contact_response",
        ANSWERED_MESSAGES,
        MESSAGES,
        (Window("7d", days=7, lag=2), Window("30d", days=30, lag=2), Window("90d", days=90, lag=2)),
        Target("at_least", Fraction(90, 100)),
        "buyer messages answered within 24 hours",
        "buyer messages that need an answer",
    ),
    Metric(
        "open_violations",
        "seller_open_violations",
        OPEN_VIOLATIONS,
        None,
        (Window("180d", days=180, lag=0),),
        Target("equals", Fraction(0)),
        "violations of policies that are open",
    ),
    Metric(
        "feedback_received_negative",
        "seller_feedback_received_negative",
        NEGATIVE_RECEIVED_FEEDBACK,
        RECEIVED_FEEDBACK,
        (Window("30d", days=30, lag=0), Window("90d", days=90, lag=0), Window("365d", days=365, lag=0)),
        None,
        "posted feedback of 1 or 2 stars",
        "posted feedback received",
    ),
)
"""Every metric."""

METRICS_OF: Final = {name: tuple(metric for metric in METRICS if metric.ledger.name == name) for name in LEDGERS}
"""The metrics of each ledger, by its name."""

WINDOWS: Final = {
    name: tuple(
        dict.fromkeys(
            window
            for metric in METRICS_OF[name]
            for windows in (metric.windows, *metric.own_windows.values())
            for window in windows
        )
    )
    for name in LEDGERS
}
"""The windows of each ledger, by its name: those that any of its metrics has anywhere."""

TARGETS: Final = {metric.name: metric.target for metric in METRICS if metric.target is not None}
"""What every metric must be, where something is asked (rules.md: the tables of metrics)."""

OWN_TARGETS: Final = {
    _UNITED_STATES: {"on_time_delivery": Fraction(90, 100)},
    _INDIA: {"cancellation": Fraction(2, 100), "late_shipment": Fraction(2, 100)},
}
"""Where a marketplace's target is another than the table's."""


def target(name: str, marketplace_id: str, rules: Rules) -> Target:
    """Return what a metric must be in a marketplace: the configured target, else Amazon's for it, else the table's."""
    configured = rules.marketplace(marketplace_id).targets.get(name)
    own = configured if configured is not None else OWN_TARGETS.get(marketplace_id, {}).get(name)
    return TARGETS[name] if own is None else TARGETS[name]._replace(value=own)


def target_of(metric: Metric, marketplace_id: str, rules: Rules) -> Target | None:
    """Return what `metric` must be in a marketplace, or None where nothing is asked."""
    return None if metric.target is None else target(metric.name, marketplace_id, rules)
