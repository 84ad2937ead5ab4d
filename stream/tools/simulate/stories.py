"""What may become of an order, its packages and what is said of it: tables of stories.

A story is the versions of one thing, oldest first, each with how long after the one before it comes and which fields it
changes. Where a table holds several stories, each is as likely as the others: a likelier one is there more often.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Final, NamedTuple, TypeAlias

from stream.events import Channel
from stream.topics import CHARGEBACKS, CLAIM_STATUSES, FEEDBACK, MESSAGES, ORDERS, SHIPMENTS, VIOLATIONS

Fields: TypeAlias = dict[str, object]
"""The JSON object of one version."""
Make: TypeAlias = Callable[[Fields, datetime], object]
"""What makes the value of a field from those before it, and the event time."""

NOTHING_MADE: Final[Mapping[str, Make]] = MappingProxyType({})


class Chapter(NamedTuple):
    """One version of a thing: it comes `low` to `high` days after the one before, mostly nearer `low`.

    `changes` are fields that are the same for all, `made` those that depend on the thing or the moment; `packages` is
    how many of an order leave with it.
    """

    low: float
    high: float
    changes: Mapping[str, object]
    made: Mapping[str, Make] = NOTHING_MADE
    packages: int = 0


Story: TypeAlias = tuple[Chapter, ...]
Table: TypeAlias = tuple[Story, ...]


def _chapter(low: float, high: float, **changes: object) -> Chapter:
    return Chapter(low, high, changes)


def _moment(_: Fields, event_time: datetime) -> datetime:
    return event_time


def _at(low: float, high: float, *fields: str, **changes: object) -> Chapter:
    """Return a chapter that puts its own event time into `fields`."""
    return Chapter(low, high, changes, dict.fromkeys(fields, _moment))


# --- Orders: the first chapter is told as the order is placed ---------------------------------------------------------

_UNSHIPPED: Final = _chapter(0, 0, status="Unshipped")
_PENDING: Final = _chapter(0, 0, status="Pending")
_PAID: Final = _chapter(0.01, 1, status="Unshipped")


def _ships(low: float, high: float, packages: int = 1, status: str = "Shipped") -> Chapter:
    return Chapter(low, high, {"status": status}, packages=packages)


_SHIPPED: Final = _ships(0.1, 2.9)
_SHIPPED_SOON: Final = _ships(0.1, 1.4)
_SHIPPED_LATE: Final = _ships(3.1, 7)
_SHIPPED_BY_AMAZON: Final = _ships(0.05, 0.95)

_LAMP: Final = {"sku": "LAMP-01", "quantity": 1}


def _cancelled(low: float, high: float, cancelled_by: str, reason: str) -> Chapter:
    return _chapter(low, high, status="Canceled", cancelled_by=cancelled_by, cancel_reason=reason)


_OUT_OF_STOCK: Final = (_UNSHIPPED, _cancelled(0.2, 5, "seller", "out_of_stock"))
_NOT_SHIPPED: Final = (_UNSHIPPED, _cancelled(4, 9, "amazon", "not_shipped"))

SHIPPED: Final[Mapping[Channel, Table]] = {
    "MFN": (
        *[(_UNSHIPPED, _SHIPPED)] * 23,
        *[(_PENDING, _PAID, _SHIPPED_SOON)] * 8,
        (_UNSHIPPED, _ships(0.1, 2.9, packages=2)),
    ),
    "AFN": (*[(_UNSHIPPED, _SHIPPED_BY_AMAZON)] * 3, (_PENDING, _PAID, _SHIPPED_BY_AMAZON)),
}
"""Orders that leave in time, by channel: whatever is said of them later counts."""

LATE: Final[Table] = (*[(_UNSHIPPED, _SHIPPED_LATE)] * 4, (_PENDING, _PAID, _SHIPPED_LATE))
"""Orders that leave after their latest ship date."""

_PARTLY_CANCELLED: Final[Table] = tuple(
    (
        _chapter(0, 0, status="Unshipped", items=[_LAMP, {"sku": sku, "quantity": 1}]),
        _chapter(0.1, 2, items=[_LAMP, {"sku": sku, "quantity": 1, "cancelled_by": "seller"}]),
        _ships(0.1, 0.9),
    )
    for sku in ("SHADE-02", "SHADE-03")
)

UNFULFILLED: Final[Table] = (
    *[_OUT_OF_STOCK] * 5,
    *_PARTLY_CANCELLED,
    *[_NOT_SHIPPED] * 2,
    (*_NOT_SHIPPED, _chapter(3, 20, excused=True)),
)
"""Orders that their seller fails to ship: cancelled for want of stock, one item of two only, or by Amazon at last."""

PART_BY_PART: Final[Table] = ((_UNSHIPPED, _ships(0.1, 1.4, status="PartiallyShipped"), _SHIPPED_SOON),)

_CANCELLED_BY_OTHERS: Final = (
    *[(_PENDING, _cancelled(0.01, 1, "buyer", "other"))] * 12,
    *[(_UNSHIPPED, _cancelled(0.02, 1, "buyer", "other"))] * 6,
    *[(_PENDING, _cancelled(0.1, 2, "amazon", "payment"))] * 3,
    *[(_UNSHIPPED, _cancelled(0.1, 2, "amazon", "fraud"))] * 2,
)
CANCELLED: Final[Mapping[Channel, Table]] = {
    "MFN": (
        *_CANCELLED_BY_OTHERS,
        *[(_UNSHIPPED, _chapter(0.02, 1, buyer_requested_cancel=True), _cancelled(0.1, 2, "seller", "other"))] * 6,
    ),
    "AFN": _CANCELLED_BY_OTHERS,
}
"""Orders that never leave and are nobody's failure, by channel."""

