"""A seller's health on any evaluation day: figures with verdicts, defective orders with causes, the forecast.

These are the bodies of the API's answers (contract: HTTP), as plain values; days are ISO dates.
"""

from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Any, Final, NamedTuple, TypeAlias

from stream.accounts import Account
from stream.days import iso_day
from stream.evaluation import EvaluationDays
from stream.events import Chargeback, Claim, Defect, Feedback, Package
from stream.figures import BY_ORDER_DATE, DEFECTIVE_ORDERS, count
from stream.metrics import AHEAD, METRICS, OFFICIAL, ORDER_DEFECT, ORDER_WINDOWS, Counted, Metric, target_of
from stream.rates import Target, Verdict, headroom, interval, low_volume, ratio, verdict
from stream.rules import Rules
from stream.shares import Place, defective, order_share, shares
from stream.states import OrderState
from stream.windows import DayCounts, Window

FORECAST_DAYS: Final = 60
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST_INSTANT: Final = -62_135_596_800_000_000
_LAST_INSTANT: Final = 253_402_300_799_999_999
_KINDS: Final[dict[type[Defect], str]] = {Feedback: "feedback", Claim: "claim", Chargeback: "chargeback"}


def iso_instant(instant: int) -> str:
    """Return microseconds since the epoch as an RFC 3339 time in UTC.

    At the calendar's very ends, where UTC has no year of four digits, it is the nearest that can be told.
    """
    told = _EPOCH + timedelta(microseconds=min(max(instant, _FIRST_INSTANT), _LAST_INSTANT))
    return told.isoformat(timespec="microseconds" if told.microsecond else "seconds").replace("+00:00", "Z")


class Standing(NamedTuple):
    """A seller's counts in one place, looked at on one evaluation day."""

    place: Place
    counts: DayCounts
    day: int

    @property
    def marketplace_id(self) -> str:
        """The marketplace of the place."""
        return self.place[1]

    def share(self, metric: Metric, window: Window) -> Counted:
        """Return the metric's counts in `window`."""
        return metric.counted(self.counts.trailing(window, self.day))


def standings(account: Account, as_of: int | None, evaluation: EvaluationDays) -> list[Standing]:
    """Return the seller's standings by order date, on `as_of` or, where that is None, on each marketplace's own today.

    There is one for each marketplace and channel in which the seller has orders kept.
    """
    return [
        Standing(place, counts, as_of or evaluation.of(place[1]))
        for place, counts in account.in_ledger(BY_ORDER_DATE.name)
    ]


def figures(account: Account, as_of: int | None, evaluation: EvaluationDays, rules: Rules) -> list[dict[str, Any]]:
    """Return every figure of a seller; one whose window isn't wholly kept is left out."""
    return [
        _figure(metric, window, standing, rules)
        for marketplace_id, ledgers in _by_marketplace(account)
        for today in (evaluation.of(marketplace_id),)
        for metric in METRICS
        for standing in _standings(metric, marketplace_id, ledgers[metric.ledger.name], as_of or today)
        for window in metric.windows_in(marketplace_id, rules)
        if window.first(standing.day) >= rules.first_kept_day(today)
    ]


_Places: TypeAlias = list[tuple[Place, DayCounts]]


def _by_marketplace(account: Account) -> list[tuple[str, defaultdict[str, _Places]]]:
    """Return a seller's places by marketplace and ledger, in order.

    They are sorted once, not for each metric: violations have a place for each category, and any text is one.
    """
    found: defaultdict[str, defaultdict[str, _Places]] = defaultdict(lambda: defaultdict(list))
    for place, counts in sorted(account.groups.items()):
        ledger, marketplace_id = place[:2]
        found[marketplace_id][ledger].append((place, counts))
    return sorted(found.items())


def _standings(metric: Metric, marketplace_id: str, places: _Places, day: int) -> list[Standing]:
    """Return where a metric is told of in a marketplace: each channel, or else all its places as one."""
    found = [Standing(place, counts, day) for place, counts in places if metric.is_told_in(place)]
    if metric.by_channel or len(found) == 1:
        return found
    together = DayCounts((), day)
    for counted_day, amount in chain.from_iterable(standing.counts.days.items() for standing in found):
        together.apply(counted_day, amount)
    return [Standing((metric.ledger.name, marketplace_id), together, day)]


def _figure(metric: Metric, window: Window, standing: Standing, rules: Rules) -> dict[str, Any]:
    counted = standing.share(metric, window)
    return {
        "metric": metric.name,
        "marketplace": standing.marketplace_id,
        "channel": metric.channel_in(standing.place),
        "window": window.name,
        "from": iso_day(window.first(standing.day)),
        "to": iso_day(window.last(standing.day)),
        "numerator": counted.numerator,
        "denominator": counted.denominator,
        "ratio": ratio(*counted),
        **_judged(metric, window, standing, rules),
        "interval": interval(*counted),
    }


