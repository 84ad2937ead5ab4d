"""What can happen to a partition's local state: each of these leaves one that must not be believed."""

import os
import random
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from rocksdict import Options, Rdict

Damage = Callable[[Path, random.Random], None]


def delete(directory: Path, _: random.Random) -> None:
    shutil.rmtree(directory)


def truncate(directory: Path, _: random.Random) -> None:
    """Cut half of every table and of every file that lists them."""
    files = [path for pattern in ("*.sst", "MANIFEST-*") for path in directory.glob(pattern)]
    assert files
    for path in files:
        os.truncate(path, path.stat().st_size // 2)


def flip_bytes(directory: Path, rng: random.Random) -> None:
    """Turn one byte of the data of each table, which only its checksum can tell."""
    tables = list(directory.glob("*.sst"))
    assert tables
    for path in tables:
        content = bytearray(path.read_bytes())
        content[rng.randrange(len(content) // 2)] ^= 0xFF
        path.write_bytes(content)


def age_format(directory: Path, _: random.Random) -> None:
    """Make it one of an older format, without entries: whoever believes it shows nothing of them."""
    _rewrite(directory, lambda position: [*position[:-1], position[-1] - 1])


def backdate(directory: Path, _: random.Random) -> None:
    """Make it one that was written before the changelog's tombstones were thrown away, and without entries."""
    _rewrite(directory, lambda position: [*position[:2], 1, *position[3:]])


def replaced_by(foreign: Path) -> Damage:
    """Return what puts the same partition's state of another data directory there."""

    def replace(directory: Path, _: random.Random) -> None:
        shutil.rmtree(directory)
        shutil.copytree(foreign / "partitions" / directory.name, directory)

    return replace


def _rewrite(directory: Path, change: Callable[[list[Any]], list[Any]]) -> None:
    """Throw every entry away, and change the position up to which the store claims to be."""
    store = Rdict(str(directory), Options(raw_mode=True))
    for key in list(store.keys()):
        if key == b"\x00position":
            store[key] = msgspec.msgpack.encode(change(msgspec.msgpack.decode(store[key])))
        else:
            del store[key]
    store.close()


@contextmanager
def small_disk(directory: Path, megabytes: int) -> Iterator[None]:
    """Mount a disk of that size; skips where that is not allowed, but in CI it has to be."""
    directory.mkdir(parents=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(directory)]
    mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    if mounted.returncode:
        told = f"a small disk can't be mounted: {mounted.stderr.strip()}"
        if os.environ.get("CI"):
            pytest.fail(told, pytrace=False)
        pytest.skip(told)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(directory)], check=True)


def fill(directory: Path) -> Path:
    """Write a file until nothing more fits; return it."""
    ballast = directory / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while file.write(bytes(4096)):
                pass
        except OSError:
            return ballast
    return ballast