_PREORDERED: Final = _chapter(0, 0, status="PendingAvailability", latest_ship_date=None, latest_delivery_date=None)
ODD: Final[Table] = (
    (_PREORDERED, _chapter(3, 30, status="Unshipped"), _SHIPPED),
    (_chapter(0, 0, status="InvoiceUnconfirmed"), _chapter(0.1, 2, status="Unshipped"), _ships(0.1, 0.9)),
    (_UNSHIPPED, _chapter(0.5, 3, status="Unfulfillable")),
)
"""What hardly ever happens, and still has to be read."""

# --- Packages: the first chapter comes right after the order's that ships it ------------------------------------------


def _tracking_id(package: Fields, _: datetime) -> object:
    return f"T{package['shipment_id']}".replace("-", "")


_TRACKED: Final = {"tracking_id": _tracking_id, "tracking_confirmed_at": _moment}
_CONFIRMED: Final = Chapter(0, 0.0005, {}, {"confirmed_at": _moment, **_TRACKED})
_CONFIRMED_UNSCANNED: Final = _CONFIRMED._replace(changes={"carrier": "Regional Express"})
_CONFIRMED_UNTRACKED: Final = _at(0, 0.0005, "confirmed_at")
_SCANNED: Final = _at(0.05, 1.5, "first_scan_at")
_DELIVERED: Final = _at(1, 4.5, "delivered_at")
_SCANNED_AT_THE_DOOR: Final = _at(1.5, 5.5, "first_scan_at", "delivered_at")
_DELIVERED_LATE: Final = _at(9.5, 18, "delivered_at")
_EXCUSED: Final = _chapter(2, 15, excused=True)
_ARRIVES: Final = (_CONFIRMED, _SCANNED, _DELIVERED)
_ARRIVES_LATE: Final = (_CONFIRMED, _SCANNED, _DELIVERED_LATE)

ARRIVES: Final[Mapping[Channel, Table]] = {
    "MFN": (
        *[_ARRIVES] * 12,
        *[(_CONFIRMED, _SCANNED_AT_THE_DOOR)] * 3,
        (_CONFIRMED_UNTRACKED, Chapter(0.02, 0.9, {}, _TRACKED), _SCANNED_AT_THE_DOOR._replace(low=1, high=4)),
    ),
    "AFN": ((_CONFIRMED, _at(0.02, 0.4, "first_scan_at"), _at(0.4, 2.5, "delivered_at")),),
}
"""Packages that are tracked and come in time if they left in time, by channel."""

AFTER_LATE: Final[Table] = (*[_ARRIVES] * 15, *[_ARRIVES_LATE] * 4, (*_ARRIVES, _EXCUSED))
"""Packages that left late: most of them make up for it."""

SLOW: Final[Table] = (*[_ARRIVES_LATE] * 6, (_CONFIRMED, _SCANNED), (*_ARRIVES_LATE, _EXCUSED))
"""Packages that come after the promised day, or not at all."""

UNTRACKED: Final[Table] = (
    *[(_CONFIRMED_UNSCANNED, _at(2, 6, "delivered_at"))] * 6,
    (_CONFIRMED_UNSCANNED,),
    (_CONFIRMED_UNTRACKED, _at(1.5, 5.5, "delivered_at")),
    (_CONFIRMED_UNTRACKED, _SCANNED_AT_THE_DOOR, Chapter(0.02, 2, {}, _TRACKED)),
)
"""Packages without a carrier's scan, mostly one carrier's, or whose tracking is given after they were delivered."""

_LOST: Final[Table] = (
    *[(_CONFIRMED, _SCANNED)] * 3,
    (_CONFIRMED,),
    (_CONFIRMED, _SCANNED, _at(12, 30, "delivered_at")),
)
COMPLAINED_OF: Final[Mapping[str, Table]] = {"not_received": _LOST, "late": SLOW}
"""Packages of unhappy buyers, by their reason."""

