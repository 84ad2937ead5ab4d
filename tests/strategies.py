"""Histories of input events for property tests: small, crowded worlds in which things collide.

Few ids, few moments and order dates at the edges of the windows, so that versions, moves, duplicates and late arrivals
meet each other often. Every event is valid; `DAY` is the day around which everything happens.

`histories` are of the four topics that the Order Defect Rate is made of, `whole_histories` of all seven.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from fractions import Fraction
from functools import cache
from itertools import product
from types import MappingProxyType
from typing import Any

from hypothesis import strategies as st

from tests.recount import InputEvent, Settings, Switches, Thing, instant, thing_of

DAY = date(2026, 11, 3)

# The second seller's id holds what labels, keys and paths have to escape.
SELLERS = ("A2SELLER", 'Ö/2 "x"\\\n{a="b",} %')
MARKETPLACES = ("ATVPDKIKX0DER", "A1PA6795UKMFR9", "A1VC38T7YXB528")
CHANNELS = ("MFN", "AFN")
ORDER_IDS = ("903-1", "903-2", "903-3")

# The US and India have targets of their own, the US a window too.
WHOLE_MARKETPLACES = ("ATVPDKIKX0DER", "A21TJRUUN4KGV", "A1PA6795UKMFR9")

# The first two change their clocks between DAY's windows' first days and DAY.
ZONES = MappingProxyType(
    {
        "ATVPDKIKX0DER": "America/Los_Angeles",
        "A1PA6795UKMFR9": "Europe/Berlin",
        "A1VC38T7YXB528": "Asia/Tokyo",
        "A21TJRUUN4KGV": "Asia/Kolkata",
    }
)

# By code points: "E2", "e10", "e2", the fullwidth tilde, the emoji; UTF-16 has the last two swapped.
EVENT_IDS = ("e2", "e10", "E2", "\uff5e", "\U0001f600")

OFFSETS = ("Z", "+00:00", "-00:00", "+01:00", "+09:00", "-08:00", "+05:30", "-11:30", "+14:00")
# Within one second: several texts for one moment, digits that must be cut, and some that rounding would carry over.
FRACTIONS = ("", ".000000999", ".123456", ".1234564", ".123456789", ".123457", ".500", ".999999999")
# Few enough for two versions of a thing to have one event time now and then.
EVENT_MOMENTS = (timedelta(days=-1, hours=12), timedelta(days=-1, hours=12, seconds=1), timedelta(days=-20))
# Midnights of UTC, Los Angeles (07:00, 08:00), Tokyo (15:00) and Berlin (22:00, 23:00), and the second before.
CLOCKS = ("00:00:00", "23:59:59", "07:00:00", "07:59:59", "08:00:00", "14:59:59", "15:00:00", "22:00:00", "22:59:59")

# Days from DAY: the edges of both windows on DAY, one day to each side, and some in between.
EDGES = (-76, -75, -74, -73, -61, -60, -59, -58, -30, -16, -15, -14, -13, -1, 0, 1, 2)
EVALUATION_EDGES = (0, 0, 0, 1, -1, 13, 14, 15, 16, 58, 59, 60, 61, 73, 74, 75, 76, -15, -59)

REASONS = ("not_received", "late", "wrong_item", "not_as_described", "damaged_or_defective", "other")
Fields = dict[str, Any]
ABSENT = object()


def fields(**choices: Sequence[Any]) -> tuple[Fields, ...]:
    """Return every combination of the fields' values; `ABSENT` leaves the field out."""
    return tuple(
        {name: value for name, value in zip(choices, values, strict=True) if value is not ABSENT}
        for values in product(*choices.values())
    )


