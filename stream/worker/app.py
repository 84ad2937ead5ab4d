"""The Faust app: one agent per topic, which folds what the intake hands it.

Faust gives the app, its agents and channels, timers and a clean stop. Its consumer, producer and tables stay off: the
intake owns the offsets, and the state is durable by its own transactions.
"""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import faust
from faust.app.base import BootStrategy

from stream.decode import CONVERTERS
from stream.worker.ground import SERVICE_LOG
from stream.worker.intake import Chunk

_MOST_CHUNKS_WAITING: Final = 16


class _WithoutKafka(BootStrategy):  # type: ignore[misc]
    enable_kafka = False
    enable_web = False
    enable_sensors = False


class App(faust.App):  # type: ignore[misc]
    """A Faust app that opens no connection of its own."""

    BootStrategy = _WithoutKafka
    logger = SERVICE_LOG

    async def on_start(self) -> None:
        """Let the channels flow: with Faust's consumer off, nobody else does."""
        self.flow_control.resume()


class Agents:
    """The app's agents, one per topic, each behind a bounded channel."""

    def __init__(self, app: App) -> None:
        self._channels = {topic: app.channel(maxsize=_MOST_CHUNKS_WAITING) for topic in CONVERTERS}
        self.agents = {
            topic: app.agent(channel, name=f"fold-{topic}")(_fold_chunks) for topic, channel in self._channels.items()
        }

    async def dispatch(self, chunk: Chunk) -> None:
        """Hand a chunk to its topic's agent; waits while the agent has too much to do."""
        await self._channels[chunk.topic].put(chunk)


async def _fold_chunks(chunks: AsyncIterator[Chunk]) -> AsyncIterator[Any]:
    """Fold each chunk into its partition; whoever awaits `folded` gets the exception, Faust never does."""
    async for chunk in chunks:
        # Of a round that was given up, nobody waits any more: its partition may be another's, or restored anew.
        if not chunk.folded.cancelled():
            _fold_chunk(chunk)
        yield chunk.topic


def _fold_chunk(chunk: Chunk) -> None:
    try:
        chunk.partition.fold(chunk.topic, chunk.records)
    except Exception as surprise:  # noqa: BLE001 - handed to the intake, which ends the worker
        chunk.folded.set_exception(surprise)
    else:
        chunk.folded.set_result(None)


def new_app(directory: Path) -> App:
    """Return the app, without agents; `directory` is there for Faust, which makes one of its own where it has none."""
    unused = {"broker": "kafka://unused", "store": "memory://"}
    return App("odr", **unused, datadir=directory, autodiscover=False, web_enabled=False)
