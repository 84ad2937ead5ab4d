"""`odr replay`: every part of history replayed in a process of its own, and the results put together.

Each finished part is kept in the replay's own directory until all are done: a replay that was stopped goes on where it
was. It belongs to no group, and touches nothing of a live worker's.
"""

import hashlib
import multiprocessing
import shutil
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import msgspec
from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from stream.agreement import agreement
from stream.errors import UserError
from stream.events import Event
from stream.replay import Replayed, replay
from stream.rules import Rules
from stream.tools.replay.blocks import make_blocks, move_blocks, require_promtool
from stream.tools.replay.history import History, Plan, Source, events
from stream.tools.replay.rows import read_part, rows, show, write_csv, write_parquet, write_part

_LOOK_SECONDS: Final = 0.2


class ReplayError(UserError):
    """The replay can't be made; the message is one line for the user."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What is replayed: days are proleptic ordinals, both included; None is without a bound, or all of them."""

    rules: Rules
    first_day: int | None
    last_day: int
    seller: str | None = None
    marketplace: str | None = None


@dataclass(frozen=True, slots=True)
class Outputs:
    """Where results go; `blocks` is a directory of a Prometheus, in which the replay is called `name`.

    Where that is None, it is called by when it was begun.
    """

    table: bool
    csv: Path | None
    parquet: Path | None
    blocks: Path | None
    name: str | None

    @property
    def in_rows(self) -> bool:
        """Whether anything is asked for that is made of rows."""
        return self.table or self.csv is not None or self.parquet is not None

    def check(self) -> None:
        """Raise an error, before any work is done, where something that is needed is missing."""
        if self.blocks is not None:
            require_promtool()
        if self.parquet is not None:
            try:
                import pyarrow  # noqa: F401, PLC0415 - only the extra brings it
            except ImportError:
                raise ReplayError("--parquet needs the extra: pip install 'odr-stream[parquet]'") from None
        for path in (self.csv, self.parquet):
            if path is not None and not path.absolute().parent.is_dir():
                raise ReplayError(f"{path}: there is no such folder")


@dataclass(frozen=True, slots=True)
class Part:
    """The work of one process: one part of history, replayed into a file that is there when it is done.

    The file has the rows, where anything but blocks is asked for, and is empty otherwise.
    """

    history: History
    number: int
    asked: Asked
    outputs: Outputs
    plan: Plan
    done: Path

    def work(self) -> None:
        """Replay the part and write what is asked for.

        From the moment at which all of it is ready, it is not made again: repeated, the rest is only put in its place.
        """
        ready = self.done.with_suffix(".ready")
        if not ready.exists():
            self._make().rename(ready)
        if self.outputs.blocks is not None:
            move_blocks(self._made_blocks(self.outputs.blocks), self.outputs.blocks)
        ready.rename(self.done)

    def _make(self) -> Path:
        found = list(self._replayed(events(self.history, self.number, self.asked.seller, _advance)))
        if self.outputs.blocks is not None:
            made = self._made_blocks(self.outputs.blocks)
            make_blocks(made, found, self.plan.name, self.asked.rules, self.plan.began_at)
        unfinished = self.done.with_suffix(".unfinished")
        with unfinished.open("w", encoding="utf-8", newline="") as file:
            if self.outputs.in_rows:
                write_part(file, (row for of in found for row in rows(of, self.asked.rules)))
        return unfinished

    def _made_blocks(self, directory: Path) -> Path:
        """Return where blocks are until the part is ready: on the disk of the others, hidden from Prometheus."""
        return directory / f".unfinished-{self.done.parent.name}-{self.done.stem}"

    def _replayed(self, told: Sequence[Event]) -> Iterator[Replayed]:
        if not told:
            return
        # The day before, as a zone's day may begin earlier than UTC's.
        earliest = min(self.asked.rules.day("", event.thing.event_time) for event in told) - 1
        first_day = earliest if self.asked.first_day is None else self.asked.first_day
        for found in replay(told, self.asked.rules, first_day, self.asked.last_day):
            if self.asked.marketplace in {None, found.group.marketplace_id}:
                yield found


