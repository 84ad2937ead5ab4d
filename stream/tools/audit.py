"""`odr audit`: every figure recounted from the stored order states, and compared with what the workers show.

A worker tells its live counts, its gauges, and up to which offset of the changelog they go, all of one moment. The
changelog is read up to there, by nobody's memory or disk but Kafka's, and counted from scratch.
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

import aiohttp
import msgspec
import stamina
from aiokafka import TopicPartition
from aiokafka.coordinator.protocol import ConsumerProtocolMemberMetadata
from prometheus_client.parser import text_string_to_metric_families
from rich.console import Console
from rich.table import Table
from rich.text import Text

from stream.agreement import agreed_rules
from stream.audit import DayAmounts, Mismatch, by_figure, differences, recount, window_amounts
from stream.changelog import FOOTING_KEY, changelog_reader, unpack_key
from stream.days import parse_day
from stream.errors import UserError
from stream.gauges import SELLER_FAMILIES, Group, GroupRenderer
from stream.membership import decode_membership
from stream.rules import Rules
from stream.settings import Settings
from stream.shares import Place
from stream.states import OrderState, State, unpack
from stream.tools.topics import Admin
from stream.topics import ORDERS, order_states

_TIMEOUT: Final = aiohttp.ClientTimeout(total=120)
_SETTLED_SECONDS: Final = 60.0
_SHOWN: Final = 50
_GAUGES: Final = frozenset(family.name for family in SELLER_FAMILIES)

_OWN_LABELS: Final = ("seller", "marketplace")

Series = tuple[str, tuple[tuple[str, str], ...]]
"""A gauge's name and its labels, sorted."""


class AuditError(UserError):
    """The audit can't be made; the message is one line for the user."""


class _NotSettledError(Exception):
    """A worker can't tell its figures at the moment: it restores, or the group is rebalancing."""


class LiveGroup(msgspec.Struct, frozen=True):
    """What a worker shows of one seller in one place: see `stream.audit.by_figure`."""

    seller: str
    place: Place
    evaluation_day: str
    figures: dict[str, dict[str, int]]


class Snapshot(msgspec.Struct, frozen=True):
    """What one worker tells: see `stream.worker.auditor.snapshot`."""

    partitions: dict[str, int]
    export: str
    agreed: dict[str, str]
    groups: list[LiveGroup]
    metrics: str


class Report(NamedTuple):
    """What was audited, and where the workers differ from it."""

    workers: int
    partitions: int
    sellers: int
    orders: int
    mismatches: list[Mismatch]


async def audit(settings: Settings, workers: Iterable[str] = ()) -> Report:
    """Audit the group; `workers` are the addresses (host:port) of all its workers, asked of the group if not given.

    Raises AuditError where a worker does not answer or not every partition is spoken for, KafkaError where Kafka is not
    as it must be.
    """
    addresses = sorted(set(workers)) or await _members(settings)
    if not addresses:
        raise AuditError(f"group {settings.group} has no worker; start one, then there are live figures to audit")
    snapshots = await _settled(settings, addresses)
    found = [await _audit_worker(settings, snapshot) for snapshot in snapshots]
    return Report(
        workers=len(snapshots),
        partitions=sum(len(snapshot.partitions) for snapshot in snapshots),
        sellers=sum(report.sellers for report in found),
        orders=sum(report.orders for report in found),
        mismatches=[mismatch for report in found for mismatch in report.mismatches],
    )


# The workers.


async def _members(settings: Settings) -> list[str]:
    """Return the address that each worker of these topics has told the group."""
    async with Admin(settings) as admin:
        described = await admin.describe_consumer_groups([settings.group])
    members = [member for answer in described for group in answer.groups for member in group[5]]
    told = [ConsumerProtocolMemberMetadata.decode(member[-2]) for member in members]
    orders = settings.topic(ORDERS)
    return sorted(decode_membership(about.user_data).address for about in told if orders in about.subscription)


async def _settled(settings: Settings, addresses: Iterable[str]) -> list[Snapshot]:
    """Return a snapshot of each worker, which together speak for every partition once."""
    attempts = stamina.retry_context(on=_NotSettledError, attempts=None, timeout=_SETTLED_SECONDS, wait_max=2)
    try:
        async for attempt in attempts:
            with attempt:
                return await _snapshots(settings, addresses)
    except _NotSettledError as problem:
        raise AuditError(f"not settled within {_SETTLED_SECONDS:.0f} s: {problem}") from None
    raise AssertionError  # the context tries at least once


async def _snapshots(settings: Settings, addresses: Iterable[str]) -> list[Snapshot]:
    token = settings.http_token
    headers = {} if token is None else {"Authorization": f"Bearer {token.get_secret_value()}"}
    async with aiohttp.ClientSession(timeout=_TIMEOUT, headers=headers) as session, Admin(settings) as admin:
        snapshots = list(await asyncio.gather(*(_snapshot(session, address) for address in addresses)))
        changelog = settings.topic(order_states(settings.group))
        count = len((await admin.describe_topics([changelog]))[0]["partitions"])
    spoken_for = sorted(int(number) for snapshot in snapshots for number in snapshot.partitions)
    if spoken_for != list(range(count)):
        raise _NotSettledError(f"the workers speak for partitions {spoken_for} of {count}")
    return snapshots


