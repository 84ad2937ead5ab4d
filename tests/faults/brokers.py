"""Several brokers that are one cluster, and what a test asks of a cluster by its administrator."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, TypeVar

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from stream.tools.kafka import Broker
from tests.broker.harness import Cluster, eventually, free_port

_T = TypeVar("_T")

PROPERTIES = {
    "group.min.session.timeout.ms": "1000",
    "log.cleaner.backoff.ms": "200",
    "log.initial.task.delay.ms": "500",
}
"""A broker that gives up silent workers as soon as it is asked to, and whose cleaner comes by often."""

_REPLICATED = {
    "min.insync.replicas": "2",
    "offsets.topic.replication.factor": "3",
    "transaction.state.log.replication.factor": "3",
    "transaction.state.log.min.isr": "2",
    "share.coordinator.state.topic.replication.factor": "3",
    "share.coordinator.state.topic.min.isr": "2",
}
_CLUSTER_ID = "threeBrokersOfOneCluster"[:22]


@contextmanager
def three_brokers(directory: Path) -> Iterator[dict[int, Broker]]:
    """Start three brokers that hold every record three times, by node id; two have to have it before it counts."""
    controllers = {node: f"127.0.0.1:{free_port()}" for node in (1, 2, 3)}
    voters = ",".join(f"{node}@{address}" for node, address in controllers.items())
    brokers = {}
    for node, controller in controllers.items():
        port = free_port()
        own = {
            "node.id": str(node),
            "controller.quorum.voters": voters,
            "listeners": f"PLAINTEXT://127.0.0.1:{port},CONTROLLER://{controller}",
        }
        properties = PROPERTIES | _REPLICATED | own
        brokers[node] = Broker(directory / str(node), port, properties=properties, cluster_id=_CLUSTER_ID)
    with ExitStack() as open_, ThreadPoolExecutor() as starting:
        for broker in brokers.values():
            open_.callback(broker.kill)
        list(starting.map(Broker.start, brokers.values()))  # each of them waits for another
        yield brokers


def asked(cluster: Cluster, ask: Callable[[AIOKafkaAdminClient], Awaitable[_T]]) -> _T:
    """Return what the cluster's administrator answers."""

    async def run() -> _T:
        admin = AIOKafkaAdminClient(bootstrap_servers=cluster.bootstrap)
        await admin.start()
        try:
            return await ask(admin)
        finally:
            await admin.close()

    return asyncio.run(run())


def partitions_of(cluster: Cluster, topic: str) -> dict[int, Mapping[str, Any]]:
    """Return, by partition number, the leader, the replicas and the replicas in sync of a topic."""
    (described,) = asked(cluster, lambda admin: admin.describe_topics([cluster.prefix + topic]))
    return {partition["partition"]: partition for partition in described["partitions"]}


def await_in_sync(cluster: Cluster, topic: str, replicas: int) -> None:
    def in_sync() -> bool:
        return all(len(partition["isr"]) == replicas for partition in partitions_of(cluster, topic).values())

    eventually(in_sync, f"{replicas} replicas of {topic} in sync")


def alter(cluster: Cluster, topic: str, **settings: str) -> None:
    """Give a topic other settings: their names with underscores for dots."""
    configs = {name.replace("_", "."): value for name, value in settings.items()}
    resource = ConfigResource(ConfigResourceType.TOPIC, cluster.prefix + topic, configs)
    for answer in asked(cluster, lambda admin: admin.alter_configs([resource])):
        for error in answer.resources:
            assert error[0] == 0, error
