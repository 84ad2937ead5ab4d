"""Pipeline: whether workers are well, what comes in, how far behind they are, and what they take."""

from typing import Final

from grafana.generate.dashboards.frame import Frame, Row
from grafana.generate.dashboards.panels import (
    AGE,
    NONE_IS_BAD,
    NONE_IS_BETTER,
    NONE_IS_GOOD,
    UNKNOWN,
    Column,
    Panel,
    Query,
    Told,
    graph,
    number,
    rows,
)
from grafana.generate.rules import freshness
from grafana.generate.rules.pipeline import SCRAPE_TIMEOUT_SECONDS, WORKERS
from grafana.generate.rules.rule import LIVE

_OF: Final = f"{{{LIVE}}}"
_RATE: Final = "[$__rate_interval]"


def pipeline() -> Frame:
    """Return the dashboard for whoever runs the workers."""
    return Frame(
        "odr-pipeline",
        "Pipeline",
        "The workers: whether they are well, what comes in, how far behind they are, and what they take.",
        (),
        (
            Row("Now", _now()),
            Row("What comes in", _in()),
            Row("How far behind", _behind()),
            Row("How soon events are visible", _soon()),
            Row("Groups, restores and state", _state()),
            Row("Processes", _processes()),
        ),
        "now-1h",
    )


def _small(title: str, description: str, nothing: str = UNKNOWN) -> Told:
    return Told(title, description, nothing=nothing, span=3, height=4)


def _now() -> tuple[Panel, ...]:
    letters = f"sum(increase(stream_dead_letters_total{_OF}[1d]))"
    return (
        number(
            _small("Workers up", "Of those that Prometheus knows.", "none"),
            Query(f"sum(up{{{WORKERS}}})"),
            steps=NONE_IS_BAD,
        ),
        number(
            _small("Live partitions", "Restored, owned and shown."),
            Query("sum(job:stream_partitions_live:sum)"),
            steps=NONE_IS_BAD,
        ),
        number(
            _small("Restoring", "Partitions whose sellers are not shown yet."),
            Query(f'sum(stream_partitions{{state="restoring", {LIVE}}})'),
            steps=NONE_IS_BETTER,
        ),
        number(
            _small("Dead letters in a day", "Records that were no valid event, within a day."),
            Query(letters),
            steps=NONE_IS_BETTER,
        ),
        number(
            _small("Audit mismatches", "Sellers whose figures differed from a recount in the last audit."),
            Query(f"sum(stream_audit_mismatches{_OF})"),
            steps=NONE_IS_GOOD,
        ),
        number(
            _small("Split sellers", "Sellers in more than one partition: their figures are wrong."),
            Query(f"sum(stream_split_sellers{_OF})"),
            steps=NONE_IS_GOOD,
        ),
        number(
            _small("Day unconfirmed", "Workers whose clock has leapt by more than two days."),
            Query(f"sum(stream_evaluation_day_unconfirmed{_OF})"),
            steps=NONE_IS_GOOD,
        ),
        number(
            _small("Left-out series", "Series of sellers that are not exported, with STREAM_EXPORT=at_risk."),
            Query(f"sum(stream_left_out_series{_OF})"),
        ),
    )


def _in() -> tuple[Panel, ...]:
    moved = 'sum by (figure) (rate(stream_reclassifications_total{direction="%s"}[$__rate_interval]))'
    return (
        graph(
            Told("Records read", "By topic, per second.", "cps"),
            Query(f"sum by (topic) (rate(stream_events_total{_OF}{_RATE}))", "{{topic}}"),
            stacked=True,
        ),
        graph(
            Told("Dead letters", "Records that were no valid event, by topic and reason, per second.", "cps"),
            Query(f"sum by (topic, reason) (rate(stream_dead_letters_total{_OF}{_RATE})) > 0", "{{topic}}: {{reason}}"),
        ),
        graph(
            Told(
                "Valid, but nothing new",
                "Redelivered: seen before. Stale: an older version. Too late: of an order no longer kept. "
                "Too many: one more defect of an order that has all it can keep. Per second.",
                "cps",
            ),
            Query(f"sum by (reason) (rate(stream_ignored_events_total{_OF}{_RATE}))", "{{reason}}"),
        ),
        graph(
            Told(
                "Reclassifications",
                "Orders that entered (above 0) or left (below) a figure after they were first counted, per second.",
                "cps",
            ),
            Query(moved % "entered", "{{figure}} entered"),
            Query(f"-{moved % 'left'}", "{{figure}} left"),
        ),
    )


