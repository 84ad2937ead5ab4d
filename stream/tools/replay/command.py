"""What `odr replay` does with its flags."""

import asyncio
import os
import tempfile
import time
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Final

from rich.console import Console

from stream.rules import utc_day
from stream.settings import Settings
from stream.tools.produce import Producer
from stream.tools.replay.blocks import how_to_delete
from stream.tools.replay.history import FileSource, Source, TopicSource
from stream.tools.replay.live import Chosen, feed, happened
from stream.tools.replay.run import Asked, Outputs, Replay, ReplayError

_SPEED: Final = timedelta(days=1)


def replay(  # noqa: PLR0913 - one for each flag
    settings: Settings,
    file: Path | None,
    *,
    first_day: int | None,
    last_day: int | None,
    seller: str | None,
    marketplace: str | None,
    csv: Path | None,
    parquet: Path | None,
    blocks: Path | None,
    name: str | None,
    table: bool | None,
    processes: int | None,
    live: bool,
    speed: timedelta | None,
    into: str | None,
) -> None:
    """Replay history into what is asked for, or live into topics. Raises one of the errors that are told in a line."""
    console = Console(stderr=True)
    source: Source = TopicSource(settings) if file is None else FileSource(file)
    until = _last_day(settings, first_day, last_day)
    written = {"--csv": csv, "--parquet": parquet, "--prometheus": blocks, "--name": name}
    if live:
        _refuse({**written, "--table": table, "--processes": processes}, "not with --live, which only feeds topics")
        fed = _fed(settings, source, into)
        chosen = Chosen(settings.rules, first_day, None if last_day is None else until, seller, marketplace)
        _feed(fed, source, chosen, speed or _SPEED, console)
        return
    _refuse({"--speed": speed, "--into": into}, "only with --live")
    if blocks is None:
        _refuse({"--name": name}, "only with --prometheus")
    asked = Asked(settings.rules, first_day, until, seller, marketplace)
    shown = table if table is not None else not (csv or parquet or blocks)
    plan = Replay(source, asked, Outputs(shown, csv, parquet, blocks, name), settings.data_dir / "replay").run(
        processes or os.cpu_count() or 1, console
    )
    if blocks is not None:
        console.print(f'replay="{plan.name}" is in {blocks}', highlight=False, markup=False, soft_wrap=True)
        console.print(how_to_delete(plan.name), highlight=False, markup=False, soft_wrap=True)


def _refuse(flags: Mapping[str, object], when: str) -> None:
    """Raise ReplayError where one of these is given: what would be ignored is not what was meant."""
    given = [flag for flag, value in flags.items() if value is not None]
    if given:
        raise ReplayError(f"{', '.join(given)}: {when}")


def _last_day(settings: Settings, first_day: int | None, last_day: int | None) -> int:
    """Return the last evaluation day: none that has yet to come can be told."""
    today = settings.held_day or utc_day(time.time_ns() // 1_000)
    last = min(today if last_day is None else last_day, today)
    if first_day is not None and first_day > last:
        raise ReplayError("--from is after --to, or after today")
    return last


def _fed(settings: Settings, source: Source, into: str | None) -> Settings:
    """Return the settings of the topics to feed."""
    if into is None:
        raise ReplayError("--live needs --into, the topic prefix to feed")
    if isinstance(source, TopicSource) and into == settings.topic_prefix:
        raise ReplayError(f"--into {into} is where history is read from: feed another prefix")
    return Settings.read(**{**settings.model_dump(exclude_unset=True), "topic_prefix": into})


def _feed(fed: Settings, source: Source, chosen: Chosen, speed: timedelta, console: Console) -> None:
    with tempfile.TemporaryDirectory() as directory:
        past, refused = happened(source.history(Path(directory), source.plan(Path(directory), "live", console)), chosen)
    if refused:
        console.print(f"{refused:,} records are no valid events and are left out")
    if not past:
        console.print("no event of those that are asked for")

    async def run() -> None:
        async with Producer(fed) as producer:
            await feed(producer, past, chosen.begins_at, speed, console)

    try:
        asyncio.run(run())
    except KeyboardInterrupt:
        console.print("stopped")