ORDER_STATES = (
    *fields(status=("Unshipped", "Shipped", "PartiallyShipped", "InvoiceUnconfirmed", "Unfulfillable")),
    *fields(status=("Pending", "PendingAvailability"), cancelled_by=(ABSENT, None, "seller")),
    *fields(
        status=("Canceled",),
        cancelled_by=(ABSENT, None, "buyer", "seller", "amazon"),
        buyer_requested_cancel=(ABSENT, None, True, False),
        cancel_reason=(ABSENT, "not_shipped", "other"),
    ),
    {"status": "Shipped", "cancelled_by": "buyer", "buyer_requested_cancel": True},  # no cancellation: it was shipped
    {"status": "Shipped", "items": [{"sku": "S-1", "quantity": 1, "cancelled_by": "buyer"}]},
    {"status": "Unshipped", "items": [{"sku": "S-1", "quantity": 2}], "excused": True, "not_a_field": [{}]},
)
# Half of the orders are plainly there, so that defects have something to count against.
ORDER_STATE = st.one_of(st.sampled_from(ORDER_STATES[:5]), st.sampled_from(ORDER_STATES))

FEEDBACK_STATES = (
    *fields(rating=(1, 2, 3, 4, 5), status=("posted", "removed", "struck_through")),
    *3 * fields(rating=(1, 2, 3, 4), status=("posted",)),
)
CLAIM_STATES = (
    *fields(
        status=("pending", "granted", "seller_refunded", "order_cancelled", "denied", "withdrawn"),
        odr_impact=(ABSENT, None, "counts", "does_not_count"),
    ),
    *3 * fields(status=("granted",), funded_by=("amazon",)),
    *fields(status=("granted",), funded_by=("amazon", "seller", None), odr_impact=("counts", "does_not_count")),
    *fields(status=("seller_refunded", "denied"), funded_by=("amazon", "seller")),  # says nothing here
)
CHARGEBACK_STATES = fields(kind=("service", "fraud", "unknown"), status=("open", "upheld", "reversed"))
EXTRAS = ({}, {}, *fields(reason=(None, *REASONS)))
COMMENTS = (*EXTRAS, {"comment": ""}, {"comment": "never came \U0001f4e6"})


# --- The rest of account health ---------------------------------------------------------------------------------------

ODR_TOPICS = ("orders", "orders", "feedback", "claim-statuses", "chargebacks")
TOPICS = ("orders", "feedback", "claim-statuses", "chargebacks", "shipments", "messages", "violations")
TOPICS_AS_OFTEN = (*TOPICS, "orders", "shipments", "orders", "shipments", "messages")

# Days from DAY: the first and last days of the windows on DAY that these days are counted in, and the days beyond.
PURCHASE_EDGES = (-74, -59, -15, -14, -8, -7, -7, -4, -2, -1, -1, 0)
CONFIRMATION_EDGES = (-30, -29, -29, -20, -10, -9, -9, -1, 0, 0, 1)
PROMISE_EDGES = (-40, -39, -39, -22, -21, -21, -15, -11, -10, -10, -9, -8, -7, 3)
RECEIPT_EDGES = (-92, -91, -32, -31, -9, -8, -8, -5, -3, -2, -2, -1, 0)
DETECTION_EDGES = (-180, -179, -60, 0, 1)
FEEDBACK_EDGES = (-90, -89, -30, -29, -29, -5, -1)
YEAR_EDGES = (-365, -364)

# Midnights of UTC, Los Angeles (07:00, 08:00), India (18:30) and Berlin (22:00, 23:00), and the second before.
WHOLE_CLOCKS = ("00:00:00", "12:00:00", "23:59:59", "07:00:00", "07:59:59", "18:29:59", "18:30:00", "22:59:59")
WHOLE_OFFSETS = ("Z", "Z", "-08:00", "+05:30", "+14:00")
MICROSECOND, HOUR, ONE_DAY = timedelta(microseconds=1), timedelta(hours=1), timedelta(days=1)

