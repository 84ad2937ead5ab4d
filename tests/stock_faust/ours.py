"""`odr worker`, and how its figures are read: from /metrics, and from what it has committed to Kafka."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

import orjson

from stream.changelog import FOOTING_KEY
from stream.states import things_of, unpack
from stream.topics import HEALTH_CHANGES, order_states
from tests.broker.harness import DAY, Cluster, Worker, exposed
from tests.recount import Counts, DayKey, InputEvent, Series, gauge_differences, gauges, latest, recount
from tests.stock_faust.contender import Contender, Reading, repeated


class OdrWorker(Contender):
    """Our worker."""

    title = "odr worker"
    prefix = "ours"

    def worker(self, cluster: Cluster, name: str) -> Worker:
        return Worker(cluster, name, {})

    def progress(self, worker: Worker) -> int:
        return int(sum(value for (name, _), value in worker.series().items() if name == "stream_events_total"))

    def reading(self, survivor: Worker, events: Collection[InputEvent]) -> Reading | None:
        """Return what it shows and has committed.

        Lost is a thing's winning version that is in no order state (older versions leave no trace); repeated is a
        health change that is there twice, by its id, which names the record; the sums are those of the health changes.
        """
        changes = [orjson.loads(record.value) for record in survivor.cluster.read(HEALTH_CHANGES)]
        kept = set(kept_versions(survivor.cluster))
        return Reading(
            lost=sum(value["event_id"] not in kept for value in latest(events).values()),
            repeated=repeated(Counter(change["change_id"] for change in changes)),
            wrong_figures=wrong_gauges(exposed([survivor]), gauges(events, DAY)),
            wrong_sums=wrong_sums(added_up(changes), totals(recount(events))),
        )


def kept_versions(cluster: Cluster) -> Iterator[str]:
    """Yield the event id of every version in the committed states."""
    newest = {record.key: record.value for record in cluster.read(order_states(cluster.group))}
    for key, packed in newest.items():
        if key != FOOTING_KEY and packed is not None:
            yield from (thing.event_id for thing in things_of(unpack(packed)))


def added_up(changes: Iterable[Mapping[str, Any]]) -> Mapping[str, Counter[str]]:
    """Return, by seller and figure, the orders that entered less those that left."""
    sums: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for change in changes:
        sums[change["seller_id"]].update(change["entered"])
        sums[change["seller_id"]].subtract(change["left"])
    return sums


def totals(days: Mapping[DayKey, Counts]) -> Mapping[str, Counter[str]]:
    """Return, by seller and figure, the sum of all days."""
    sums: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for (seller, *_), counts in days.items():
        sums[seller].update(vars(counts))
    return sums


def wrong_sums(sums: Mapping[str, Counter[str]], expected: Mapping[str, Counter[str]]) -> int:
    """Return for how many sellers the sums differ; a Counter takes what it lacks for zero."""
    sellers = {*sums, *expected}
    return sum(sums.get(seller, Counter()) != expected.get(seller, Counter()) for seller in sellers)


def wrong_gauges(shown: Mapping[Series, float], expected: Mapping[Series, float]) -> int:
    """Return how many sellers have a gauge that is not the recount's."""
    sellers = {dict(labels)["seller"] for _, labels in (*shown, *expected)}
    return sum(bool(gauge_differences(of(seller, shown), of(seller, expected))) for seller in sellers)


def of(seller: str, series: Mapping[Series, float]) -> dict[Series, float]:
    """Return the series of one seller."""
    return {(name, labels): value for (name, labels), value in series.items() if ("seller", seller) in labels}