class Replay:
    """One replay; `directory` keeps its parts while it is under way."""

    def __init__(self, source: Source, asked: Asked, outputs: Outputs, directory: Path) -> None:
        self._source = source
        self._asked = asked
        self._outputs = outputs
        self._directory = directory / self._fingerprint()

    def _fingerprint(self) -> str:
        """Return a name under which only the same replay goes on."""
        asked = self._asked
        days = asked.first_day, asked.last_day, asked.seller, asked.marketplace
        blocks = self._outputs.blocks and self._outputs.blocks.absolute()
        outputs = blocks, self._outputs.name, self._outputs.in_rows
        told = self._source.identity, sorted(agreement(asked.rules).items()), days, outputs
        return hashlib.sha256(repr(told).encode()).hexdigest()[:16]

    def run(self, processes: int, console: Console) -> Plan:
        """Replay what is left, and write what is asked for. Raises ReplayError, and what reading and writing raise."""
        self._outputs.check()
        plan = self._plan(console)
        history = self._source.history(self._directory, plan)
        parts = [
            Part(history, number, self._asked, self._outputs, plan, self._directory / f"part-{number:05}.csv")
            for number in history.parts
        ]
        left = [part for part in parts if not part.done.exists()]
        if len(left) < len(parts):
            console.print(f"going on: {len(parts) - len(left)} of {len(parts)} parts were done before")
        with _progress(plan.records, console) as progress:
            _work_all(left, processes, progress)
        self._write([part.done for part in parts])
        self._plan_file.unlink()  # first: without it nothing goes on, and no half of the parts is done again
        shutil.rmtree(self._directory)
        return plan

    @property
    def _plan_file(self) -> Path:
        return self._directory / "plan.json"

    def _plan(self, console: Console) -> Plan:
        if self._plan_file.exists():
            return msgspec.json.decode(self._plan_file.read_bytes(), type=Plan)
        shutil.rmtree(self._directory, ignore_errors=True)
        self._directory.mkdir(parents=True)
        name = self._outputs.name or f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
        plan = self._source.plan(self._directory, name, console)
        unfinished = self._plan_file.with_suffix(".unfinished")
        unfinished.write_bytes(msgspec.json.encode(plan))
        unfinished.rename(self._plan_file)
        return plan

    def _write(self, parts: Sequence[Path]) -> None:
        if self._outputs.csv is not None:
            write_csv(self._outputs.csv, parts)
        if self._outputs.parquet is not None:
            write_parquet(self._outputs.parquet, parts)
        if self._outputs.table:
            show((row for part in parts for row in read_part(part)), Console(), seller=self._asked.seller)


# Processes. What they share with the main one is a number: how many records have been read.

_read: Any = None


def _begin(read: Any) -> None:
    global _read  # noqa: PLW0603 - a process of the pool can be given it in no other way
    _read = read
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends it without a word


def _advance(records: int) -> None:
    with _read.get_lock():
        _read.value += records


def _work_all(left: Sequence[Part], processes: int, progress: Callable[[int], None]) -> None:
    if not left:
        return
    spawned = multiprocessing.get_context("spawn")  # a fork would take the main process's locks along
    read = spawned.Value("q", 0)
    pool = ProcessPoolExecutor(min(processes, len(left)), spawned, _begin, (read,))
    try:
        work = [pool.submit(part.work) for part in left]
        while not all(future.done() for future in work):
            _raise_first(work)
            progress(read.value)
            time.sleep(_LOOK_SECONDS)
        _raise_first(work)
        progress(read.value)
    except BaseException:
        for child in multiprocessing.active_children():
            child.terminate()  # what it has not finished is done again
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _raise_first(work: Sequence[Future[None]]) -> None:
    for future in work:
        if future.done():
            future.result()


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{task.speed or 0:,.0f}/s")  # at first there is none


@contextmanager
def _progress(records: int, console: Console) -> Iterator[Callable[[int], None]]:
    columns = (
        TextColumn("replayed"),
        BarColumn(),
        TextColumn("{task.completed:,.0f} of {task.total:,.0f} events,"),
        _Rate(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=records)
        yield lambda read: progress.update(task, completed=read)