WHOLE_ORDER_STATES = fields(
    status=("Canceled", "Canceled", "Shipped", "Unshipped", "Pending"),
    cancelled_by=(ABSENT, "seller", "amazon", "buyer"),
    cancel_reason=(ABSENT, "not_shipped", "other"),
    buyer_requested_cancel=(ABSENT, False, True),
    excused=(ABSENT, None, False, True),
    items=(
        ABSENT,
        [],
        [{"sku": "S-1", "quantity": 1}, {"sku": "S-2", "quantity": 3, "cancelled_by": "seller"}],
        [{"sku": "S-1", "quantity": 1, "cancelled_by": "buyer"}, {"sku": "S-1", "quantity": 1, "cancelled_by": None}],
    ),
)
# Half of them are plainly cancelled, so that packages, excuses and days decide.
WHOLE_ORDER_STATE = st.one_of(
    st.sampled_from(
        fields(status=("Canceled",), cancelled_by=("seller", "seller", "amazon"), cancel_reason=("not_shipped",))
    ),
    st.sampled_from(fields(status=("Shipped", "Unshipped"))),
    st.sampled_from(WHOLE_ORDER_STATES),
    st.sampled_from(WHOLE_ORDER_STATES),
)
PACKAGE_EXTRAS = fields(
    excused=(ABSENT, ABSENT, None, False, True), carrier=(ABSENT, "UPS"), tracking_id=(ABSENT, "1Z")
)
DELIVERIES = (None, -ONE_DAY, timedelta(), HOUR, 9 * HOUR, ONE_DAY - MICROSECOND, ONE_DAY)
TRACKING_GIVEN = (None, -HOUR, -HOUR, timedelta(), MICROSECOND)
ANSWERS = (None, -HOUR, timedelta(), HOUR, ONE_DAY, ONE_DAY, ONE_DAY + MICROSECOND, ONE_DAY + HOUR, 5 * ONE_DAY)
NEEDS: tuple[Fields, ...] = ({}, {}, {"needs_response": True}, {"needs_response": False})
VIOLATION_STATES = fields(
    category=("listing", 'safety {of="x"}\\\n'),
    severity=("low", "medium", "high", "critical"),
    status=("open", "open", "resolved"),
)


def shifted(text: str | None, by: timedelta | None) -> str | None:
    """Return a text that names a moment so much later, in UTC; None where either is."""
    return None if text is None or by is None else f"{instant(text) + by:%Y-%m-%dT%H:%M:%S.%fZ}"


@st.composite
def moments(draw: st.DrawFn, day: date, edges: Sequence[int]) -> str:
    """RFC 3339 texts around the midnights of these days, counted from `day`."""
    edge, clock = draw(st.sampled_from(edges)), draw(st.sampled_from(WHOLE_CLOCKS))
    return f"{day + timedelta(days=edge)}T{clock}{draw(st.sampled_from(WHOLE_OFFSETS))}"


def confirmations(day: date) -> st.SearchStrategy[str]:
    """Moments at which packages are confirmed, and before which they ought to be: often the same few."""
    noon = f"{day - 5 * ONE_DAY}T12:00:00"
    few = st.sampled_from((f"{noon}Z", f"{noon}.000001Z", f"{noon}+00:00", f"{day - 6 * ONE_DAY}T22:00:00-14:00"))
    return few | moments(day, CONFIRMATION_EDGES)


@st.composite
def tracking_states(draw: st.DrawFn, day: date) -> Fields:
    """What may be known of a package's way: promised, delivered around then, its tracking given around that."""
    promised = draw(st.sampled_from((True, True, True, False))) and draw(moments(day, PROMISE_EDGES))
    delivered = shifted(promised or f"{day}T00:00:00Z", draw(st.sampled_from(DELIVERIES)))
    given = shifted(delivered or promised or None, draw(st.sampled_from(TRACKING_GIVEN)))
    scanned = draw(st.sampled_from((True, True, True, False))) and f"{day - 30 * ONE_DAY}T00:00:00Z"
    ways = {
        "promised_by": promised or None,
        "delivered_at": delivered,
        "tracking_confirmed_at": given,
        "first_scan_at": scanned or None,
    }
    return {name: moment for name, moment in ways.items() if moment is not None or draw(st.booleans())}


