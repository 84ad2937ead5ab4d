"""What the workers of one group must agree on: the settings that decide what counts, as plain text by name.

Workers compare them when they meet, and a partition's changelog remembers those that its changes were told under.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC
from fractions import Fraction
from typing import Any, Final, TypeAlias, cast
from zoneinfo import ZoneInfo

from stream.rules import ClaimsPolicy, Counting, Marketplace, Rules

Agreement: TypeAlias = Mapping[str, str]
"""The value of each setting, by the name that its user knows it by; a marketplace's defaults are absent."""

_CLAIMS_POLICY: Final = "STREAM_CLAIMS_POLICY"
_REVERSED_CHARGEBACKS: Final = "STREAM_REVERSED_CHARGEBACKS"
_BUYER_REQUESTED_CANCELLATIONS: Final = "STREAM_BUYER_REQUESTED_CANCELLATIONS"
_RETENTION_DAYS: Final = "STREAM_RETENTION_DAYS"
_MARKETPLACE: Final = "STREAM_TARGETS marketplaces."
_is_of_marketplace: Final = re.compile(
    re.escape(_MARKETPLACE) + r"(?P<id>.*)(?P<name>\.time_zone|\.minimum_denominator|\.targets\.\w+)", re.DOTALL
).fullmatch


def agreement(rules: Rules) -> dict[str, str]:
    """Return what these rules ask of every other worker of the group."""
    agreed = {
        _CLAIMS_POLICY: rules.claims_policy,
        _REVERSED_CHARGEBACKS: rules.reversed_chargebacks,
        _BUYER_REQUESTED_CANCELLATIONS: rules.buyer_requested_cancellations,
        _RETENTION_DAYS: str(rules.retention_days),
    }
    for marketplace_id, decided in sorted(rules.marketplaces.items()):
        agreed |= {f"{_MARKETPLACE}{marketplace_id}{name}": value for name, value in _decided(decided).items()}
    return agreed


def _decided(marketplace: Marketplace) -> dict[str, str]:
    decided = {} if marketplace.zone is UTC else {".time_zone": str(marketplace.zone)}
    if marketplace.minimum_denominator is not None:
        decided[".minimum_denominator"] = str(marketplace.minimum_denominator)
    return decided | {f".targets.{name}": str(value) for name, value in sorted(marketplace.targets.items())}


def agreed_rules(agreed: Agreement) -> Rules:
    """Return the rules that an agreement was made of."""
    return Rules(
        claims_policy=cast("ClaimsPolicy", agreed[_CLAIMS_POLICY]),
        reversed_chargebacks=cast("Counting", agreed[_REVERSED_CHARGEBACKS]),
        buyer_requested_cancellations=cast("Counting", agreed[_BUYER_REQUESTED_CANCELLATIONS]),
        retention_days=int(agreed[_RETENTION_DAYS]),
        marketplaces=_agreed_marketplaces(agreed),
    )


def _agreed_marketplaces(agreed: Agreement) -> dict[str, Marketplace]:
    marketplaces: dict[str, Marketplace] = {}
    for name, value in agreed.items():
        decided = _is_of_marketplace(name)
        if decided is not None:
            known = marketplaces.get(decided["id"], Marketplace())
            marketplaces[decided["id"]] = replace(known, **_agreed_value(known, decided["name"], value))
    return marketplaces


def _agreed_value(known: Marketplace, name: str, value: str) -> dict[str, Any]:
    if name == ".time_zone":
        return {"zone": ZoneInfo(value)}
    if name == ".minimum_denominator":
        return {"minimum_denominator": int(value)}
    return {"targets": {**known.targets, name.removeprefix(".targets."): Fraction(value)}}


def difference(own: Agreement, theirs: Agreement) -> str | None:
    """Return in words the first setting on which two agreements differ, or None where they don't."""
    for name in sorted(own.keys() | theirs.keys()):
        here, there = own.get(name, "not set"), theirs.get(name, "not set")
        if here != there:
            return f"{name} is {here} here and {there} in the group"
    return None
