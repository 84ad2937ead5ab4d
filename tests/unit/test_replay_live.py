"""`odr replay --live`: what of history is fed, in which order, and which flags it does not take."""

import json
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Self

import pytest
from click.testing import CliRunner, Result

from stream.cli import main
from stream.tools.replay import command
from tests.builders import DE, SELLER, US, claim, message, order
from tests.recount import InputEvent

LATER = {"event_time": "2026-11-01T06:30:00Z"}  # still the last of October in Los Angeles
TOLD = {
    "order": order(event_time="2026-10-01T12:00:00Z"),
    "claim of it": claim("pending", event_time="2026-10-20T12:00:00Z"),
    "claim that names another marketplace": claim("pending", marketplace_id=DE, claim_id="C-2", **LATER),
    "order there": order("o2", marketplace_id=DE, event_time="2026-10-02T12:00:00Z"),
    "message there of the same id": message(message_id="o1", marketplace_id=DE, event_time="2026-10-03T12:00:00Z"),
    "order of another": order(seller_id="B", event_time="2026-09-01T12:00:00Z"),
}
TARGETS = f'[marketplaces.{US}]\ntime_zone = "America/Los_Angeles"\n'


class Taking:
    """A producer that keeps what it is given."""

    def __init__(self) -> None:
        self.taken: list[Any] = []

    def __call__(self, _: object) -> Self:
        return self

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        pass

    async def add(self, topic: str, key: bytes | None, value: bytes | None) -> None:
        assert value is not None
        assert key == json.loads(value)["seller_id"].encode()
        self.taken.append((topic, json.loads(value)))

    async def flush(self) -> None:
        pass


@pytest.fixture
def producer(monkeypatch: pytest.MonkeyPatch) -> Taking:
    taking = Taking()
    monkeypatch.setattr(command, "Producer", taking)
    return taking


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """All of it in a file, the other way round."""
    path = tmp_path / "events.jsonl"
    lines = [{"topic": topic, "key": value["seller_id"], "value": value} for topic, value in TOLD.values()]
    path.write_text("".join(f"{json.dumps(line)}\n" for line in reversed(lines)), encoding="utf-8")
    return path


def replayed(archive: Path, *flags: str) -> Result:
    targets = archive.with_name("targets.toml")
    targets.write_text(TARGETS, encoding="utf-8")
    common = ("--targets", str(targets), "--data-dir", str(archive.parent / "data"))
    return CliRunner().invoke(main, ["replay", str(archive), *common, *flags])


def named(taken: Sequence[InputEvent]) -> list[str]:
    return [name for of in taken for name, told in TOLD.items() if told == of]


IN_ORDER = (
    "order of another",
    "order",
    "order there",
    "message there of the same id",
    "claim of it",
    "claim that names another marketplace",
)


@pytest.mark.parametrize(
    ("flags", "left_out"),
    [
        ((), ()),
        (("--seller", SELLER), ("order of another",)),
        # The claim counts where its order does, whatever marketplace it names.
        (("--marketplace", US), ("order there", "message there of the same id")),
        (("--marketplace", DE, "--seller", "B"), IN_ORDER),
        # A day ends in its marketplace's zone: the claim that names another is of the next day there.
        (("--to", "2026-10-31"), ("claim that names another marketplace",)),
        (("--to", "2026-10-20", "--from", "2026-10-20"), ("claim that names another marketplace",)),
    ],
    ids=" ".join,
)
def test_what_flags_choose_of_history_is_fed_in_its_order(
    producer: Taking, archive: Path, flags: tuple[str, ...], left_out: tuple[str, ...]
) -> None:
    # The flags were taken and forgotten: whoever asked for one seller fed them all.
    ended = replayed(archive, "--live", "--into", "again.", "--speed", "999999d/s", *flags)
    assert ended.exit_code == 0, ended.output
    assert named(producer.taken) == [name for name in IN_ORDER if name not in left_out]
    assert ("no event of those" in ended.stderr) == (not producer.taken)


def test_a_day_ends_at_midnight_of_its_marketplace(producer: Taking, archive: Path) -> None:
    line = {"topic": "orders", "key": SELLER, "value": order(**LATER)[1]}
    archive.write_text(json.dumps(line), encoding="utf-8")
    flags = ("--live", "--into", "again.")
    assert replayed(archive, *flags, "--to", "2026-10-30").exit_code == 0
    assert producer.taken == []
    assert replayed(archive, *flags, "--to", "2026-10-31").exit_code == 0
    assert len(producer.taken) == 1


def test_what_happened_before_the_first_day_is_fed_at_once(
    producer: Taking, archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The windows of the first day are made of what was before it: without it, the figures would be too low for months.
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    monkeypatch.setattr("stream.tools.replay.live.asyncio.sleep", sleep)
    assert replayed(archive, "--live", "--into", "again.", "--from", "2026-11-01").exit_code == 0
    assert named(producer.taken) == list(IN_ORDER)
    assert max(waited) < timedelta(hours=8) / timedelta(days=1)
    assert replayed(archive, "--live", "--into", "again.").exit_code == 0
    assert max(waited) > 30


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (
            ("--live", "--into", "again.", "--csv", "a", "--parquet", "b", "--prometheus", "c", "--name", "d"),
            "--csv, --parquet, --prometheus, --name: not with --live, which only feeds topics",
        ),
        (("--live", "--into", "again.", "--no-table"), "--table: not with --live, which only feeds topics"),
        (("--live", "--into", "again.", "--processes", "1"), "--processes: not with --live, which only feeds topics"),
        (("--live", "--into", "again.", "--from", "2026-10-02", "--to", "2026-10-01"), "--from is after --to"),
        (("--into", "again.", "--speed", "1d/s"), "--speed, --into: only with --live"),
        (("--csv", "days.csv", "--name", "march"), "--name: only with --prometheus"),
    ],
    ids=lambda of: " ".join(of) if isinstance(of, tuple) else "",
)
def test_a_flag_that_would_do_nothing_is_refused(
    producer: Taking, archive: Path, flags: tuple[str, ...], says: str
) -> None:
    ended = replayed(archive, *flags)
    assert ended.exit_code == 1
    assert ended.stderr.startswith(f"odr: {says}")
    assert ended.stderr.count("\n") == 1
    assert producer.taken == []
