"""Processes that this one starts, and that never outlive it: not Ctrl-C, not SIGKILL, not a crash."""

import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Final

# The shell becomes the command by exec and leaves a watcher behind that reads our end of a pipe. The pipe closes when
# this process ends in whatever way, SIGKILL included, and the watcher then kills the command ($$ is its process id). A
# parent death signal would do less: it fires when the thread that started the command ends, and exists on Linux only.
_DIE_WITH_PARENT: Final = 'exec 3<&0; (read -r _ <&3; kill -9 $$) 2>/dev/null >&2 & exec 3<&-; exec "$@" </dev/null'


def start(
    command: Sequence[str],
    *,
    directory: Path | None = None,
    environment: Mapping[str, str] | None = None,
    output: int | IO[bytes] | None = None,
    kept_open: Sequence[int] = (),
) -> subprocess.Popen[bytes]:
    """Start a command that dies with this process, and that Ctrl-C in the terminal does not reach.

    `output` takes both of its streams; None leaves it this process's own. `kept_open` are descriptors that it inherits.
    """
    return subprocess.Popen(  # noqa: S603 - our own commands
        ["/bin/sh", "-c", _DIE_WITH_PARENT, command[0], *command],
        cwd=directory,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=output,
        stderr=output,
        start_new_session=True,
        pass_fds=kept_open,
    )


def stop(process: subprocess.Popen[bytes], timeout_seconds: float) -> None:
    """Ask a command to end (SIGTERM), and kill it if it has not within the timeout."""
    process.terminate()
    try:
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout_seconds)
    finally:
        kill(process)


def kill(process: subprocess.Popen[bytes]) -> None:
    """End a command at once (SIGKILL)."""
    process.kill()
    process.wait()
    if process.stdin is not None:
        process.stdin.close()  # ends the watcher


@contextmanager
def running(
    command: Sequence[str],
    *,
    stop_seconds: float,
    directory: Path | None = None,
    environment: Mapping[str, str] | None = None,
    output: int | IO[bytes] | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command for as long as the context lasts."""
    process = start(command, directory=directory, environment=environment, output=output)
    try:
        yield process
    finally:
        stop(process, stop_seconds)
