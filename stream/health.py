"""A seller's health on any evaluation day: figures with verdicts, defective orders with causes, the forecast.

These are the bodies of the API's answers (contract: HTTP), as plain values; days are ISO dates.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

from stream.accounts import Account
from stream.days import iso_day
from stream.evaluation import EvaluationDays
from stream.events import Chargeback, Claim, Defect, Feedback
from stream.figures import DEFECTIVE_ORDERS, count
from stream.metrics import AHEAD, METRICS, OFFICIAL, ORDER_DEFECT, ORDER_WINDOWS, Metric, target_of
from stream.orders import OrderState, contribution, defective
from stream.rates import Verdict, headroom, interval, low_volume, ratio, verdict
from stream.rules import Rules
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
    """A seller's counts in one marketplace and channel, looked at on one evaluation day."""

    marketplace_id: str
    channel: str
    counts: DayCounts
    day: int

    def share(self, metric: Metric, window: Window) -> tuple[int, int]:
        """Return the metric's numerator and denominator in `window`."""
        amount = self.counts.trailing(window, self.day)
        return count(amount, metric.numerator), count(amount, metric.denominator)


def standings(account: Account, as_of: int | None, evaluation: EvaluationDays) -> list[Standing]:
    """Return the seller's standings on `as_of`, or on each marketplace's own today where that is None."""
    return [
        Standing(marketplace_id, channel, counts, as_of or evaluation.of(marketplace_id))
        for (marketplace_id, channel), counts in sorted(account.groups.items())
    ]


def figures(account: Account, as_of: int | None, evaluation: EvaluationDays, rules: Rules) -> list[dict[str, Any]]:
    """Return every figure of a seller; one whose window isn't wholly kept is left out."""
    return [
        _figure(metric, window, standing, rules)
        for standing in standings(account, as_of, evaluation)
        for metric in METRICS
        for window in metric.windows
        if window.first(standing.day) >= rules.first_kept_day(evaluation.of(standing.marketplace_id))
    ]


def _figure(metric: Metric, window: Window, standing: Standing, rules: Rules) -> dict[str, Any]:
    numerator, denominator = standing.share(metric, window)
    return {
        "metric": metric.name,
        "marketplace": standing.marketplace_id,
        "channel": standing.channel,
        "window": window.name,
        "from": iso_day(window.first(standing.day)),
        "to": iso_day(window.last(standing.day)),
        "numerator": numerator,
        "denominator": denominator,
        "ratio": ratio(numerator, denominator),
        **_judged(metric, window, standing, rules),
        "interval": interval(numerator, denominator),
    }


def _judged(metric: Metric, window: Window, standing: Standing, rules: Rules) -> dict[str, Any]:
    target = target_of(metric, standing.marketplace_id, rules)
    if target is None:
        return dict.fromkeys(("target", "condition", "verdict", "low_volume", "headroom"))
    numerator, denominator = standing.share(metric, window)
    minimum = rules.marketplace(standing.marketplace_id).minimum_denominator
    return {
        "target": float(target.value),
        "condition": target.condition,
        "verdict": judge(metric, window, standing, rules),
        "low_volume": low_volume(denominator, target, minimum),
        "headroom": headroom(numerator, denominator, target) if denominator else None,
    }


def judge(metric: Metric, window: Window, standing: Standing, rules: Rules) -> Verdict | None:
    """Return the verdict on a metric's window; the official window is warned by the `ahead` one."""
    target = target_of(metric, standing.marketplace_id, rules)
    if target is None:
        return None
    ahead = standing.share(metric, AHEAD) if window is OFFICIAL else None
    minimum = rules.marketplace(standing.marketplace_id).minimum_denominator
    return verdict(*standing.share(metric, window), target, minimum_denominator=minimum, ahead=ahead)


def summaries(seller_id: str, account: Account, evaluation: EvaluationDays, rules: Rules) -> Iterator[dict[str, Any]]:
    """Yield one line for each marketplace and channel in which the seller has orders kept, official window, today."""
    for standing in standings(account, None, evaluation):
        defects, orders = standing.share(ORDER_DEFECT, OFFICIAL)
        yield {
            "seller": seller_id,
            "marketplace": standing.marketplace_id,
            "channel": standing.channel,
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
        for order_id, state in account.states()
        if state.defects and state.order is not None
    )
    return sorted((order for order in listed if order), key=lambda order: (order["order_date"], order["order_id"]))


def _defective_order(
    order_id: str, state: OrderState, as_of: int | None, evaluation: EvaluationDays, rules: Rules
) -> dict[str, Any] | None:
    share = contribution(state, rules)
    if share is None or not count(share.amount, DEFECTIVE_ORDERS):
        return None
    day = as_of or evaluation.of(share.marketplace_id)
    if share.day < OFFICIAL.first(day):
        return None
    return {
        "order_id": order_id,
        "order_date": iso_day(share.day),
        "marketplace": share.marketplace_id,
        "channel": share.channel,
        "windows": [window.name for window in ORDER_WINDOWS if window.holds(share.day, day)],
        "enters": iso_day(OFFICIAL.entry(share.day)),
        "drops_off": iso_day(OFFICIAL.drop_off(share.day)),
        "causes": [_cause(defect) for defect in state.defects if defective(defect, rules)],
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
        "channel": standing.channel,
        "orders": orders,
        "defective_orders": defects,
        "ratio": ratio(defects, orders),
        **dict.fromkeys(("expected", "low_80", "high_80", "low_95", "high_95")),
    }
