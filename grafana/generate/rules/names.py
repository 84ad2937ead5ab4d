"""What a metric's gauges, their labels and their recorded series are called."""

from dataclasses import dataclass
from typing import Final

from stream.metrics import AHEAD, ORDER_WINDOWS, Metric
from stream.rates import Target

TARGETS: Final = "marketplace:seller_target_ratio:max"
MINIMUMS: Final = "marketplace:seller_minimum_denominator:max"
OFFICIAL: Final = f'window!="{AHEAD.name}"'
"""Selects what Amazon shows; the other window only warns early."""


@dataclass(frozen=True, slots=True)
class Names:
    """The names of one metric that has a target."""

    metric: Metric
    target: Target

    @property
    def of_orders(self) -> bool:
        """Whether it is a share of an order window's orders, by channel; others have counts of their own."""
        return self.metric.windows == ORDER_WINDOWS

    @property
    def warns_early(self) -> bool:
        """Whether it has a window that shows what is coming."""
        return AHEAD in self.metric.windows

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels that name one figure."""
        return ("seller", "marketplace", *(("channel",) if self.of_orders else ()), "window")

    @property
    def gauges(self) -> tuple[str, str, str]:
        """Ratio, numerator and denominator, as workers show them."""
        stem = self.metric.gauge
        if self.of_orders:
            return f"{stem}_ratio", f"seller_{self.metric.numerator}", f"seller_{self.metric.denominator}"
        return f"{stem}_ratio", f"{stem}_numerator", f"{stem}_denominator"

    @property
    def ratio(self) -> str:
        """The recorded ratio."""
        return self.recorded("max")

    @property
    def numerator(self) -> str:
        """The recorded numerator."""
        return f"seller:{self.gauges[1]}:max"

    @property
    def denominator(self) -> str:
        """The recorded denominator."""
        return f"seller:{self.gauges[2]}:max"

    @property
    def targets(self) -> str:
        """The recorded targets, one for each marketplace."""
        return f'{TARGETS}{{metric="{self.metric.name}"}}'

    @property
    def missed_sellers(self) -> str:
        """The recorded number of sellers that miss the target, one for each marketplace."""
        return f"marketplace:{self.metric.gauge}_missed:count"

    def recorded(self, operation: str) -> str:
        """Return the name of a series that is recorded of the ratio."""
        return f"seller:{self.gauges[0]}:{operation}"