@st.composite
def message_states(draw: st.DrawFn, day: date, edges: Sequence[int]) -> Fields:
    """Messages that are answered before they are received, just in time, just too late, late or never."""
    received, needs = draw(moments(day, edges)), draw(st.sampled_from(NEEDS))
    return {"received_at": received, "answered_at": shifted(received, draw(st.sampled_from(ANSWERS))), **needs}


@cache
def event_times(day: date) -> tuple[str, ...]:
    """RFC 3339 texts of few moments before `day`, in many spellings."""
    midnight = datetime.combine(day, time(), UTC)
    texts = []
    for moment, fraction, offset in product(EVENT_MOMENTS, FRACTIONS, OFFSETS):
        local = (midnight + moment).astimezone(datetime.fromisoformat(f"{day}T00:00:00{offset}").tzinfo)
        texts.append(f"{local:%Y-%m-%dT%H:%M:%S}{fraction}{offset}")
    return tuple(texts)


@cache
def purchase_dates(day: date) -> tuple[str, ...]:
    """RFC 3339 texts on both sides of the windows' edges on `day`."""
    return tuple(
        f"{day + timedelta(days=edge)}T{clock}{fraction}{offset}"
        for edge, clock, fraction, offset in product(EDGES, CLOCKS, ("", ".999999999"), OFFSETS)
    )


@st.composite
def events(
    draw: st.DrawFn,
    *,
    day: date = DAY,
    sellers: Sequence[str] = SELLERS,
    marketplaces: Sequence[str] = MARKETPLACES,
    order_ids: Sequence[str] = ORDER_IDS,
    topics: Sequence[str] = ODR_TOPICS,
) -> InputEvent:
    """Valid events of the four topics of ODR, as `(topic, value)`; every event time is before `day` begins in UTC.

    The first seller and the first order are met most often. Of other topics: what their events share with these.
    """
    topic = draw(st.sampled_from(topics))
    order_id = draw(st.sampled_from((order_ids[0], *order_ids)))
    value: Fields = {
        "event_id": draw(st.sampled_from(EVENT_IDS)),
        "event_time": draw(st.sampled_from(event_times(day))),
        "seller_id": draw(st.sampled_from((sellers[0], *sellers))),
        # What a defect says of its marketplace means nothing: the order's is what counts.
        "marketplace_id": draw(st.sampled_from(marketplaces)),
        "order_id": order_id,
    }
    if topic == "orders":
        value |= draw(ORDER_STATE)
        value["channel"] = draw(st.sampled_from(CHANNELS))
        value["purchase_date"] = draw(st.sampled_from(purchase_dates(day)))
    elif topic == "feedback":
        value |= draw(st.sampled_from(FEEDBACK_STATES)) | draw(st.sampled_from(COMMENTS))
        value |= draw(st.sampled_from(fields(feedback_id=(ABSENT, order_id, None, "X-1"))))
    elif topic == "claim-statuses":
        value |= draw(st.sampled_from(CLAIM_STATES)) | draw(st.sampled_from(EXTRAS))
        value["claim_id"] = draw(st.sampled_from(("X-1", "X-2")))
    elif topic == "chargebacks":
        value |= draw(st.sampled_from(CHARGEBACK_STATES)) | draw(st.sampled_from(EXTRAS))
        value["chargeback_id"] = draw(st.sampled_from(("X-1", "X-2")))
    return topic, value


def with_own_versions(drawn: Sequence[InputEvent]) -> list[InputEvent]:
    """Return the events, each version of a thing under an event id of its own where two have the same time."""
    taken: dict[tuple[Thing, object, str], Mapping[str, Any]] = {}
    told_apart: list[InputEvent] = []
    for topic, value in drawn:
        thing, moment, event_id, twin = thing_of(topic, value), instant(value["event_time"]), value["event_id"], 1
        while taken.get((thing, moment, event_id), value) != value:
            twin += 1
            event_id = f"{value['event_id']}~{twin}"
        taken[thing, moment, event_id] = value
        told_apart.append((topic, {**value, "event_id": event_id}))
    return told_apart


