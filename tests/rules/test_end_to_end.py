"""Worker, Prometheus, Alertmanager and a webhook, all of them real, with the project's own rules.

Only durations are shorter than in the rules' files: how long an alert is pending, and how long it outlives its cause.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stream.tools.kafka import Broker
from tests.broker.harness import Cluster, Worker, eventually
from tests.receiver import Receiver, quick
from tests.recount import InputEvent
from tests.watch import Server, alertmanager, prometheus, watching

pytestmark = pytest.mark.broker

SELLER, MARKETPLACE = "A2SELLER", "ATVPDKIKX0DER"
ORDERS = 200
SHORTER = {"5m": "12s", "1m": "1s", "2m": "1s", "15m": "4s"}


def history() -> Iterator[InputEvent]:
    """Yield 200 orders of the official window, and three claims: 1.5 %."""
    for number in range(ORDERS):
        placed = {"purchase_date": "2026-08-01T10:00:00Z", "channel": "MFN", "status": "Shipped"}
        yield "orders", event(f"o{number}", "2026-08-01T10:00:00Z", **placed)
    for number in range(3):
        yield claim(number, "pending", "2026-08-20T10:00:00Z")


def claim(number: int, status: str, at: str) -> InputEvent:
    return "claim-statuses", event(f"o{number}", at, claim_id=f"C-{number}", status=status)


def event(order: str, at: str, **fields: Any) -> dict[str, Any]:
    about = {"seller_id": SELLER, "marketplace_id": MARKETPLACE, "order_id": order}
    return {"event_id": f"{order} {at}", "event_time": at, **about, **fields}


def owner(workers: list[Worker]) -> Worker | None:
    """Return the worker that shows the seller."""
    shows = [worker for worker in workers if any(dict(labels).get("seller") == SELLER for _, labels in worker.series())]
    return shows[0] if len(shows) == 1 else None


def missed(server: Server) -> dict[str, Any] | None:
    """Return the alert on the seller, pending or firing."""
    answer = server.get("/api/v1/alerts")
    active = [] if answer is None else answer["data"]["alerts"]
    found = [alert for alert in active if alert["labels"]["alertname"] == "SellerTargetMissed"]
    return found[0] if found else None


def test_an_alert_stays_while_workers_move_and_die_and_ends_when_claims_are_withdrawn(
    broker: Broker, topic_prefix: str, tmp_path: Path
) -> None:
    receiver = Receiver()
    cluster = Cluster(broker.bootstrap, topic_prefix, tmp_path)
    assert cluster.odr("topics").returncode == 0
    with (
        alertmanager(tmp_path / "alertmanager", quick(receiver)) as manager,
        cluster.worker("one") as one,
        cluster.worker("two") as two,
    ):
        workers = [one, two]
        for worker in workers:
            worker.await_ready()
        eventually(lambda: all(worker.partitions() for worker in workers), "two workers share")
        cluster.produce(history())
        first = eventually(lambda: owner(workers), "one of them shows the seller")
        (second,) = [worker for worker in workers if worker is not first]
        with prometheus(
            tmp_path / "prometheus", watching(tmp_path, SHORTER, [worker.port for worker in workers], manager)
        ) as server:
            pending = eventually(lambda: missed(server), "the alert is pending")
            assert first.stop() == 0
            eventually(lambda: owner([second]), "the other worker shows the seller")
            moved = f'seller_orders{{window="official", instance="127.0.0.1:{second.port}"}}'
            eventually(lambda: server.query(moved) or None, "Prometheus has seen it there")
            survivor = missed(server)
            assert survivor is not None
            assert (survivor["state"], survivor["activeAt"]) == ("pending", pending["activeAt"])

            (alert,) = eventually(lambda: receiver.alerts("SellerTargetMissed") or None, "the seller is told of", 30)
            assert (
                "order defect ratio 1.5%, 3 of 200 orders; it must be below 1%." in alert["annotations"]["description"]
            )

            second.kill()
            eventually(
                lambda: receiver.states("NoWorker") == ["firing"], "the operators are told that no worker is left"
            )
            gone = 'absent(seller_orders{window="official"})'
            eventually(lambda: server.query(gone) or None, "no seller is shown")
            second.start()
            eventually(lambda: receiver.states("NoWorker")[-1] == "resolved", "a worker is back")
            second.await_ready()
            assert receiver.states("SellerTargetMissed") == ["firing"]

            cluster.produce(claim(number, "withdrawn", "2026-08-25T10:00:00Z") for number in (0, 1))
            eventually(lambda: receiver.states("SellerTargetMissed")[-1] == "resolved", "it is over", 30)
            assert receiver.states("SellerTargetMissed") == ["firing", "resolved"]
            assert server.query('seller:seller_order_defect_ratio:max{window="official"}')[0]["value"][1] == "0.005"
    receiver.close()
