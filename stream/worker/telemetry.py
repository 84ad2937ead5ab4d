"""Every figure of the pipeline itself, with its meaning: the `stream_` names of the page.

The sellers' own gauges are not here: they are text, rendered at scrape time (`stream.gauges`).
"""

import platform
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from typing import Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.metrics_core import HistogramMetricFamily, Metric

from stream import __version__
from stream.decode import REASONS
from stream.figures import FIGURES

_VISIBLE_BOUNDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 3600.0)
_STAGE_BOUNDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0)
STAGES: Final = ("decode_and_fold", "changelog", "disk")


class EventToVisible:
    """Histogram of seconds from a Kafka record's timestamp to its effect in the figures.

    A chunk is observed at once: thousands of single observations would cost more than the fold.
    """

    def __init__(self) -> None:
        self._counts = [0] * (len(_VISIBLE_BOUNDS) + 1)
        self._sum = 0.0

    def observe(self, timestamps: Sequence[int], visible_at: float) -> None:
        """Count records with these timestamps (milliseconds) as visible at `visible_at` (seconds)."""
        ages = sorted(max(0.0, visible_at - timestamp / 1000) for timestamp in timestamps)
        below = 0
        for at, bound in enumerate((*_VISIBLE_BOUNDS, float("inf"))):
            reached = bisect_left(ages, bound, below) if bound != float("inf") else len(ages)
            self._counts[at] += reached - below
            below = reached
        self._sum += sum(ages)

    def collect(self) -> Iterator[Metric]:
        """Yield the histogram for a scrape."""
        buckets, total = [], 0
        for bound, observed in zip((*(str(bound) for bound in _VISIBLE_BOUNDS), "+Inf"), self._counts, strict=True):
            total += observed
            buckets.append((bound, float(total)))
        yield HistogramMetricFamily(
            "stream_event_to_visible_seconds",
            "From the Kafka record's timestamp to its effect in the figures.",
            buckets=buckets,
            sum_value=self._sum,
        )


class Telemetry:
    """The pipeline's figures, in a registry of their own; every series that can be known beforehand starts at 0."""

    def __init__(self, topics: Sequence[str]) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        self.event_to_visible = EventToVisible()
        registry.register(self.event_to_visible)

        self.events = Counter("stream_events", "Records read.", ["topic"], registry=registry)
        self.dead_letters = Counter(
            "stream_dead_letters", "Records that were no valid event.", ["topic", "reason"], registry=registry
        )
        self.ignored = Counter(
            "stream_ignored_events", "Valid events that changed nothing.", ["topic", "reason"], registry=registry
        )
        self.reclassifications = Counter(
            "stream_reclassifications",
            "Orders that entered or left a figure after they were first counted.",
            ["figure", "direction"],
            registry=registry,
        )
        self.lag_records = Gauge(
            "stream_consumer_lag_records", "Records not read yet.", ["topic", "partition"], registry=registry
        )
        self.lag_seconds = Gauge(
            "stream_consumer_lag_seconds",
            "Age of the newest record read, while any is left to read.",
            ["topic", "partition"],
            registry=registry,
        )
        self.event_time = Gauge(
            "stream_event_time_seconds", "Newest event time seen, Unix time.", ["topic"], registry=registry
        )
        self.round = Histogram(
            "stream_round_seconds",
            "What one round takes, by stage.",
            ["stage"],
            buckets=_STAGE_BOUNDS,
            registry=registry,
        )
        self.orders = Gauge("stream_orders", "Orders kept.", registry=registry)
        self.waiting = Gauge("stream_waiting_things", "Things whose order is not known.", registry=registry)
        self.partitions = Gauge("stream_partitions", "Own partitions, by state.", ["state"], registry=registry)
        self.restore_remaining = Gauge(
            "stream_restore_remaining_records", "Changelog records still to be restored.", registry=registry
        )
        self.rebalances = Counter("stream_rebalances", "Assignments received from the group.", registry=registry)
        self.left_out = Gauge(
            "stream_left_out_series", "Seller series not exported because of STREAM_EXPORT.", registry=registry
        )
        self.split_sellers = Gauge(
            "stream_split_sellers",
            "Sellers seen in more than one partition: their producers partition differently.",
            registry=registry,
        )
        self.unconfirmed_day = Gauge(
            "stream_evaluation_day_unconfirmed",
            "1 where the clock has leapt by more than two days and nobody has confirmed it: nothing is let go.",
            registry=registry,
        )
        self.audit_mismatches = Gauge(
            "stream_audit_mismatches",
            "Sellers whose live figures differed from a recount in the last audit of all of them.",
            registry=registry,
        )
        self.audited = Counter("stream_audited_sellers", "Sellers recounted in the background.", registry=registry)
        Gauge("stream_build_info", "Versions.", ["version", "python", "kafka_client"], registry=registry).labels(
            __version__, platform.python_version(), f"aiokafka {version('aiokafka')}"
        ).set(1)
        self._newest: dict[str, int] = {}
        self._start_at_zero(topics)

    def _start_at_zero(self, topics: Sequence[str]) -> None:
        for topic in topics:
            self.events.labels(topic)
            for reason in REASONS:
                self.dead_letters.labels(topic, reason)
            for reason in ("redelivered", "stale", "too_late", "too_many"):
                self.ignored.labels(topic, reason)
        for figure in FIGURES:
            for direction in ("entered", "left"):
                self.reclassifications.labels(figure, direction)
        for stage in STAGES:
            self.round.labels(stage)

    def note_event_time(self, topic: str, event_time: int) -> None:
        """Show the newest event time of a topic (microseconds since the epoch); it never goes back."""
        if event_time > self._newest.get(topic, event_time - 1):
            self._newest[topic] = event_time
            self.event_time.labels(topic).set(event_time / 1_000_000)

    def render(self) -> str:
        """Return the figures in Prometheus's text format."""
        return generate_latest(self.registry).decode()
