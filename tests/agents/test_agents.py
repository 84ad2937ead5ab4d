"""The agents, in Faust's own test context: a chunk is folded, and what goes wrong is told to the intake."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest
from aiokafka.structs import ConsumerRecord

from stream.decode import CONVERTERS
from stream.worker.app import Agents, new_app
from stream.worker.intake import Chunk


class Folding:
    """Stands where a partition does, and notes what it is asked to fold."""

    def __init__(self, surprise: Exception | None = None) -> None:
        self.folded: list[tuple[str, Sequence[ConsumerRecord]]] = []
        self._surprise = surprise

    def fold(self, topic: str, records: Sequence[ConsumerRecord]) -> None:
        if self._surprise is not None:
            raise self._surprise
        self.folded.append((topic, records))


@pytest.mark.parametrize("topic", CONVERTERS)
def test_an_agent_folds_the_chunks_of_its_topic_in_order(topic: str, tmp_path: Path) -> None:
    async def run() -> None:
        agents = Agents(new_app(tmp_path))
        partition = Folding()
        async with agents.agents[topic].test_context() as agent:
            for number in range(3):
                chunk = Chunk(partition, topic, [number], asyncio.get_running_loop().create_future())  # type: ignore[arg-type]
                await agent.put(chunk)
                assert chunk.folded.done()
        assert partition.folded == [(topic, [0]), (topic, [1]), (topic, [2])]

    asyncio.run(run())


def test_a_surprise_in_a_fold_reaches_the_intake_and_the_agent_goes_on(tmp_path: Path) -> None:
    async def run() -> None:
        agents = Agents(new_app(tmp_path))
        loop = asyncio.get_running_loop()
        async with agents.agents["orders"].test_context() as agent:
            bad = Chunk(Folding(RuntimeError("disk")), "orders", [], loop.create_future())  # type: ignore[arg-type]
            good = Chunk(Folding(), "orders", [], loop.create_future())  # type: ignore[arg-type]
            await agent.put(bad)
            await agent.put(good)
            with pytest.raises(RuntimeError, match="disk"):
                bad.folded.result()
            assert good.folded.result() is None

    asyncio.run(run())


def test_a_chunk_whose_round_was_given_up_is_not_folded(tmp_path: Path) -> None:
    # A round that a broker kept waiting is cancelled when its partition is revoked. Its chunk, still in the channel,
    # was folded all the same: into accounts that had been restored for the partition's next owner.
    async def run() -> None:
        agents = Agents(new_app(tmp_path))
        partition = Folding()
        async with agents.agents["orders"].test_context() as agent:
            late = Chunk(partition, "orders", [1], asyncio.get_running_loop().create_future())  # type: ignore[arg-type]
            late.folded.cancel()
            await agent.put(late)
        assert partition.folded == []

    asyncio.run(run())
