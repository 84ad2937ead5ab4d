"""Who sells, and how well: eight sellers with a story of their own, and a crowd of any size."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Final, NamedTuple, TypeAlias

from stream.events import Channel
from stream.tools.simulate.stories import APPEALS, REASONS, RESOLVED_SOON, REVERSED, STAYS_OPEN, Story, Table
from stream.topics import CHARGEBACKS, CLAIM_STATUSES, FEEDBACK

US: Final = "ATVPDKIKX0DER"
DE: Final = "A1PA6795UKMFR9"

Risk: TypeAlias = Callable[[float], float]
"""Days before the history's end (never below 0) to the share of orders placed then that go wrong."""

_MIXED: Final = (
    *[(FEEDBACK,)] * 9,
    *[(CLAIM_STATUSES,)] * 7,
    *[(CHARGEBACKS,)] * 2,
    (FEEDBACK, CLAIM_STATUSES),
    (FEEDBACK, CLAIM_STATUSES, CHARGEBACKS),
)
_CLAIMS: Final = (*[(CLAIM_STATUSES,)] * 6, (FEEDBACK, CLAIM_STATUSES))


class Service(NamedTuple):
    """How well a seller ships and answers.

    Shares of its orders: `unfulfilled` it fails to ship, `late` ones leave after their latest ship date, `slow` ones
    left in time and come after the promised day, `untracked` ones have no valid tracking. `unanswered` is the share of
    messages answered too late or never; with `weekends_off` those of Saturdays and Sundays all are.
    """

    unfulfilled: float = 0.007
    late: float = 0.012
    slow: float = 0.008
    untracked: float = 0.01
    unanswered: float = 0.03
    weekends_off: bool = False

    def times(self, factor: float) -> "Service":
        """Return one that fails `factor` times as often."""
        unfulfilled, late, slow, untracked, unanswered = (factor * share for share in self[:5])
        return Service(unfulfilled, late, slow, untracked, unanswered, self.weekends_off)

    def by_amazon(self) -> "Service":
        """Return what is left of it where Amazon packs and ships: the seller still answers messages."""
        return self._replace(unfulfilled=0.0, late=0.0, slow=0.004, untracked=0.002)


STEADY: Final = Service()
_FLOODED: Final = Service(unfulfilled=0.02, late=0.4, slow=0.3, unanswered=0.06)
_BAD_CARRIER: Final = Service(untracked=0.09)
_WEEKENDS_OFF: Final = Service(weekends_off=True)
_SOLD_OUT: Final = Service(unfulfilled=0.18)


class Conduct(NamedTuple):
    """A seller's service: as usual, but for a spell of trouble.

    Its orders are those placed less than `begins`, but not less than `ends` days before the history's end; with
    `ends` 0 it goes on when the market is live.
    """

    usual: Service = STEADY
    trouble: Service = STEADY
    begins: float = 0.0
    ends: float = 0.0

    def on(self, days_before_end: float) -> Service:
        """Return the service to an order placed so many days before the history's end (negative: after it)."""
        return self.trouble if self.ends <= max(days_before_end, 0.0) < self.begins else self.usual

    def by_amazon(self) -> "Conduct":
        """Return that of the orders which Amazon ships for the seller."""
        return self._replace(usual=self.usual.by_amazon(), trouble=self.trouble.by_amazon())


ALWAYS_STEADY: Final = Conduct()


class Offence(NamedTuple):
    """A violation of a named seller, `days_before_end` of the history."""

    days_before_end: float
    category: str
    severity: str
    story: Story


@dataclass(frozen=True)
class Profile:
    """How a seller's orders go wrong, and what becomes of it.

    `pace` stretches (above 1) or shortens the time until a defect is told; `reversal` is the share of bad orders whose
    defects are all taken back; `lean` above 0 makes the live market file more against the seller than it takes back;
    `attention` is the seller's share of the live market's news. A `steady` profile's bad orders, and those of them that
    are reversed, are spaced evenly rather than left to chance, so that small sellers keep their promise with every
    seed; there are at most `most` of them. `conduct` and `offences` are about the other metrics of account health.
    """

    risk: Risk
    kinds: tuple[tuple[str, ...], ...] = _MIXED
    pace: float = 1.0
    reversal: float = 0.25
    reversed_claims: Table = REVERSED[CLAIM_STATUSES]
    reasons: tuple[str, ...] = REASONS
    bad_sku: str | None = None
    lean: float = 0.0
    attention: int = 2
    steady: bool = True
    most: int | None = None
    conduct: Conduct = ALWAYS_STEADY
    offences: tuple[Offence, ...] = ()


