"""A replay that is stopped anywhere goes on with what is left; how far it is stands on the terminal."""

import io
import json
import multiprocessing
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from stream.tools.replay import run
from stream.tools.replay.history import FileSource, Plan
from stream.tools.replay.run import Asked, Outputs, Part, Replay
from tests import blocks
from tests.builders import claim, order, rules_of, violation

# promtool's blocks are of 4,374 hours, counted from 1970: one ends with the 19th of November.
ASKED = Asked(rules_of(), date(2025, 11, 18).toordinal(), date(2025, 11, 21).toordinal())
QUIET = Console(file=io.StringIO())


class Stop(BaseException):
    """Ctrl-C, or worse."""


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """What processes count together is counted in this one."""
    monkeypatch.setattr(run, "_read", multiprocessing.Value("q", 0))


@pytest.fixture
def source(tmp_path: Path) -> FileSource:
    told = [order(purchased="2025-11-01T12:00:00Z", event_time="2025-11-01T12:00:00Z"), claim("pending"), violation()]
    path = tmp_path / "events.jsonl"
    lines = [{"topic": topic, "key": value["seller_id"], "value": value} for topic, value in told]
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")
    return FileSource(path)


class Steps:
    """Renames and removals, each of which may be the one before which it all stops."""

    def __init__(self, stop_at: int | None = None) -> None:
        self.done = 0
        self._stop_at = stop_at

    def __call__(self, act: Callable[..., Any]) -> Callable[..., Any]:
        def step(*arguments: Any, **named: Any) -> Any:
            if self.done == self._stop_at:
                raise Stop
            self.done += 1
            return act(*arguments, **named)

        return step


def worked(part: Part, steps: Steps) -> None:
    """Do the part's work, stopped or not."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Path, "rename", steps(Path.rename))
        patched.setattr(shutil, "rmtree", steps(shutil.rmtree))
        with suppress(Stop):
            part.work()


def parts(source: FileSource, directory: Path) -> Iterator[Part]:
    """A part with all events of the source: one for each time that it is called, in a folder of its own."""
    number = 0
    while True:
        number += 1
        own = directory / str(number)
        own.mkdir()
        plan = source.plan(own, "march", QUIET)
        (filled,) = [
            packet for packet in source.history(own, plan).parts if (own / f"packet-{packet}.jsonl").read_bytes()
        ]
        outputs = Outputs(table=True, csv=None, parquet=None, blocks=own / "prometheus", name="march")
        yield Part(source.history(own, plan), filled, ASKED, outputs, Plan("march", 2e9, 5), own / "part-00000.csv")


def test_a_part_that_is_stopped_anywhere_and_repeated_has_each_block_once(source: FileSource, tmp_path: Path) -> None:
    # Blocks were in their place before the part was marked as done: stopped in between, it made them all again, and
    # Prometheus had each sample twice, in blocks that overlap.
    blocks.promtool()
    fresh = parts(source, tmp_path)
    whole, counted = next(fresh), Steps()
    worked(whole, counted)
    assert whole.outputs.blocks is not None
    expected = blocks.stored(whole.outputs.blocks)
    assert len(expected) > 1
    for stop_at in range(counted.done):
        part = next(fresh)
        worked(part, Steps(stop_at))
        assert not part.done.exists()
        worked(part, Steps())
        assert part.outputs.blocks is not None
        assert blocks.stored(part.outputs.blocks) == expected, stop_at
        assert part.done.read_bytes() == whole.done.read_bytes()
        assert [path for path in part.outputs.blocks.iterdir() if path.name.startswith(".")] == []


def replay(source: FileSource, directory: Path, name: str | None, into: str = "prometheus") -> Replay:
    return Replay(source, ASKED, Outputs(False, None, None, Path(into), name), directory)


def test_another_name_is_another_replay(source: FileSource, tmp_path: Path) -> None:
    # A replay that was stopped went on under its first name, whatever name was asked for then.
    assert replay(source, tmp_path, "march")._plan(QUIET).name == "march"
    assert replay(source, tmp_path, "april")._plan(QUIET).name == "april"
    assert replay(source, tmp_path, "march")._directory != replay(source, tmp_path, "april")._directory


def test_a_replay_without_a_name_goes_on_under_that_of_its_beginning(source: FileSource, tmp_path: Path) -> None:
    begun = replay(source, tmp_path, None)._plan(QUIET)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", begun.name)
    assert replay(source, tmp_path, None)._plan(QUIET) == begun


def test_the_same_words_for_another_folder_are_another_replay(
    source: FileSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    here = replay(source, tmp_path, "march")._directory
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert replay(source, tmp_path, "march")._directory != here
    assert replay(source, tmp_path, "march", str(tmp_path / "prometheus"))._directory == here


def test_a_replay_that_is_stopped_while_it_tidies_up_is_over(
    source: FileSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Where the parts went first and the plan last, the same command made the parts that were gone once more, and blocks
    # of them under the name of those that there were.
    def half_removed(directory: Path, **_: object) -> None:
        if (directory / "part-00000.csv").exists():
            (directory / "part-00000.csv").unlink()
            raise Stop

    def one_after_the_other(left: Sequence[Part], _: int, progress: Callable[[int], None]) -> None:
        for part in left:
            part.work()
        progress(0)

    monkeypatch.setattr(run, "_work_all", one_after_the_other)
    outputs = Outputs(table=False, csv=tmp_path / "days.csv", parquet=None, blocks=None, name=None)
    console = Console(file=io.StringIO())
    with monkeypatch.context() as patched:
        patched.setattr(shutil, "rmtree", half_removed)
        with pytest.raises(Stop):
            Replay(source, ASKED, outputs, tmp_path / "replay").run(1, console)
    told = (tmp_path / "days.csv").read_bytes()
    Replay(source, ASKED, outputs, tmp_path / "replay").run(1, console)
    assert isinstance(console.file, io.StringIO)
    assert "going on" not in console.file.getvalue()
    assert (tmp_path / "days.csv").read_bytes() == told
    assert list((tmp_path / "replay").iterdir()) == []


def drawn(*, terminal: bool) -> str:
    """What the progress bar has drawn when half of 2,000 events have been read."""
    file = io.StringIO()
    console = Console(file=file, width=100, force_terminal=terminal, color_system=None)
    with run._progress(2_000, console) as progress:
        for read in (0, 500, 1_000):
            progress(read)
    return file.getvalue()


def test_a_terminal_shows_how_much_is_replayed_how_fast_and_how_long_it_takes() -> None:
    # Before the first events there is no rate, and the bar that could not tell it ended each replay on a terminal.
    last = drawn(terminal=True).split("\r")[-1]
    assert re.search(r"replayed .* 1,000 of 2,000 events, [1-9][\d,]*/s 0:00:0\d", last)


def test_there_is_no_bar_where_there_is_no_terminal() -> None:
    assert drawn(terminal=False).strip() == ""