async def _snapshot(session: aiohttp.ClientSession, address: str) -> Snapshot:
    try:
        async with session.get(f"http://{address}/api/audit") as answer:
            body = await answer.read()
    except (aiohttp.ClientError, TimeoutError, ValueError) as problem:
        raise _NotSettledError(f"no worker answers at {address} ({type(problem).__name__})") from None
    if answer.status == 401:
        raise AuditError(f"the worker at {address} asks for STREAM_HTTP_TOKEN")
    if answer.status != 200:
        raise _NotSettledError(f"the worker at {address} answers {answer.status}")
    return msgspec.json.decode(body, type=Snapshot)


# The recount.


async def _audit_worker(settings: Settings, snapshot: Snapshot) -> Report:
    rules = agreed_rules(snapshot.agreed)
    states: dict[str, list[State]] = defaultdict(list)
    for number, end in snapshot.partitions.items():
        for seller_id, state in await _stored(settings, int(number), end):
            states[seller_id].append(state)
    counted = {
        Group(seller_id, place): days for seller_id, of in states.items() for place, days in recount(of, rules).items()
    }
    orders = sum(isinstance(state, OrderState) and state.order is not None for of in states.values() for state in of)
    mismatches = [*_counts_differ(counted, snapshot), *_gauges_differ(counted, snapshot, rules)]
    return Report(1, len(snapshot.partitions), len(states), orders, mismatches)


async def _stored(settings: Settings, number: int, end: int) -> list[tuple[str, State]]:
    """Return every state of a partition of the changelog before offset `end`, with its seller."""
    source = TopicPartition(settings.topic(order_states(settings.group)), number)
    packed: dict[bytes, bytes | None] = {}
    async with changelog_reader(settings, "read_committed") as reader:
        reader.assign([source])
        await reader.seek_to_beginning(source)
        while await reader.position(source) < end:
            fetched = await reader.getmany(timeout_ms=500)
            packed |= {record.key: record.value for record in fetched.get(source, ()) if record.offset < end}
    packed.pop(FOOTING_KEY, None)
    return [(unpack_key(key)[0], unpack(value)) for key, value in packed.items() if value is not None]


def _counts_differ(counted: Mapping[Group, DayAmounts], snapshot: Snapshot) -> Iterator[Mismatch]:
    live = {Group(shown.seller, shown.place): shown for shown in snapshot.groups}
    for group in sorted(counted.keys() | live.keys()):
        shown = live.get(group)
        day = 0 if shown is None else parse_day(shown.evaluation_day)
        recounted = by_figure(group.place, counted.get(group, {}), day)
        yield from differences(*group, recounted, {} if shown is None else shown.figures)


def _gauges_differ(counted: Mapping[Group, DayAmounts], snapshot: Snapshot, rules: Rules) -> Iterator[Mismatch]:
    totals = {
        group: tuple(window_amounts(group.place, counted[group], parse_day(shown.evaluation_day)))
        for shown in snapshot.groups
        if (group := Group(shown.seller, shown.place)) in counted
    }
    expected = _series("".join(GroupRenderer(rules).render(totals)))
    shown = _series(snapshot.metrics)
    left_out = expected.keys() - shown.keys() if snapshot.export == "at_risk" else frozenset()
    for series in sorted((expected.keys() | shown.keys()) - left_out):
        if expected.get(series) != shown.get(series):
            name, labels = series
            seller_id, marketplace_id = (dict(labels)[label] for label in _OWN_LABELS)
            further = [value for label, value in labels if label not in _OWN_LABELS]
            yield Mismatch(seller_id, (marketplace_id, *further), name, expected.get(series), shown.get(series))


def _series(page: str) -> dict[Series, float]:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(page)
        if family.name in _GAUGES
        for sample in family.samples
    }


# What is told.


def as_json(report: Report) -> dict[str, Any]:
    """Return a report as plain values."""
    return {
        **report._replace(mismatches=[])._asdict(),
        "mismatches": [mismatch._asdict() for mismatch in report.mismatches],
    }


def show(report: Report, console: Console) -> None:
    """Print a report for a person."""
    if report.mismatches:
        console.print(_table(report.mismatches[:_SHOWN]))
    if len(report.mismatches) > _SHOWN:
        console.print(f"and {len(report.mismatches) - _SHOWN} more: see --json")
    console.print(
        f"{report.orders:,} orders of {report.sellers:,} sellers in {report.partitions} partitions of "
        f"{report.workers} workers recounted: {len(report.mismatches):,} mismatches",
        highlight=False,
    )


def _table(mismatches: Iterable[Mismatch]) -> Table:
    table = Table("seller", "place", "figure", "recounted", "live")
    for mismatch in mismatches:
        table.add_row(*(Text(_printable(value)) for value in mismatch))
    return table


def _printable(value: object) -> str:
    told = "-" if value is None else str(value)
    if isinstance(value, tuple):
        told = " · ".join(value)
    elif isinstance(value, dict):
        told = ", ".join(f"{figure} {number}" for figure, number in value.items()) or "0"
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in told)