# --- Messages and violations: the first chapter is told as they come in -----------------------------------------------

_ASKED: Final = _at(0, 0, "received_at", needs_response=True)
_THANKED: Final = _at(0, 0, "received_at", needs_response=False)

ANSWERED: Final[Table] = (
    *[(_ASKED, _at(0.005, 0.95, "answered_at"))] * 12,
    *[(_at(0, 0, "received_at"), _at(0.005, 0.95, "answered_at"))] * 4,
    (_ASKED, _chapter(0.01, 0.9, needs_response=False)),
    *[(_THANKED,)] * 2,
    (_THANKED, _at(0.1, 3, "answered_at")),
)
"""Messages that are answered within a day, or need no answer."""

UNANSWERED: Final[Table] = (*[(_ASKED, _at(1.05, 5, "answered_at"))] * 3, (_ASKED,))
"""Messages that are answered too late, or never."""

AFTER_THE_WEEKEND: Final[Table] = ((_ASKED, _at(1.2, 2.7, "answered_at")),)

_DETECTED: Final = _at(0, 0, "detected_at", status="open")
_RESOLVED: Final = _chapter(2, 14, status="resolved")

VIOLATIONS_COME: Final[Table] = (
    *[(_DETECTED, _RESOLVED)] * 6,
    (_DETECTED, _chapter(10, 60, status="resolved")),
    (_DETECTED, _RESOLVED, _chapter(1, 10, status="open"), _RESOLVED),
    (_DETECTED,),
)
"""What becomes of a violation: most are resolved after some days."""

RESOLVED_SOON: Final[Story] = (_DETECTED, _chapter(9, 12, status="resolved"))
STAYS_OPEN: Final[Story] = (_DETECTED,)

# --- Feedback, claims and chargebacks: the first chapter comes so many days after the purchase ------------------------

_ONE_STAR: Final = _chapter(2, 45, rating=1, status="posted")
_TWO_STARS: Final = _chapter(2, 45, rating=2, status="posted")
_FILED: Final = _chapter(4, 90, status="pending")
_GRANTED: Final = _chapter(3, 20, status="granted", funded_by="seller")
_DISPUTED: Final = _chapter(15, 120, kind="service", status="open")
_DISPUTED_UNNAMED: Final = _chapter(15, 120, kind="unknown", status="open")

STANDING: Final[Mapping[str, Table]] = {
    FEEDBACK: (
        *[(_ONE_STAR,)] * 5,
        *[(_TWO_STARS,)] * 3,
        (_TWO_STARS, _chapter(1, 20, rating=1)),
        (_chapter(2, 20, rating=4, status="posted"), _chapter(1, 25, rating=1)),
    ),
    CLAIM_STATUSES: (
        *[(_FILED, _GRANTED)] * 4,
        (_FILED, _chapter(5, 25, status="granted")),
        *[(_FILED, _chapter(1, 10, status="seller_refunded"))] * 2,
        (_FILED, _chapter(2, 10), _chapter(5, 20, status="granted", funded_by="seller")),
        (_FILED, _chapter(3, 15, status="denied"), _chapter(2, 14, status="pending"), _GRANTED),
        (_FILED, _chapter(3, 15, status="granted", funded_by="amazon"), _chapter(5, 30, odr_impact="counts")),
    ),
    CHARGEBACKS: (
        *[(_DISPUTED, _chapter(10, 45, status="upheld"))] * 3,
        (_DISPUTED,),
        (_DISPUTED_UNNAMED, _chapter(10, 45, status="upheld")),
    ),
}
"""Defects that count in the end, by topic."""

APPEALS: Final[Table] = (
    *[(_FILED, _GRANTED, _chapter(8, 30, odr_impact="does_not_count"))] * 2,
    (_FILED, _GRANTED, _chapter(3, 14, status="pending"), _chapter(5, 25, status="denied")),
    (_FILED, _GRANTED, _chapter(8, 30, funded_by="amazon")),
)
"""Claims that the buyer wins first, and the seller weeks later."""

REVERSED: Final[Mapping[str, Table]] = {
    FEEDBACK: (
        *[(_ONE_STAR, _chapter(2, 30, status="removed"))] * 2,
        (_TWO_STARS, _chapter(1, 20, status="struck_through")),
        (_ONE_STAR, _chapter(3, 30, rating=4)),
        (_TWO_STARS, _chapter(3, 30, rating=5)),
    ),
    CLAIM_STATUSES: (
        *[(_FILED, _chapter(1, 25, status="withdrawn"))] * 3,
        *[(_FILED, _chapter(3, 20, status="denied"))] * 3,
        *[(_FILED, _chapter(3, 20, status="granted", funded_by="amazon"))] * 2,
        *APPEALS,
    ),
    CHARGEBACKS: ((_DISPUTED, _chapter(10, 60, status="reversed")),),
}
"""Defects that count for a while and are taken back, by topic."""

