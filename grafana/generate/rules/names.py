"""What a metric's gauges, their labels and their recorded series are called."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from stream.metrics import AHEAD, METRICS, Metric
from stream.rates import Target
from stream.windows import Window

TARGETS: Final = "marketplace:seller_target_ratio:max"
MINIMUMS: Final = "marketplace:seller_minimum_denominator:max"
MISSED_METRICS: Final = "seller:seller_missed_metrics:count"
"""How many of a seller's metrics miss their target in a marketplace, with volume enough."""

OFFICIAL: Final = f'window!="{AHEAD.name}"'
"""Selects what Amazon shows; the other window only warns early."""

A_MONTH_DAYS: Final = 30
"""The shortest window in which a week ago means something: most of what it held then it still holds now."""


@dataclass(frozen=True, slots=True)
class Names:
    """The names of one metric."""

    metric: Metric

    @property
    def target(self) -> Target:
        """What is asked of it, of a metric that has a target."""
        assert self.metric.target is not None  # noqa: S101 - `judged` names only those
        return self.metric.target

    @property
    def is_share(self) -> bool:
        """Whether it is a share of something; else it is a plain number."""
        return self.metric.denominator is not None

    @property
    def warns_early(self) -> bool:
        """Whether it has a window that shows what is coming."""
        return AHEAD in self.metric.windows

    @property
    def windows(self) -> tuple[Window, ...]:
        """Its windows, those that only some marketplaces have included."""
        of_places = (self.metric.windows, *self.metric.own_windows.values())
        return tuple(dict.fromkeys(window for windows in of_places for window in windows))

    @property
    def trends(self) -> tuple[Window, ...]:
        """Those of its windows that can be compared with themselves a week ago."""
        return tuple(window for window in self.windows if window.days >= A_MONTH_DAYS) if self.is_share else ()

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels that name one figure."""
        return ("seller", "marketplace", *(("channel",) if self.metric.by_channel else ()), "window")

    @property
    def parts(self) -> tuple[str, ...]:
        """The further labels of a number's gauges, over which it is summed."""
        return () if self.is_share else self.metric.ledger.labels

    @property
    def gauges(self) -> tuple[str, ...]:
        """Ratio, numerator and denominator of a share, or the number's only one, as workers show them."""
        stem = self.metric.gauge
        if not self.is_share:
            return (stem,)
        if self.metric.by_channel:
            return f"{stem}_ratio", f"seller_{self.metric.numerator}", f"seller_{self.metric.denominator}"
        return f"{stem}_ratio", f"{stem}_numerator", f"{stem}_denominator"

    @property
    def title(self) -> str:
        """What it is called in a sentence."""
        return _in_words(f"{self.metric.name} ratio" if self.is_share else self.metric.name)

    @property
    def heading(self) -> str:
        """What it is called where a line begins."""
        return _begun(self.title)

    @property
    def sentence(self) -> str:
        """What it means, as a sentence without its full stop."""
        return _begun(self.metric.description)

    @property
    def numerators(self) -> str:
        """What its numerator counts, in the plural."""
        return _in_words(self.metric.numerator)

    @property
    def denominators(self) -> str:
        """What its denominator counts, in the plural."""
        return _in_words(self.metric.denominator or "")

    @property
    def value(self) -> str:
        """The recorded figure: a ratio, or a number."""
        return self.recorded("max" if self.is_share else "sum")

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
        """Return the name of a series that is recorded of the figure."""
        return f"seller:{self.gauges[0]}:{operation}"


def _in_words(name: str) -> str:
    words = name.replace("_", " ").replace("on time", "on-time")
    return words.replace("feedback received negative", "negative feedback received")


def _begun(text: str) -> str:
    return text[0].upper() + text[1:]


def judged(metrics: Iterable[Metric] = METRICS) -> list[Names]:
    """Return the metrics that have a target."""
    return [Names(metric) for metric in metrics if metric.target is not None]
