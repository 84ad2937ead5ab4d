"""`odr topics`: the topics as they must be, made where they are missing and checked where they are there."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence, Set
from typing import Any, Final, NamedTuple, TypeVar

import stamina
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError as ClientError
from aiokafka.errors import TopicAlreadyExistsError, for_code

from stream.connection import REFUSED_BY_THE_CLIENT, KafkaError, connection, failed, why_unreachable
from stream.settings import Settings
from stream.topics import COMPACTED, CONFIGURATION, INPUT_TOPICS, order_states

_CHECKED: Final = frozenset({"cleanup.policy", "retention.ms", "message.timestamp.type"})
_REACH_SECONDS: Final = 10.0
_SETTLE_SECONDS: Final = 3.0
_COORDINATOR_SECONDS: Final = 60.0


def wanted(settings: Settings) -> dict[str, dict[str, str]]:
    """Return the settings that each topic must have, by its name without prefix."""
    return {**CONFIGURATION, order_states(settings.group): COMPACTED}


class _NotYetError(Exception):
    """A topic that was created or deleted is not known yet, or still."""


class TopicsError(KafkaError):
    """A topic is missing, or not as it must be."""


class Facts(NamedTuple):
    """What a worker needs to know of the broker; `tombstones_live_seconds` is for how long the changelog keeps them."""

    cluster_id: str
    tombstones_live_seconds: float


class Admin:
    """The administrator's view of one cluster, as an async context; raises KafkaError where there is no broker."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._client = AIOKafkaAdminClient(**connection(settings))

    async def __aenter__(self) -> AIOKafkaAdminClient:
        try:
            await asyncio.wait_for(self._client.start(), _REACH_SECONDS)
        except REFUSED_BY_THE_CLIENT:
            await self._client.close()
            raise KafkaError(await why_unreachable(self._settings)) from None
        return self._client

    async def __aexit__(self, kind: object, problem: BaseException | None, trace: object) -> None:
        await self._client.close()
        if isinstance(problem, ClientError | TimeoutError):
            raise failed(self._settings, problem) from problem


async def partition_counts(admin: AIOKafkaAdminClient) -> dict[str, int]:
    """Return the number of partitions of every topic there is."""
    names = await admin.list_topics()
    return {topic["topic"]: len(topic["partitions"]) for topic in await admin.describe_topics(names)} if names else {}


async def input_partitions(settings: Settings) -> int:
    """Return how many partitions the input topics have; raises KafkaError where one is missing or differs."""
    return await partitions_of(settings, INPUT_TOPICS)


_T = TypeVar("_T")


async def _settled(ask: Callable[[], Awaitable[_T]]) -> _T:
    """Return what is told of the topics; what seems wrong is asked again for a moment.

    Of several brokers one may answer that has not heard yet of a topic that another one has made.
    """
    asking = stamina.retry_context(on=TopicsError, attempts=None, timeout=_SETTLE_SECONDS, wait_initial=0.2, wait_max=1)
    async for attempt in asking:
        with attempt:
            found = await ask()
    return found


async def partitions_of(settings: Settings, topics: Sequence[str]) -> int:
    """Return how many partitions these topics have; raises KafkaError where one is missing or differs."""
    return await _settled(lambda: _partitions_of(settings, topics))


async def _partitions_of(settings: Settings, topics: Sequence[str]) -> int:
    async with Admin(settings) as admin:
        there = await partition_counts(admin)
    _require(settings, topics, there)
    return there[settings.topic(topics[0])]


async def largest_batches(settings: Settings, topics: Sequence[str]) -> dict[str, int]:
    """Return how many bytes the largest batch may have that each of these topics takes."""
    async with Admin(settings) as admin:
        configs = await _configs(admin, settings, topics)
    return {topic: int(configs[settings.topic(topic)]["max.message.bytes"]) for topic in topics}


def _require(settings: Settings, topics: Iterable[str], there: Mapping[str, int]) -> None:
    names = [settings.topic(topic) for topic in topics]
    missing = sorted(name for name in names if name not in there)
    if missing:
        raise TopicsError(f"missing topics: {', '.join(missing)}; `odr topics` creates them")
    if len({there[name] for name in names}) > 1:
        told = ", ".join(f"{name} has {there[name]}" for name in sorted(names))
        raise TopicsError(f"topics with different partition counts: {told}; all must have the same")


async def create(settings: Settings) -> list[str]:
    """Create the topics that are missing; return their names. Raises KafkaError where one that is there is wrong."""
    async with Admin(settings) as admin:
        there = await partition_counts(admin)
        present = [name for name in wanted(settings) if settings.topic(name) in there]
        _require(settings, present, there)
        counts = {there[settings.topic(name)] for name in present}
        if counts - {settings.partitions}:
            raise KafkaError(
                f"the topics have {counts.pop()} partitions, STREAM_PARTITIONS is {settings.partitions}: "
                f"partitions can't be added, because that would move sellers"
            )
        missing = {name: config for name, config in wanted(settings).items() if name not in present}
        if missing:
            await _create(admin, settings, missing, settings.partitions)
    await check(settings)
    return [settings.topic(name) for name in missing]


