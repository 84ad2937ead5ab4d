"""Sellers in trouble, with volume enough: one misses every target there is, another is about to miss the first one."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from tests.recount import InputEvent

SELLER: Final = "ALL-MISSED"
COMING: Final = "ABOUT-TO-MISS"
MARKETPLACE: Final = "A1PA6795UKMFR9"
_ORDERS: Final = 200


def misses(seller: str = SELLER) -> Iterator[InputEvent]:
    """Yield orders with their packages, messages and violations; one in five of each goes wrong, or more."""
    for number in range(_ORDERS):
        yield from _shipped(seller, number, wrong=number % 5 == 0)
        yield from _placed(seller, number, wrong=number % 5 == 0)
        yield _message(seller, number, wrong=number % 5 == 0)
    for number, (category, severity) in enumerate([("product_safety", "critical"), ("listing", "high")]):
        yield _violation(seller, number, category, severity)


def about_to_miss() -> Iterator[InputEvent]:
    """Yield orders of a seller whose official rate is good, with one defect, and whose rate of the last days is not."""
    for number in range(305):
        order_id = {"order_id": f"coming-{number}"}
        order = {**order_id, "purchase_date": _ago(days=5 if number < 5 else 40)}
        yield "orders", _event(COMING, **order, channel="MFN", status="Shipped")
        if number <= 5:
            claim = {"claim_id": f"C-{number}", **order_id, "status": "pending"}
            yield "claim-statuses", _event(COMING, **claim)
        if number == 0:
            yield "feedback", _event(COMING, event_id="feedback", **order_id, rating=1, status="posted")
            chargeback = {"chargeback_id": "B", **order_id, "kind": "service", "status": "open"}
            yield "chargebacks", _event(COMING, **chargeback)


def _shipped(seller: str, number: int, *, wrong: bool) -> Iterator[InputEvent]:
    """Yield an order of the official window, with its feedback and its package.

    If something is wrong, there are a claim and a chargeback too, and the package is late, not scanned, not in time.
    """
    placed, confirmed, promised = _ago(days=20), _ago(days=5), _ago(days=14)
    order = {"order_id": f"shipped-{number}", "channel": "MFN", "status": "Shipped", "purchase_date": placed}
    yield "orders", _event(seller, **order, latest_ship_date=_ago(days=6 if wrong else 4))
    rated = {"order_id": f"shipped-{number}", "rating": 1 if wrong else 5, "status": "posted"}
    yield "feedback", _event(seller, event_id=f"feedback-{number}", **rated)
    if wrong:
        claim = {"claim_id": f"C-{number}", "order_id": f"shipped-{number}", "status": "pending"}
        yield "claim-statuses", _event(seller, **claim)
        chargeback = {"chargeback_id": f"B-{number}", "order_id": f"shipped-{number}", "kind": "service"}
        yield "chargebacks", _event(seller, **chargeback, status="open")
    scanned = {} if wrong else {"first_scan_at": confirmed}
    delivered = {"delivered_at": _ago(days=1 if number % 5 == 1 else 16)}
    package = {"shipment_id": f"P-{number}", "order_id": f"shipped-{number}", "confirmed_at": confirmed}
    yield "shipments", _event(seller, **package, promised_by=promised, **scanned, **delivered)


def _placed(seller: str, number: int, *, wrong: bool) -> Iterator[InputEvent]:
    """Yield an order of this week, cancelled by the seller if something is wrong."""
    order = {"order_id": f"placed-{number}", "channel": "MFN", "purchase_date": _ago(days=3)}
    cancelled = {"status": "Canceled", "cancelled_by": "seller", "cancel_reason": "out_of_stock"}
    yield "orders", _event(seller, **order, **(cancelled if wrong else {"status": "Unshipped"}))


def _message(seller: str, number: int, *, wrong: bool) -> InputEvent:
    answered = {} if wrong else {"answered_at": _ago(days=3.9)}
    return "messages", _event(seller, message_id=f"M-{number}", received_at=_ago(days=4), **answered)


def _violation(seller: str, number: int, category: str, severity: str) -> InputEvent:
    told = {"violation_id": f"V-{number}", "category": category, "severity": severity, "status": "open"}
    return "violations", _event(seller, **told, detected_at=_ago(days=12))


def _event(seller: str, **fields: Any) -> dict[str, Any]:
    name = next(iter(fields.values()))
    about = {"event_id": str(name), "event_time": _ago(days=1), "seller_id": seller, "marketplace_id": MARKETPLACE}
    return {**about, **fields}


def _ago(days: float) -> str:
    return (datetime.now(UTC) - timedelta(days=days)).isoformat()