@st.composite
def histories(
    draw: st.DrawFn,
    *,
    min_size: int = 0,
    max_size: int = 24,
    day: date = DAY,
    sellers: Sequence[str] = SELLERS,
    marketplaces: Sequence[str] = MARKETPLACES,
    order_ids: Sequence[str] = ORDER_IDS,
) -> list[InputEvent]:
    """Events in the order in which they arrive, which is not that of their event times, some of them more than once.

    `min_size` and `max_size` count the events before a few are redelivered.
    """
    event = events(day=day, sellers=sellers, marketplaces=marketplaces, order_ids=order_ids)
    return draw(arrived(event, min_size, max_size))


@st.composite
def whole_events(
    draw: st.DrawFn,
    *,
    day: date = DAY,
    sellers: Sequence[str] = SELLERS,
    marketplaces: Sequence[str] = WHOLE_MARKETPLACES,
    order_ids: Sequence[str] = ORDER_IDS,
    topics: Sequence[str] = TOPICS,
    retention_days: int | None = None,
) -> InputEvent:
    """Valid events of any topics, with all the fields that account health is made of.

    Nothing is dated more than 182 days before `day`: on `day` and for 18 days after it all of it is kept. If
    `retention_days` is given, orders, messages and violations are also dated around the oldest day that is kept on
    `day`, which must then be held still; where it is 400 or more, feedback may be a year old.
    """
    topic = draw(st.sampled_from([topic for topic in TOPICS_AS_OFTEN if topic in topics]))
    common = events(
        day=day,
        sellers=(sellers[0], *sellers),
        marketplaces=(marketplaces[0], *marketplaces),
        order_ids=order_ids,
        topics=(topic,),
    )
    value: Fields = dict(draw(common)[1])
    oldest = () if retention_days is None else (-retention_days - 1, -retention_days, 1 - retention_days)
    if topic == "orders":
        value |= draw(WHOLE_ORDER_STATE) | {"channel": draw(st.sampled_from(("MFN", "MFN", "MFN", "AFN")))}
        value["purchase_date"] = draw(moments(day, PURCHASE_EDGES + oldest))
        value["latest_ship_date"] = draw(st.none() | confirmations(day))
    elif topic == "feedback":
        a_year = YEAR_EDGES if retention_days is not None and retention_days >= 400 else ()
        value["event_time"] = draw(moments(day, FEEDBACK_EDGES + a_year))
    elif topic == "shipments":
        value |= {"shipment_id": draw(st.sampled_from(("P-1", "P-2", "P-3"))), "confirmed_at": draw(confirmations(day))}
        value |= draw(tracking_states(day)) | draw(st.sampled_from(PACKAGE_EXTRAS))
    elif topic == "messages":
        value |= draw(message_states(day, RECEIPT_EDGES + oldest))
        value["order_id"] = draw(st.sampled_from((value["order_id"], None)))
        value["message_id"] = draw(st.sampled_from(("M-1", "M-2", "M-3", "M-4")))
    elif topic == "violations":
        value |= draw(st.sampled_from(VIOLATION_STATES))
        value["detected_at"] = draw(moments(day, DETECTION_EDGES + oldest))
        value["violation_id"] = draw(st.sampled_from(("V-1", "V-2", "V-3")))
    return topic, value


@st.composite
def whole_histories(
    draw: st.DrawFn,
    *,
    min_size: int = 0,
    max_size: int = 32,
    day: date = DAY,
    sellers: Sequence[str] = SELLERS,
    marketplaces: Sequence[str] = WHOLE_MARKETPLACES,
    order_ids: Sequence[str] = ORDER_IDS,
    topics: Sequence[str] = TOPICS,
    retention_days: int | None = None,
) -> list[InputEvent]:
    """As `histories`, of events as `whole_events` draws them."""
    event = whole_events(
        day=day,
        sellers=sellers,
        marketplaces=marketplaces,
        order_ids=order_ids,
        topics=topics,
        retention_days=retention_days,
    )
    return draw(arrived(event, min_size, max_size))


