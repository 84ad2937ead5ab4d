"""Every name that a worker's page has, from the code that shows it; and Prometheus's own about a scrape."""

from functools import cache
from typing import Final

from stream import gauges, marketplaces
from stream.topics import ORDERS
from stream.worker.telemetry import Telemetry
from tests.recount import parse_metrics

OF_PROMETHEUS: Final = frozenset(
    {"up", "scrape_duration_seconds", "scrape_samples_scraped", "ALERTS", "ALERTS_FOR_STATE"}
)


@cache
def shown_by_workers() -> frozenset[str]:
    """Return the names of every gauge of sellers and of every figure of the pipeline."""
    told = parse_metrics(_render())
    families = (*gauges.FAMILIES, *marketplaces.FAMILIES)
    return frozenset(family.name for family in families) | {name for name, _ in told}


def _render() -> str:
    telemetry = Telemetry([ORDERS])
    for labelled in (telemetry.lag_records, telemetry.lag_seconds):
        labelled.labels(ORDERS, "0").set(0)
    telemetry.note_event_time(ORDERS, 0)
    for state in ("live", "restoring"):
        telemetry.partitions.labels(state).set(0)
    return telemetry.render()