def _judged(metric: Metric, window: Window, standing: Standing, rules: Rules) -> dict[str, Any]:
    target = target_of(metric, standing.marketplace_id, rules)
    if target is None:
        return dict.fromkeys(("target", "condition", "verdict", "low_volume", "headroom"))
    numerator, denominator = standing.share(metric, window)
    return {
        "target": float(target.value),
        "condition": target.condition,
        "verdict": judge(metric, window, standing, rules),
        **_room(numerator, denominator, target, rules.marketplace(standing.marketplace_id).minimum_denominator),
    }


def _room(numerator: int, denominator: int | None, target: Target, minimum: int | None) -> dict[str, Any]:
    if denominator is None:  # a number has no volume
        return {"low_volume": False, "headroom": headroom(numerator, 0, target)}
    return {
        "low_volume": low_volume(denominator, target, minimum),
        "headroom": headroom(numerator, denominator, target) if denominator else None,
    }


def judge(metric: Metric, window: Window, standing: Standing, rules: Rules) -> Verdict | None:
    """Return the verdict on a metric's window; the official window is warned by the `ahead` one."""
    target = target_of(metric, standing.marketplace_id, rules)
    if target is None:
        return None
    numerator, denominator = standing.share(metric, window)
    if denominator is None:
        return "missed" if headroom(numerator, 0, target) < 0 else "good"
    ahead = metric.share(standing.counts.trailing(AHEAD, standing.day)) if window == OFFICIAL else None
    minimum = rules.marketplace(standing.marketplace_id).minimum_denominator
    return verdict(numerator, denominator, target, minimum_denominator=minimum, ahead=ahead)


def summaries(seller_id: str, account: Account, evaluation: EvaluationDays, rules: Rules) -> Iterator[dict[str, Any]]:
    """Yield one line for each marketplace and channel in which the seller has orders kept, official window, today."""
    for standing in standings(account, None, evaluation):
        defects, orders = standing.share(ORDER_DEFECT, OFFICIAL)
        yield {
            "seller": seller_id,
            "marketplace": standing.marketplace_id,
            "channel": ORDER_DEFECT.channel_in(standing.place),
            "orders": orders,
            "defective_orders": defects,
            "order_defect_ratio": ratio(defects, orders),
            "verdict": judge(ORDER_DEFECT, OFFICIAL, standing, rules),
        }


def worst_first(summary: dict[str, Any]) -> tuple[Any, ...]:
    """Return what sorts summaries: worst ratio first, no data last, ties by seller, marketplace and channel."""
    share = summary["order_defect_ratio"]
    return share is None, -(share or 0.0), summary["seller"], summary["marketplace"], summary["channel"]


def defects(account: Account, as_of: int | None, evaluation: EvaluationDays, rules: Rules) -> list[dict[str, Any]]:
    """Return the defective orders that are in the official window on `as_of` or will be, oldest order date first."""
    listed = (
        _defective_order(order_id, state, as_of, evaluation, rules)
        for order_id, state in account.orders()
        if state.order is not None and any(not isinstance(thing, Package) for thing in state.attached)
    )
    return sorted((order for order in listed if order), key=lambda order: (order["order_date"], order["order_id"]))


def _defective_order(
    order_id: str, state: OrderState, as_of: int | None, evaluation: EvaluationDays, rules: Rules
) -> dict[str, Any] | None:
    share = order_share(shares(state, rules))
    if share is None or not count(share.amount, DEFECTIVE_ORDERS):
        return None
    _, marketplace_id, channel = share.place
    day = as_of or evaluation.of(marketplace_id)
    if share.day < OFFICIAL.first(day):
        return None
    return {
        "order_id": order_id,
        "order_date": iso_day(share.day),
        "marketplace": marketplace_id,
        "channel": channel,
        "windows": [window.name for window in ORDER_WINDOWS if window.holds(share.day, day)],
        "enters": iso_day(OFFICIAL.entry(share.day)),
        "drops_off": iso_day(OFFICIAL.drop_off(share.day)),
        "causes": [
            _cause(thing) for thing in state.attached if not isinstance(thing, Package) and defective(thing, rules)
        ],
    }


def _cause(defect: Defect) -> dict[str, Any]:
    return {
        "kind": _KINDS[type(defect)],
        "id": defect.id,
        "status": defect.status,
        "reason": defect.reason,
        "event_time": iso_instant(defect.event_time),
    }


def forecast(account: Account, evaluation: EvaluationDays) -> list[dict[str, Any]]:
    """Return the official window on each of the next 60 days, if no further orders and defects arrive."""
    return [
        _forecast_day(standing._replace(day=standing.day + ahead))
        for standing in standings(account, None, evaluation)
        for ahead in range(1, FORECAST_DAYS + 1)
    ]


def _forecast_day(standing: Standing) -> dict[str, Any]:
    defects, orders = standing.share(ORDER_DEFECT, OFFICIAL)
    return {
        "day": iso_day(standing.day),
        "marketplace": standing.marketplace_id,
        "channel": ORDER_DEFECT.channel_in(standing.place),
        "orders": orders,
        "defective_orders": defects,
        "ratio": ratio(defects, orders),
        **dict.fromkeys(("expected", "low_80", "high_80", "low_95", "high_95")),
    }
