"""What may become of an order, a feedback, a claim or a chargeback: tables of stories.

A story is the versions of one thing, oldest first, each with how long after the one before it comes and which fields it
changes. Where a table holds several stories, each is as likely as the others: a likelier one is there more often.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple, TypeAlias

from stream.events import Channel
from stream.topics import CHARGEBACKS, CLAIM_STATUSES, FEEDBACK

Fields: TypeAlias = dict[str, object]
"""The JSON object of one version."""


class Chapter(NamedTuple):
    """One version of a thing: it comes `low` to `high` days after the one before, mostly nearer `low`."""

    low: float
    high: float
    changes: Mapping[str, object]


Story: TypeAlias = tuple[Chapter, ...]
Table: TypeAlias = tuple[Story, ...]


def _chapter(low: float, high: float, **changes: object) -> Chapter:
    return Chapter(low, high, changes)


# --- Orders: the first chapter is told as the order is placed ---------------------------------------------------------

_UNSHIPPED: Final = _chapter(0, 0, status="Unshipped")
_PENDING: Final = _chapter(0, 0, status="Pending")
_PAID: Final = _chapter(0.01, 1, status="Unshipped")
_SHIPPED: Final = _chapter(0.1, 4, status="Shipped")


_LAMP: Final = {"sku": "LAMP-01", "quantity": 1}


def _cancelled(low: float, high: float, cancelled_by: str, reason: str) -> Chapter:
    return _chapter(low, high, status="Canceled", cancelled_by=cancelled_by, cancel_reason=reason)


_SHIPS: Final = (_UNSHIPPED, _SHIPPED)
_PAID_LATER: Final = (_PENDING, _PAID, _SHIPPED)
_OUT_OF_STOCK: Final = (_UNSHIPPED, _cancelled(0.2, 5, "seller", "out_of_stock"))
_NOT_SHIPPED: Final = (_UNSHIPPED, _cancelled(4, 9, "amazon", "not_shipped"))

SHIPPED: Final[Table] = (*[_SHIPS] * 3, _PAID_LATER)
"""Orders that reach their buyer: whatever is said of them later counts."""

PARTLY_CANCELLED: Final[Table] = tuple(
    (
        _chapter(0, 0, status="Unshipped", items=[_LAMP, {"sku": sku, "quantity": 1}]),
        _chapter(0.1, 2, items=[_LAMP, {"sku": sku, "quantity": 1, "cancelled_by": "seller"}]),
        _SHIPPED,
    )
    for sku in ("SHADE-02", "SHADE-03")
)
"""Orders of two items of which the seller cancels one."""

PART_BY_PART: Final[Story] = (_UNSHIPPED, _chapter(0.1, 3, status="PartiallyShipped"), _SHIPPED)

_CANCELLED_BY_OTHERS: Final = (
    *[(_PENDING, _cancelled(0.01, 1, "buyer", "other"))] * 12,
    *[(_UNSHIPPED, _cancelled(0.02, 1, "buyer", "other"))] * 6,
    *[(_PENDING, _cancelled(0.1, 2, "amazon", "payment"))] * 3,
    *[(_UNSHIPPED, _cancelled(0.1, 2, "amazon", "fraud"))] * 2,
)
CANCELLED: Final[Mapping[Channel, Table]] = {
    "MFN": (
        *_CANCELLED_BY_OTHERS,
        *[_OUT_OF_STOCK] * 8,
        *[(_UNSHIPPED, _chapter(0.02, 1, buyer_requested_cancel=True), _cancelled(0.1, 2, "seller", "other"))] * 6,
        *[_NOT_SHIPPED] * 4,
        (*_NOT_SHIPPED, _chapter(3, 20, excused=True)),
    ),
    "AFN": _CANCELLED_BY_OTHERS,
}
"""Orders that never leave, by channel: the seller cancels only what it would have shipped itself."""

ODD: Final[Table] = (
    (_chapter(0, 0, status="PendingAvailability"), _chapter(3, 30, status="Unshipped"), _SHIPPED),
    (_chapter(0, 0, status="InvoiceUnconfirmed"), _chapter(0.1, 2, status="Unshipped"), _SHIPPED),
    (_UNSHIPPED, _chapter(0.5, 3, status="Unfulfillable")),
)
"""What hardly ever happens, and still has to be read."""

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
    "late": "Came two weeks late.",
    "wrong_item": "Not what I ordered.",
    "not_as_described": "The picture shows something else.",
    "damaged_or_defective": "Broken out of the box.",
    "other": "Falsche Rechnung, und dann Schweigen: nie wieder für mich.",
}
PRAISE: Final = ("Fast, and well packed.", "As described.", "Alles bestens, gerne wieder – schöne Qualität!", "", None)