@dataclass
class Health:
    """How much of its profile's misfortune a seller has had; `owed` reaches 1 when the next order is a bad one."""

    profile: Profile
    risk_scale: float = 1.0
    owed: float = 0.5
    had: int = 0

    def goes_wrong(self, days_before_end: float, chance: float) -> bool:
        """Decide, and remember, whether an order goes wrong; `chance` is uniform in [0, 1)."""
        profile = self.profile
        risk = profile.risk(max(days_before_end, 0.0)) * self.risk_scale
        if not profile.steady:
            return chance < risk
        self.owed += risk
        if self.owed < 1 or self.had == profile.most:
            return False
        self.owed -= 1
        self.had += 1
        return True

    def is_taken_back(self, chance: float) -> bool:
        """Whether all defects of the order that went wrong last are reversed; `chance` is uniform in [0, 1)."""
        share = self.profile.reversal
        if not self.profile.steady:
            return chance < share
        return int(self.had * share) > int((self.had - 1) * share)


class Storefront(NamedTuple):
    """One seller in one marketplace and channel; `orders_per_day` is its size, a weight among all of them.

    `conduct` is how it ships and answers there.
    """

    seller_id: str
    key: bytes
    marketplace_id: str
    channel: Channel
    orders_per_day: float
    health: Health
    conduct: Conduct
    group: int


class Named(NamedTuple):
    """A seller with a story of its own, and where it sells how many orders a day."""

    seller_id: str
    profile: Profile
    sells: tuple[tuple[str, Channel, float], ...]


def _creeping(days_before_end: float) -> float:
    return 0.001 + 0.019 * max(0.0, 1 - days_before_end / 80)


def _bad_batch(days_before_end: float) -> float:
    return 0.6 if 30 <= days_before_end < 33 else 0.003


def _flooded(days_before_end: float) -> float:
    return 0.012 if 17 <= days_before_end < 31 else 0.003


def _once(days_before_end: float) -> float:
    return 1.0 if 30 <= days_before_end < 60 else 0.0


NAMED: Final = (
    Named(
        "SAFE-HARBOUR",
        Profile(lambda _: 0.002, reversal=0.4, conduct=Conduct(STEADY.times(0.3))),
        ((US, "MFN", 25.0), (US, "AFN", 20.0), (DE, "MFN", 15.0), (DE, "AFN", 10.0)),
    ),
    Named(
        "CREEPING-UP",
        Profile(_creeping, pace=0.4, reversal=0.1, lean=0.2, conduct=Conduct(STEADY, _WEEKENDS_OFF, begins=40)),
        ((US, "MFN", 40.0),),
    ),
    Named(
        "JUST-OVER",
        Profile(lambda _: 0.0138, pace=0.5, reversal=0.05, conduct=Conduct(STEADY, _BAD_CARRIER, begins=60)),
        ((DE, "MFN", 40.0),),
    ),
    Named(
        "TINY-SHOP",
        Profile(_once, kinds=((FEEDBACK,),), pace=0.4, reversal=0.0, attention=1, most=1),
        ((US, "MFN", 0.45),),
    ),
    Named(
        "BURST-HIT",
        Profile(
            _bad_batch,
            pace=0.4,
            reasons=("damaged_or_defective",),
            bad_sku="LAMP-BATCH-0417",
            offences=(Offence(26, "product_safety_customer_complaints", "critical", RESOLVED_SOON),),
        ),
        ((US, "MFN", 30.0),),
    ),
    Named(
        "APPEAL-WINNER",
        Profile(
            lambda _: 0.02,
            kinds=_CLAIMS,
            pace=0.25,
            reversal=0.9,
            reversed_claims=APPEALS,
            lean=-0.1,
            offences=(Offence(6, "received_intellectual_property_complaints", "high", STAYS_OPEN),),
        ),
        ((DE, "MFN", 40.0),),
    ),
    Named(
        "SNOWED-IN",
        Profile(
            _flooded,
            pace=0.4,
            reasons=("late", "not_received", "late"),
            attention=1,
            conduct=Conduct(STEADY, _FLOODED, begins=31, ends=17),
        ),
        ((DE, "MFN", 30.0),),
    ),
    Named(
        "SOLD-OUT",
        Profile(lambda _: 0.003, attention=1, conduct=Conduct(STEADY, _SOLD_OUT, begins=9)),
        ((US, "MFN", 20.0),),
    ),
)
"""The sellers that a demo points at, the first ones first where fewer are wanted."""

