"""The local disk: whatever is not as it should be is thrown away, never believed."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from stream.changelog import pack_key, unpack_key
from stream.settings import SettingsError
from stream.worker.store import DamagedError, DataDirectory, Position, Store

NOW = int(time.time() * 1000)
HERE = Position("cluster/changelog/0", 10, NOW)


def filled(directory: Path, batches: int = 40) -> dict[bytes, bytes]:
    """Write so much that some of it is in tables, as after hours of work; return the entries."""
    store = Store(directory)
    written: dict[bytes, bytes] = {}
    for batch in range(batches):
        entries = {pack_key((f"S{batch}", f"o{number}".encode())): os.urandom(100) for number in range(1_000)}
        store.write(entries.items(), Position(HERE.origin, batch, NOW))
        written |= entries
    store.close()
    return written


def tables(directory: Path) -> list[Path]:
    return sorted(directory.glob("*.sst"))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(tmp_path / "store")
    yield opened
    opened.close()


def test_what_is_written_is_there_after_a_restart(tmp_path: Path) -> None:
    written = filled(tmp_path)
    again = Store(tmp_path)
    assert again.position(HERE.origin, 3600) == Position(HERE.origin, 39, NOW)
    assert dict(again.entries()) == written
    again.close()


def test_an_entry_without_a_value_is_gone(store: Store) -> None:
    store.write([(b"a", b"1"), (b"b", b"2")], HERE)
    store.write([(b"a", None)], HERE)
    assert list(store.entries()) == [(b"b", b"2")]


def test_a_damaged_block_is_an_error_and_not_the_end_of_the_entries(tmp_path: Path) -> None:
    # RocksDB's iterator ends at a block that it can't read just as it does behind the last entry. The states behind
    # the block were missing then, and nobody said so: half of a partition's orders were in no figure.
    filled(tmp_path)
    with tables(tmp_path)[0].open("r+b") as table:
        table.seek(tables(tmp_path)[0].stat().st_size // 2)
        table.write(b"\x00" * 64)
    again = Store(tmp_path)
    with pytest.raises(DamagedError):
        list(again.entries())
    again.clear()
    assert list(again.entries()) == []
    again.write([(b"a", b"1")], HERE)
    again.close()


@pytest.mark.parametrize("harm", ["a table is cut short", "a table is gone", "the list of files is gone", "garbage"])
def test_files_that_are_cut_gone_or_garbage_leave_an_empty_store(tmp_path: Path, harm: str) -> None:
    filled(tmp_path)
    if harm == "a table is cut short":
        os.truncate(tables(tmp_path)[-1], 1000)
    elif harm == "a table is gone":
        tables(tmp_path)[-1].unlink()
    elif harm == "the list of files is gone":
        (tmp_path / "CURRENT").unlink()
    else:
        next(tmp_path.glob("MANIFEST-*")).write_bytes(b"garbage")
    again = Store(tmp_path)
    assert again.position(HERE.origin, 3600) is None
    assert list(again.entries()) == []
    again.close()


def test_a_log_that_is_cut_short_leaves_a_position_that_fits_what_is_left(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for number in range(100):
        store.write([(b"key-%d" % number, b"x" * 100)], Position(HERE.origin, number, NOW))
    # As after a kill: nothing has been closed. Another process would open the files as they are now.
    copy = tmp_path.with_name("copy")
    copy.mkdir()
    for file in tmp_path.iterdir():
        if file.name != "LOCK":
            (copy / file.name).write_bytes(file.read_bytes())
    store.close()
    log = max(copy.glob("*.log"), key=lambda file: file.stat().st_size)
    os.truncate(log, log.stat().st_size // 2)
    again = Store(copy)
    position = again.position(HERE.origin, 3600)
    assert position is not None
    assert 0 < position.changelog_offset < 99
    assert len(list(again.entries())) == position.changelog_offset + 1
    again.close()


@pytest.mark.parametrize(
    "position",
    [
        Position("another-cluster/changelog/0", 10, NOW),
        Position("cluster/another.order-states/0", 10, NOW),
        Position("cluster/changelog/0", 10, NOW, format=0),
        Position("cluster/changelog/0", 10, NOW - 7200 * 1000),
        Position("cluster/changelog/0", 10, NOW + 7200 * 1000),
    ],
    ids=["another cluster", "another group", "another format", "older than tombstones live", "of a wrong clock"],
)
def test_a_position_that_is_not_ours_or_too_old_is_none(store: Store, position: Position) -> None:
    store.write([(b"a", b"1")], position)
    assert store.position(HERE.origin, max_age_seconds=3600) is None


def test_a_position_that_cant_be_read_is_none(store: Store) -> None:
    store.write([], HERE)
    store._rocks.put(b"\x00position", b"garbage")
    assert store.position(HERE.origin, 3600) is None


def test_a_disk_that_cant_be_written_is_told_in_one_line_that_names_the_setting(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.touch()
    with pytest.raises(SettingsError, match=f"STREAM_DATA_DIR: {blocked}/0 can't be written: "):
        Store(blocked / "0")


def test_partitions_that_have_a_store_are_listed(tmp_path: Path) -> None:
    directory = DataDirectory(tmp_path).lock()
    assert directory.partitions() == []
    for number in (3, 1):
        directory.store(number).close()
    assert directory.partitions() == [1, 3]


def test_a_packed_key_gives_the_key_back() -> None:
    key = ("Ö/2 \n", b"903-\xff")
    assert unpack_key(pack_key(key)) == key
