"""`odr simulate`: a simulated marketplace into the input topics, its history first, then live."""

import asyncio
import time
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from stream.settings import Settings
from stream.tools.produce import Producer
from stream.tools.simulate import Market, Record

_SHOWN_EVERY: Final = 1_000
_LONGEST_SLEEP_SECONDS: Final = 1.0
_TICK_SECONDS: Final = 0.1


async def fill(producer: Producer, market: Market, days: int, console: Console) -> int:
    """Produce the market's history with a progress bar over its days; return the number of records."""
    began = market.until - timedelta(days=days)
    produced = 0
    with _bar(console) as progress:
        task = progress.add_task("days of history", total=days)
        for record in market.history():
            await _add(producer, record)
            produced += 1
            if produced % _SHOWN_EVERY == 0:
                progress.update(task, completed=(record.arrives_at - began).days)
        await producer.flush()
        progress.update(task, completed=days)
    return produced


async def relive(producer: Producer, market: Market, days: int, per_second: timedelta, console: Console) -> None:
    """Produce the market's history as it happened, only faster: `per_second` of it passes in a second.

    A broker that is slower than that sets the pace.
    """
    began = market.until - timedelta(days=days)
    passed = timedelta()
    started = time.monotonic()
    with _bar(console) as progress:
        task = progress.add_task("", total=days)
        while began + passed < market.until:
            await asyncio.sleep(_TICK_SECONDS)
            passed = min((time.monotonic() - started) * per_second, timedelta(days=days))
            await _produce(producer, market.advance(began + passed))
            progress.update(task, completed=passed.days, description=f"{began + passed:%Y-%m-%d}")


def _bar(console: Console) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console, disable=not console.is_terminal)


async def live(producer: Producer, market: Market) -> None:
    """Produce what the market does from now on, as it happens, until cancelled."""
    while True:
        await _produce(producer, market.advance(datetime.now(UTC)))
        due_in = (market.next_due - datetime.now(UTC)).total_seconds()
        await asyncio.sleep(min(max(due_in, 0.01), _LONGEST_SLEEP_SECONDS))


async def _produce(producer: Producer, records: Iterable[Record]) -> None:
    for record in records:
        await _add(producer, record)
    await producer.flush()


async def _add(producer: Producer, record: Record) -> None:
    await producer.add(record.topic, record.key, record.value)


async def simulate(settings: Settings, market: Market, days: int, console: Console, *, only_history: bool) -> None:
    """Fill the input topics with the market's history and, unless told otherwise, go on live until cancelled."""
    async with Producer(settings) as producer:
        produced = await fill(producer, market, days, console)
        console.print(f"{produced:,} events of {days} days produced")
        if not only_history:
            console.print("live events follow; Ctrl-C stops")
            await live(producer, market)