CROWD: Final = Profile(lambda _: 0.004, steady=False)
CROWD_GROUP: Final = len(NAMED)

_LETTERS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_SHARE_IN_US: Final = (1.0, 1.0, 1.0, 0.0, 0.0, 0.7)
_SHARE_MFN: Final = (1.0, 1.0, 0.0, 0.6)
_TROUBLED_SHARE: Final = 0.05
_CROWD_SHARE_AT_LEAST: Final = 0.1
_CROWD_TROUBLES: Final = (
    *[ALWAYS_STEADY] * 22,
    Conduct(trouble=_FLOODED, begins=50, ends=36),
    Conduct(trouble=_FLOODED, begins=24, ends=10),
    Conduct(trouble=_BAD_CARRIER, begins=45),
    Conduct(trouble=_WEEKENDS_OFF, begins=30),
    Conduct(trouble=_SOLD_OUT, begins=20, ends=12),
    Conduct(trouble=_SOLD_OUT, begins=5),
)


def storefronts(sellers: int, orders_per_day: float, rng: Random) -> list[Storefront]:
    """Return where everyone sells: the named ones at their own size, the crowd sharing the rest by Zipf's law.

    The sizes add up to `orders_per_day` only where that leaves the crowd a tenth of it; they are weights.
    """
    named = [front for group, seller in enumerate(NAMED[:sellers]) for front in _named_fronts(group, seller)]
    ranks = range(1, max(0, sellers - len(NAMED)) + 1)
    left = orders_per_day - sum(front.orders_per_day for front in named)
    crowd_orders_per_day = max(left, _CROWD_SHARE_AT_LEAST * orders_per_day)
    shares = sum(1 / rank for rank in ranks)
    return named + [front for rank in ranks for front in _crowd_fronts(crowd_orders_per_day / shares / rank, rng)]


def _named_fronts(group: int, seller: Named) -> list[Storefront]:
    return [
        _front(seller.seller_id, (marketplace, channel, size), Health(seller.profile), seller.profile.conduct, group)
        for marketplace, channel, size in seller.sells
    ]


def _crowd_fronts(size: float, rng: Random) -> list[Storefront]:
    seller_id = "A" + "".join(rng.choices(_LETTERS, k=13))
    in_us, mfn = rng.choice(_SHARE_IN_US), rng.choice(_SHARE_MFN)
    troubled = rng.random() < _TROUBLED_SHARE
    health = Health(CROWD, rng.uniform(3, 6) if troubled else rng.uniform(0.2, 1.5))
    conduct = rng.choice(_CROWD_TROUBLES)._replace(usual=STEADY.times(rng.uniform(0.2, 1.8)))
    shares: tuple[tuple[str, Channel, float], ...] = (
        (US, "MFN", in_us * mfn),
        (US, "AFN", in_us * (1 - mfn)),
        (DE, "MFN", (1 - in_us) * mfn),
        (DE, "AFN", (1 - in_us) * (1 - mfn)),
    )
    return [
        _front(seller_id, (marketplace, channel, size * share), health, conduct, CROWD_GROUP)
        for marketplace, channel, share in shares
        if share
    ]


def _front(
    seller_id: str, sells: tuple[str, Channel, float], health: Health, conduct: Conduct, group: int
) -> Storefront:
    marketplace, channel, size = sells
    there = conduct if channel == "MFN" else conduct.by_amazon()
    return Storefront(seller_id, seller_id.encode(), marketplace, channel, size, health, there, group)