@st.composite
def arrived(draw: st.DrawFn, event: st.SearchStrategy[InputEvent], min_size: int, max_size: int) -> list[InputEvent]:
    """Some events as they arrive, a few of them once more."""
    # Hypothesis keeps lists short: without a floor, most histories would be over before two things meet.
    floor = draw(st.sampled_from((0, max_size // 4, max_size // 2)))
    drawn = with_own_versions(draw(st.lists(event, min_size=max(min_size, floor), max_size=max_size)))
    if not drawn:
        return []
    for place, again in draw(st.lists(st.tuples(places(drawn), st.sampled_from(drawn)), max_size=4)):
        drawn.insert(place, again)
    return drawn


def places(arrived: Sequence[InputEvent]) -> st.SearchStrategy[int]:
    """Where among the events one more may arrive."""
    return st.integers(min_value=0, max_value=len(arrived))


@st.composite
def rearranged(draw: st.DrawFn, history: Sequence[InputEvent]) -> list[InputEvent]:
    """The same set of events in any other order of arrival, some of them once more: the figures must be the same."""
    if not history:
        return []
    again = draw(st.lists(st.sampled_from(history), max_size=3))
    return draw(st.permutations([*history, *again]))


def evaluation_days(*, day: date = DAY) -> st.SearchStrategy[date]:
    """Days on which something enters or leaves a window, mostly."""
    offsets = st.one_of(st.sampled_from(EVALUATION_EDGES), st.integers(min_value=-20, max_value=60))
    return offsets.map(lambda offset: day + timedelta(days=offset))


# Letters that a reader of labels, addresses, pages or lines may stumble over; the last two spell an escaped line feed.
STUMBLING = (
    "\x00\n\r\t\x0b\x1b\x1c\x7f\x85\u2028\u2029\u202e\u200f\ufeff\ufffd\uffff\U0001f600\U0010ffff"
    " \"'{}[]<>&=,;:#%/?+.\\n"
)


def foreign_text(min_size: int = 0, max_size: int = 20) -> st.SearchStrategy[str]:
    """Any text that a valid event may carry: there is no half surrogate in it."""
    return st.text(STUMBLING, min_size=min_size, max_size=max_size) | st.text(min_size=min_size, max_size=max_size)


def switches() -> st.SearchStrategy[Switches]:
    """Every setting of the switches."""
    return st.builds(
        Switches,
        claims_policy=st.sampled_from(("current", "all_filed")),
        reversed_chargebacks=st.sampled_from(("excluded", "counted")),
        buyer_requested_cancellations=st.sampled_from(("excluded", "counted")),
    )


def settings(marketplaces: Sequence[str] = WHOLE_MARKETPLACES) -> st.SearchStrategy[Settings]:
    """Targets and minimum denominators of some marketplaces."""
    metrics = st.sampled_from(
        ("cancellation", "late_shipment", "valid_tracking", "on_time_delivery", "contact_response")
    )
    target = st.sampled_from((Fraction(1, 50), Fraction(1, 4), Fraction(1, 2), Fraction(9, 10), Fraction(99, 100)))
    return st.builds(
        Settings,
        targets=st.dictionaries(st.sampled_from(marketplaces), st.dictionaries(metrics, target)),
        minimums=st.dictionaries(st.sampled_from(marketplaces), st.integers(1, 12)),
    )


def zones(marketplaces: Sequence[str] = MARKETPLACES) -> st.SearchStrategy[Mapping[str, str]]:
    """UTC everywhere, or each marketplace in its own zone, or some of them."""
    every = {marketplace: ZONES.get(marketplace, "Pacific/Kiritimati") for marketplace in marketplaces}
    return st.sampled_from(({}, every, {marketplaces[0]: every[marketplaces[0]]}))
