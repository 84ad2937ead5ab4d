"""The local disk: one RocksDB per partition, a cache of what is committed to Kafka.

It only makes a restart quicker than the changelog does. Whatever is not as it should be (another cluster or group, an
older format, a damaged file, older than tombstones live) is thrown away and restored from the changelog.
"""

import fcntl
import logging
import os
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Self

import msgspec
from rocksdict import BlockBasedOptions, DBCompressionType, Options, Rdict, WriteBatch

from stream.changelog import Entry
from stream.events import FORMAT
from stream.settings import SettingsError

_LOG: Final = logging.getLogger(__name__)
_POSITION: Final = b"\x00position"
_CLOCKS_DIFFER_SECONDS: Final = 60.0


class Position(msgspec.Struct, array_like=True, frozen=True):
    """Up to where a store holds what is committed.

    `origin` names the changelog (cluster, topic, partition), `changelog_offset` is the next one to read, `written_at`
    the timestamp of the one before it, by the broker's clock, in milliseconds since the epoch. The source offsets are
    the group's own, committed with the changelog.
    """

    origin: str
    changelog_offset: int
    written_at: int
    format: int = FORMAT


_encode_position = msgspec.msgpack.Encoder().encode
_decode_position = msgspec.msgpack.Decoder(Position).decode


def _options() -> Options:
    options = Options(raw_mode=True)
    options.create_if_missing(True)
    options.set_write_buffer_size(2 * 1024 * 1024)
    options.set_max_total_wal_size(8 * 1024 * 1024)
    options.set_keep_log_file_num(1)
    reading = BlockBasedOptions()
    reading.disable_cache()  # read once, from beginning to end, at a restart
    options.set_block_based_table_factory(reading)
    options.set_compression_type(DBCompressionType.lz4())
    return options


class DamagedError(Exception):
    """The files on the disk can't be read to their end; the message is RocksDB's own."""


class Store:
    """One partition's entries on disk. Raises SettingsError where the disk can't be written."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._rocks = self._open()

    def position(self, origin: str, max_age_seconds: float) -> Position | None:
        """Return up to where the store can be trusted, or None where it has to be restored from the beginning."""
        try:
            packed = self._rocks.get(_POSITION)
            position = None if packed is None else _decode_position(packed)
        except Exception as problem:  # noqa: BLE001 - rocksdict raises bare Exception for damaged files
            _LOG.warning("local state in %s can't be read, restoring from the changelog: %s", self._directory, problem)
            return None
        if position is None:
            return None
        age = time.time() - position.written_at / 1000
        known = position.origin == origin and position.format == FORMAT
        # Written in the future: a clock was wrong, and the real age can't be known.
        return position if known and -_CLOCKS_DIFFER_SECONDS <= age <= max_age_seconds else None

    def entries(self) -> Iterator[tuple[bytes, bytes]]:
        """Yield every stored entry; raises DamagedError where they can't be read to the last one."""
        try:
            reading = self._rocks.iter()
            reading.seek_to_first()
            while reading.valid():
                key = reading.key()
                if key != _POSITION:
                    yield key, reading.value()
                reading.next()
            reading.status()  # a damaged block ends the reading like the last entry does; only this tells them apart
        except Exception as problem:  # noqa: BLE001 - rocksdict raises bare Exception for damaged files
            raise DamagedError(str(problem)) from None

    def write(self, entries: Iterable[Entry], position: Position) -> None:
        """Write entries and the position, all or nothing."""
        batch = WriteBatch(raw_mode=True)
        for key, value in entries:
            if value is None:
                batch.delete(key)
            else:
                batch.put(key, value)
        batch.put(_POSITION, _encode_position(position))
        with self._needed():
            self._rocks.write(batch)

    def clear(self) -> None:
        """Forget everything."""
        self.close()
        shutil.rmtree(self._directory, ignore_errors=True)
        self._rocks = self._open()

    def close(self) -> None:
        """Release the files."""
        try:
            self._rocks.close()
        except Exception as problem:  # noqa: BLE001 - rocksdict raises bare Exception for damaged files
            _LOG.warning("local state in %s is damaged: %s", self._directory, problem)

    def _open(self) -> Rdict:
        with self._needed():
            self._directory.mkdir(parents=True, exist_ok=True)
        try:
            return Rdict(str(self._directory), _options())
        except Exception as problem:  # noqa: BLE001 - rocksdict raises bare Exception for damaged files
            _LOG.warning("local state in %s is damaged, restoring from the changelog: %s", self._directory, problem)
        with self._needed():
            shutil.rmtree(self._directory)
            self._directory.mkdir(parents=True)
            return Rdict(str(self._directory), _options())

    @contextmanager
    def _needed(self) -> Iterator[None]:
        """Say in one line what keeps the disk from being written: full, gone, or not ours."""
        try:
            yield
        except Exception as problem:
            raise SettingsError(f"STREAM_DATA_DIR: {self._directory} can't be written: {problem}") from problem


class DataDirectory:
    """A worker's data directory, locked while the worker lives."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock: int | None = None

    def lock(self) -> Self:
        """Take the directory; raises SettingsError where another worker has it or it can't be written."""
        try:
            self._path.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(self._path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SettingsError(
                f"STREAM_DATA_DIR: another worker uses {self._path}; give each worker a directory of its own"
            ) from None
        except OSError as problem:
            raise SettingsError(f"STREAM_DATA_DIR: {self._path}: {problem.strerror}") from None
        return self

    def store(self, partition: int) -> Store:
        """Return the store of one partition."""
        return Store(self._path / "partitions" / str(partition))

    def partitions(self) -> list[int]:
        """Return the partitions that have a store here."""
        stores = self._path / "partitions"
        return sorted(int(entry.name) for entry in stores.iterdir() if entry.name.isdigit()) if stores.exists() else []
