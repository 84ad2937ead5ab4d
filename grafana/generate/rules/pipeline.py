"""The pipeline's rules: whether the figures are true, whether they are there, and whether they move."""

from typing import Final

from grafana.generate.rules.messages import DURATION, INSTANCE, JOB, MARKETPLACE, TOPIC, counted
from grafana.generate.rules.rule import KEEP_FIRING, LIVE, Alert, Group, Recording

WORKERS: Final = 'job="odr"'
"""Selects the targets that Prometheus scrapes workers as (prometheus.yml: job_name)."""

SCRAPE_TIMEOUT_SECONDS: Final = 10
"""What prometheus.yml allows a scrape; no metric tells it."""

_SLOW_SCRAPE: Final = 0.7
_A_LONG_DAY: Final = "25 * 3600 + 600"
"""Seconds: a day of 25 hours, when summer time ends, and ten minutes to notice that it is over."""

_LAG_SECONDS: Final = 60
_RECORDS_THAT_ADVANCE: Final = 10

_PARTITIONS_LIVE: Final = "job:stream_partitions_live:sum"
_LAG: Final = "topic:stream_consumer_lag_seconds:max"
_UNREAD: Final = "topic:stream_consumer_lag_records:sum"
_NEWEST: Final = "topic:stream_event_time_seconds:max"
_LETTERS: Final = f"stream_dead_letters_total{{{LIVE}}}"
_BY_REASON: Final = "sum by (job, topic, reason)"

RECORDINGS: Final = Group(
    "pipeline",
    (
        Recording(_PARTITIONS_LIVE, f'sum by (job) (stream_partitions{{state="live", {LIVE}}})'),
        Recording(_UNREAD, f"sum by (job, topic) (stream_consumer_lag_records{{{LIVE}}})"),
        Recording(_LAG, f"max by (job, topic) (stream_consumer_lag_seconds{{{LIVE}}})"),
        Recording(_NEWEST, f"max by (job, topic) (stream_event_time_seconds{{{LIVE}}})"),
    ),
)
"""What is recorded of the pipeline."""

_TRUTH: Final = (
    Alert(
        "AuditMismatch",
        "critical",
        f"sum by (job) (stream_audit_mismatches{{{LIVE}}}) > 0",
        "Figures differ from a recount",
        f"The last audit of {JOB} found figures that differ from a recount of the orders: of {counted('seller')}.",
        keep=KEEP_FIRING,
    ),
    Alert(
        "SellersSplit",
        "critical",
        f"sum by (job) (stream_split_sellers{{{LIVE}}}) > 0",
        "Sellers are in more than one partition",
        f"{counted('seller')} of {JOB} in more than one partition: each part counts for itself, so the figures are "
        "wrong. Two producers partition differently.",
        keep=KEEP_FIRING,
    ),
    Alert(
        "SellersExposedTwice",
        "critical",
        f'count by (job) (count without (instance, pod) (seller_orders{{window="official", {LIVE}}}) > 1)',
        "Two workers show the same sellers",
        f"{counted('figure')} of sellers of {JOB}, shown by two workers at once: at least one of them is wrong.",
        wait="2m",
    ),
    Alert(
        "MidnightMissed",
        "critical",
        f"time() - min without (instance, pod) (seller_evaluation_day_timestamp_seconds{{{LIVE}}}) > {_A_LONG_DAY}",
        f"The windows of {MARKETPLACE} did not roll at midnight",
        f"The evaluation day of {MARKETPLACE} began {DURATION} ago: its windows are those of another day.",
        wait="5m",
        keep=KEEP_FIRING,
    ),
    Alert(
        "EvaluationDayUnconfirmed",
        "critical",
        f"max by (job) (stream_evaluation_day_unconfirmed{{{LIVE}}}) == 1",
        "The clock has jumped by more than two days",
        f"A worker of {JOB} found its clock more than two days from where it was: nothing is let go until "
        "STREAM_CONFIRMED_DAY confirms the day.",
        keep=KEEP_FIRING,
    ),
)


