"""The decisions that `rules.md` leaves to whoever runs this: switches, and each marketplace's zone and targets."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from fractions import Fraction
from typing import Final, Literal

_DAY_MICROSECONDS: Final = 86_400_000_000
_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

ClaimsPolicy = Literal["current", "all_filed"]
Counting = Literal["excluded", "counted"]


@dataclass(frozen=True, slots=True)
class Marketplace:
    """What one marketplace decides: `zone` cuts its days, `targets` by metric overrides the table of metrics."""

    zone: tzinfo = UTC
    minimum_denominator: int | None = None
    targets: Mapping[str, Fraction] = field(default_factory=dict)


_DEFAULT_MARKETPLACE: Final = Marketplace()


@dataclass(frozen=True, slots=True)
class Rules:
    """The switches of `rules.md`; a marketplace without an entry is cut in UTC and keeps the table's targets."""

    claims_policy: ClaimsPolicy = "current"
    reversed_chargebacks: Counting = "excluded"
    buyer_requested_cancellations: Counting = "excluded"
    retention_days: int = 200
    marketplaces: Mapping[str, Marketplace] = field(default_factory=dict)

    def marketplace(self, marketplace_id: str) -> Marketplace:
        """Return the marketplace's own decisions, or the default ones."""
        return self.marketplaces.get(marketplace_id, _DEFAULT_MARKETPLACE)

    def day(self, marketplace_id: str, instant: int) -> int:
        """Return the calendar day (proleptic ordinal) of `instant` (microseconds since the epoch) there."""
        marketplace = self.marketplaces.get(marketplace_id)
        if marketplace is None or marketplace.zone is UTC:
            return instant // _DAY_MICROSECONDS + _EPOCH_DAY  # `utc_day`, without the call: every event comes by here
        return local_day(instant, marketplace.zone)

    def first_kept_day(self, evaluation_day: int) -> int:
        """Return the oldest day that is kept on `evaluation_day`: `retention_days` days, that one included."""
        return evaluation_day - self.retention_days + 1


def local_day(instant: int, zone: tzinfo) -> int:
    """Return the calendar day (proleptic ordinal) of `instant` (microseconds since the epoch) in `zone`.

    At the very ends of the calendar, where a zone's own date can't be told, it is UTC's.
    """
    try:
        return (_EPOCH + timedelta(microseconds=instant)).astimezone(zone).toordinal()
    except OverflowError:
        return utc_day(instant)


def utc_day(instant: int) -> int:
    """Return the calendar day (proleptic ordinal) of `instant` (microseconds since the epoch) in UTC."""
    return instant // _DAY_MICROSECONDS + _EPOCH_DAY


def start_of_day(day: int, zone: tzinfo) -> float:
    """Return the instant, in seconds since the epoch, at which `day` begins in `zone`."""
    return datetime.combine(date.fromordinal(day), time(), zone).timestamp()