async def delete(settings: Settings) -> None:
    """Delete every topic of these settings that is there, and wait until they are gone. For made-up data only."""
    async with Admin(settings) as admin:
        names = {settings.topic(name) for name in wanted(settings)} & set(await admin.list_topics())
        if names:
            await admin.delete_topics(list(names))
            await _until(admin, lambda there: not names & there)


async def _create(
    admin: AIOKafkaAdminClient, settings: Settings, missing: Mapping[str, Mapping[str, str]], partitions: int
) -> None:
    answer = await admin.create_topics(
        [
            NewTopic(settings.topic(name), partitions, settings.replication, topic_configs=dict(config))
            for name, config in missing.items()
        ]
    )
    for name, code, message in (entry[:3] for entry in answer.topic_errors):
        if code not in {0, TopicAlreadyExistsError.errno}:  # another may just have created it
            raise KafkaError(f"topic {name} can't be created: {message or for_code(code).description}")
    names = {settings.topic(name) for name in missing}
    await _until(admin, lambda there: names <= there)  # a broker answers before its metadata has them


async def _until(admin: AIOKafkaAdminClient, settled: Callable[[Set[str]], bool]) -> None:
    """Wait until the names of the topics there are, are as `settled` wants them."""
    async for attempt in stamina.retry_context(on=_NotYetError, attempts=None, timeout=_REACH_SECONDS, wait_max=0.5):
        with attempt:
            if not settled(set(await admin.list_topics())):
                raise _NotYetError


async def check(settings: Settings) -> Facts:
    """Return what a worker needs to know; raises TopicsError, which names every topic that is missing or wrong.

    A group's own changelog is made here if it is new: nobody but its workers needs it.
    """
    return await _settled(lambda: _check(settings))


async def _check(settings: Settings) -> Facts:
    changelog = order_states(settings.group)
    async with Admin(settings) as admin:
        there = await partition_counts(admin)
        _require(settings, wanted(settings).keys() - {changelog}, there)
        if settings.topic(changelog) not in there:
            await _create_changelog(admin, settings, there[settings.topic(INPUT_TOPICS[0])])
            there = await partition_counts(admin)
        _require(settings, wanted(settings), there)
        configs = await _configs(admin, settings, wanted(settings))
        wrong = _wrong(settings, configs)
        if wrong:
            raise TopicsError(f"topics with wrong settings: {'; '.join(wrong)}")
        cluster = await admin.describe_cluster()
    tombstones = configs[settings.topic(changelog)]["delete.retention.ms"]
    return Facts(str(cluster["cluster_id"]), int(tombstones) / 1000)


async def _has_committed(admin: AIOKafkaAdminClient, group: str) -> bool:
    """Return whether a group has offsets; a new broker has no coordinator to ask until somebody does ask."""
    committed: Mapping[Any, Any] = {}
    asking = stamina.retry_context(on=_asks_for_patience, attempts=None, timeout=_COORDINATOR_SECONDS, wait_max=0.5)
    async for attempt in asking:
        with attempt:
            committed = await admin.list_consumer_group_offsets(group)
    return any(offset.offset >= 0 for offset in committed.values())


def _asks_for_patience(problem: Exception) -> bool:
    return isinstance(problem, ClientError) and bool(problem.retriable)


async def _create_changelog(admin: AIOKafkaAdminClient, settings: Settings, partitions: int) -> None:
    changelog = order_states(settings.group)
    if await _has_committed(admin, settings.group):
        raise TopicsError(
            f"topic {settings.topic(changelog)} is gone, but group {settings.group} has committed offsets: its order "
            f"states are lost; choose another STREAM_GROUP, which reads everything again"
        )
    await _create(admin, settings, {changelog: COMPACTED}, partitions)


async def _configs(admin: AIOKafkaAdminClient, settings: Settings, topics: Iterable[str]) -> dict[str, dict[str, str]]:
    resources = [ConfigResource(ConfigResourceType.TOPIC, settings.topic(name)) for name in topics]
    configs: dict[str, dict[str, str]] = {}
    for answer in await admin.describe_configs(resources):
        for resource in answer.resources:
            name, entries = resource[3], resource[4]
            configs[name] = {entry[0]: entry[1] for entry in entries}
    return configs


def _wrong(settings: Settings, configs: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return what is wrong with the settings without which figures would not survive, a phrase each."""
    return [
        f"{settings.topic(name)} has {key}={configs[settings.topic(name)].get(key)}, must be {value}"
        for name, config in wanted(settings).items()
        for key, value in config.items()
        if key in _CHECKED and configs[settings.topic(name)].get(key) != value
    ]