CANCELLED_AFTER_CLAIM: Final[tuple[Story, Story]] = (
    (_UNSHIPPED, _cancelled(12, 30, "seller", "out_of_stock")),
    (_chapter(5, 12, status="pending"), _chapter(20, 25, status="order_cancelled")),
)
"""An order that never left, and the claim that its buyer filed for it."""

CONTENT: Final[Table] = tuple(
    (_chapter(2, 45, rating=rating, status="posted"),) for rating in (5, 5, 5, 5, 5, 5, 5, 4, 4, 3)
)
"""Feedback of buyers who have nothing much to complain of."""

STOLEN_CARD: Final[Story] = (_chapter(15, 120, kind="fraud", status="open"), _chapter(10, 45, status="upheld"))
"""A chargeback that never counts."""

# --- What may happen to a thing at any moment, once the market is live ------------------------------------------------

MENDED: Final[Mapping[str, tuple[Fields, ...]]] = {
    FEEDBACK: ({"status": "removed"}, {"status": "struck_through"}, {"rating": 4}, {"rating": 5}),
    CLAIM_STATUSES: (
        {"status": "withdrawn", "odr_impact": None},
        {"status": "denied", "odr_impact": None},
        {"status": "granted", "funded_by": "amazon", "odr_impact": None},
        {"status": "granted", "funded_by": "seller", "odr_impact": "does_not_count"},
    ),
    CHARGEBACKS: ({"status": "reversed"},),
}
"""Ways in which a defect that counts ceases to, by topic."""

REOPENED: Final[Mapping[str, Fields]] = {
    FEEDBACK: {"status": "posted", "rating": 1},
    CLAIM_STATUSES: {"status": "pending", "odr_impact": None},
    CHARGEBACKS: {"kind": "service", "status": "open"},
}
"""How a defect that was taken back comes to count again, by topic."""

FORGIVEN: Final[Mapping[str, Fields]] = {
    ORDERS: {"excused": True},
    SHIPMENTS: {"excused": True},
    MESSAGES: {"needs_response": False},
    VIOLATIONS: {"status": "resolved"},
}
"""How a lapse (a cancellation, a package late or untracked, a message unanswered, a violation) ceases to count."""

REMEMBERED: Final[Mapping[str, Fields]] = {
    ORDERS: {"excused": False},
    SHIPMENTS: {"excused": False},
    MESSAGES: {"needs_response": True},
    VIOLATIONS: {"status": "open"},
}
"""How a lapse that was forgiven comes to count again, by topic."""


def is_forgiven(topic: str, fields: Fields) -> bool:
    """Whether a lapse that nothing more is to be told of has ceased to count."""
    return fields.items() >= FORGIVEN[topic].items()


def counts(topic: str, fields: Mapping[str, object]) -> bool:
    """Whether a feedback, claim or chargeback counts as a defect (rules.md, "Order Defect Rate", default switches)."""
    status = fields.get("status")
    if topic == FEEDBACK:
        return status == "posted" and fields["rating"] in (1, 2)
    if topic == CHARGEBACKS:
        return status in ("open", "upheld") and fields["kind"] != "fraud"
    impact = fields.get("odr_impact")
    if impact is not None:
        return impact == "counts"
    return status in ("pending", "seller_refunded") or (status == "granted" and fields.get("funded_by") != "amazon")


# --- Words ------------------------------------------------------------------------------------------------------------

REASONS: Final = ("not_received", "late", "wrong_item", "not_as_described", "damaged_or_defective", "other")

COMPLAINTS: Final[Mapping[str, str]] = {
    "not_received": "Never arrived, and nobody answers.",
    "late": "Should have been here long ago.",
    "wrong_item": "Not what I ordered.",
    "not_as_described": "The picture shows something else.",
    "damaged_or_defective": "Broken out of the box.",
    "other": "Falsche Rechnung, und dann Schweigen: nie wieder für mich.",
}
CARRIERS: Final = (("UPS", "USPS", "FedEx"), ("DHL", "DPD", "Hermes"))
"""In the United States, and in Germany."""

OFFENCES: Final = (
    ("listing_policy_violations", "low"),
    ("listing_policy_violations", "medium"),
    ("suspected_intellectual_property_violations", "medium"),
    ("received_intellectual_property_complaints", "high"),
    ("product_condition_customer_complaints", "medium"),
    ("product_authenticity_customer_complaints", "high"),
    ("restricted_product_policy_violations", "critical"),
)
"""Categories of violations, as Amazon's account health report has them, and how grave they are."""

PRAISE: Final = ("Fast, and well packed.", "As described.", "Alles bestens, gerne wieder – schöne Qualität!", "", None)
