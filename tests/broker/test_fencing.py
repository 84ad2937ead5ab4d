"""A worker whose partition another one has taken hears of it as of a fence, whatever it was writing."""

import asyncio
from pathlib import Path

import pytest
from aiokafka.structs import ConsumerRecord

from stream.decode import CONVERTERS
from stream.events import Malformed
from stream.rules import Rules
from stream.tools.kafka import Broker
from stream.worker.ground import Ground, Step
from stream.worker.telemetry import Telemetry
from stream.worker.transactions import DeadLetter, Fenced, Transactions, Written
from tests.broker.harness import READ, Cluster
from tests.builders import held

pytestmark = pytest.mark.broker


@pytest.fixture
def ground(broker: Broker, topic_prefix: str, tmp_path: Path) -> Ground:
    cluster = Cluster(broker.bootstrap, topic_prefix, tmp_path)
    assert cluster.odr("topics").returncode == 0
    return Ground(cluster.settings, Rules(), held(Rules()), Telemetry(list(CONVERTERS)), "cluster", 60.0)


def letter(topic: str) -> DeadLetter:
    record = ConsumerRecord(topic, 0, 0, 0, 0, b"key", b"no json", None, 3, 7, ())
    return DeadLetter(topic, record, Malformed("not_json", "no json"))


STATES, CHANGES, LETTERS = [(b"key", b"state")], [(b"key", b"change")], [letter(topic) for topic in READ]


def test_whoever_is_fenced_while_a_round_is_sent_is_told_so(ground: Ground) -> None:
    # It was "can't send messages while not in transaction", and the worker's end, where more was sent after the fence.
    reached: list[Step] = []

    async def run() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)  # the client keeps failures that nobody hears
        owner = await Transactions.fence(ground, 0, reached.append)
        for written in (Written(STATES), Written(STATES, CHANGES), Written(STATES, CHANGES, LETTERS)):
            fenced, owner = owner, await Transactions.fence(ground, 0, reached.append)
            with pytest.raises(Fenced):
                await fenced.commit(written, {})
            await fenced.stop()
        await owner.stop()

    asyncio.run(run())
    assert reached == []