def _behind() -> tuple[Panel, ...]:
    return (
        graph(
            Told("Unread records", "By topic.", span=8),
            Query("topic:stream_consumer_lag_records:sum", "{{topic}}"),
        ),
        graph(
            Told("Behind by", "Age of the newest record read, where any is left to read.", "s", span=8),
            Query("topic:stream_consumer_lag_seconds:max", "{{topic}}"),
        ),
        graph(
            Told("Newest event", "How old the newest event time of each topic is.", "s", span=8),
            Query("time() - topic:stream_event_time_seconds:max", "{{topic}}"),
        ),
        graph(
            Told(
                "Unread records by partition",
                "The ten partitions that are furthest behind, of all topics.",
                span=24,
                height=7,
            ),
            Query(f"topk(10, sum by (topic, partition) (stream_consumer_lag_records{_OF}))", "{{topic}} {{partition}}"),
        ),
    )


def _soon() -> tuple[Panel, ...]:
    within = freshness.VISIBLE_WITHIN_SECONDS
    buckets = f"sum by (le) (rate(stream_event_to_visible_seconds_bucket{_OF}{_RATE}))"
    stages = f"sum by (le, stage) (rate(stream_round_seconds_bucket{_OF}{_RATE}))"
    return (
        graph(
            Told("Record to visible", "From a Kafka record's timestamp to its effect in the figures.", "s", span=8),
            *(Query(f"histogram_quantile({share}, {buckets})", f"{share:.0%} within") for share in (0.5, 0.9, 0.99)),
            Query(f"vector({within})", "objective"),
        ),
        graph(
            Told(
                "Error budget",
                f"How many times too fast it burns: {freshness.OBJECTIVE:.0%} of events visible within {within:.0f} s.",
                span=8,
            ),
            *(
                Query(f"{freshness.late_share(window)} / (1 - {freshness.OBJECTIVE})", f"over {window}")
                for window in ("5m", "1h", "6h", "3d")
            ),
            Query("vector(1)", "objective"),
        ),
        graph(
            Told("What a round takes", "99 % of rounds within, by stage.", "s", span=8),
            Query(f"histogram_quantile(0.99, {stages})", "{{stage}}"),
        ),
    )


def _state() -> tuple[Panel, ...]:
    return (
        graph(
            Told("Rebalances", "Assignments that workers received, within five minutes."),
            Query(f"increase(stream_rebalances_total{_OF}[5m])", "{{instance}}"),
        ),
        graph(
            Told("Partitions", "By worker and state."),
            Query(f"stream_partitions{_OF}", "{{instance}} {{state}}"),
            stacked=True,
        ),
        graph(
            Told("Left to restore", "Changelog records, by worker."),
            Query(f"stream_restore_remaining_records{_OF}", "{{instance}}"),
        ),
        graph(
            Told("Orders kept", "By worker.", span=6),
            Query(f"stream_orders{_OF}", "{{instance}}"),
            stacked=True,
        ),
        graph(
            Told("Waiting things", "Feedback, claims and chargebacks whose order is not known, by worker.", span=6),
            Query(f"stream_waiting_things{_OF}", "{{instance}}"),
            stacked=True,
        ),
        graph(
            Told("Sellers audited", "Recounted in the background, by worker, per second.", "cps", span=24, height=6),
            Query(f"rate(stream_audited_sellers_total{_OF}{_RATE})", "{{instance}}"),
        ),
    )


def _processes() -> tuple[Panel, ...]:
    return (
        graph(
            Told("Processor", "Cores in use, by worker.", span=8),
            Query(f"rate(process_cpu_seconds_total{{{WORKERS}}}{_RATE})", "{{instance}}"),
        ),
        graph(
            Told("Memory", "Resident, by worker.", "bytes", span=8),
            Query(f"process_resident_memory_bytes{{{WORKERS}}}", "{{instance}}"),
        ),
        graph(
            Told("Open files", "By worker.", span=8),
            Query(f"process_open_fds{{{WORKERS}}}", "{{instance}}"),
        ),
        graph(
            Told("Scraping takes", "By worker; beyond the limit a scrape fails.", "s", span=8),
            Query(f"scrape_duration_seconds{{{WORKERS}}}", "{{instance}}"),
            Query(f"vector({SCRAPE_TIMEOUT_SECONDS})", "objective"),
        ),
        graph(
            Told("Series", "That a scrape of each worker gives.", span=8),
            Query(f"scrape_samples_scraped{{{WORKERS}}}", "{{instance}}"),
        ),
        rows(
            Told("Builds", "Which versions run, and since when.", AGE, "none", span=8),
            {"instance": "Worker", "version": "Version", "python": "Python", "kafka_client": "Kafka client"},
            (
                Column(
                    "Up since",
                    "1000 * max by (instance, version, python, kafka_client) "
                    f"(stream_build_info{_OF} * on (job, instance) group_left () process_start_time_seconds)",
                ),
            ),
        ),
    )