_PRESENCE: Final = (
    Alert(
        "WorkerDown",
        "warning",
        f"up{{{WORKERS}}} == 0",
        f"The worker {INSTANCE} does not answer",
        f"Prometheus could not scrape {INSTANCE} for a minute. Other workers take over its sellers, if there are any.",
        wait="1m",
    ),
    Alert(
        "NoWorker",
        "critical",
        f"sum by (job) (up{{{WORKERS}}}) == 0 or absent(up{{{WORKERS}}})",
        "No worker answers",
        f"No worker of {JOB} answers: no figure is known, and alerts on sellers stand as they last were.",
        wait="1m",
    ),
    Alert(
        "PartitionsNotLive",
        "critical",
        f"{_PARTITIONS_LIVE} < quantile_over_time(0.5, {_PARTITIONS_LIVE}[1d])",
        "Some sellers are not shown",
        f"{JOB} has {counted('live partition')}, fewer than on most of the last day: the sellers of the others have no "
        "figures now.",
        wait="2m",
    ),
    Alert(
        "SellerGaugesMissing",
        "critical",
        f"(sum by (job) (stream_orders{{{LIVE}}}) > 0) "
        f"and on (job) ({_PARTITIONS_LIVE} > 0) "
        f"unless on (job) count by (job) (seller_newest_event_timestamp_seconds{{{LIVE}}}) "
        f"unless on (job) (sum by (job) (stream_left_out_series{{{LIVE}}}) > 0)",
        "Workers keep orders but show no seller",
        f"The workers of {JOB} keep {counted('order')} in live partitions and show no seller at all.",
        wait="5m",
    ),
    Alert(
        "RestoreStuck",
        "warning",
        f'(stream_partitions{{state="restoring", {LIVE}}} > 0) '
        "unless ignoring (state) "
        f"(changes(stream_restore_remaining_records{{{LIVE}}}[5m]) > 0)",
        f"{INSTANCE} does not get on with restoring",
        f"{INSTANCE} restores {counted('partition')}, and the records that remain did not change in 5 minutes.",
        wait="10m",
    ),
    Alert(
        "ScrapeSlow",
        "warning",
        f"scrape_duration_seconds{{{WORKERS}}} > {_SLOW_SCRAPE} * {SCRAPE_TIMEOUT_SECONDS}",
        f"Scraping {INSTANCE} is about to time out",
        f"Scraping {INSTANCE} takes {DURATION} of the {SCRAPE_TIMEOUT_SECONDS} s that it may take.",
        wait="5m",
    ),
)


_MOVEMENT: Final = (
    Alert(
        "ConsumerLagGrowing",
        "warning",
        f"({_LAG} > {_LAG_SECONDS}) and (deriv({_UNREAD}[10m]) > 0)",
        f"Workers fall behind on {TOPIC}",
        f"The newest record read of {TOPIC} is {DURATION} old, and more are left unread by the minute.",
        wait="10m",
    ),
    Alert(
        "EventTimeStuck",
        "warning",
        f"(time() - {_NEWEST}) "
        f"and (sum by (job, topic) (increase(stream_events_total{{{LIVE}}}[30m])) >= {_RECORDS_THAT_ADVANCE}) "
        f"and ({_NEWEST} <= {_NEWEST} offset 30m)",
        f"Records of {TOPIC} arrive, but none is new",
        f"The newest event of {TOPIC} is {DURATION} old and has been for half an hour, while records arrive.",
        wait="5m",
    ),
    Alert(
        "DeadLetters",
        "warning",
        f"({_BY_REASON} (increase({_LETTERS}[15m])) > 0) "
        "or "
        # A counter that begins above 0, with a new worker, has increased from nothing for Prometheus.
        f"({_BY_REASON} ({_LETTERS} unless {_LETTERS} offset 15m) > 0)",
        f"Records of {TOPIC} are no valid events",
        f"Records of {TOPIC} that became dead letters lately ({{{{ $labels.reason }}}}): {{{{ $value | humanize }}}}.",
    ),
)

ALERTS: Final = (
    Group("truth alerts", _TRUTH),
    Group("presence alerts", _PRESENCE),
    Group("movement alerts", _MOVEMENT),
)
"""The pipeline's alerts."""
