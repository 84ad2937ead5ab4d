"""A real worker to which faults happen: `python -m tests.faults.worker worker` is `odr worker`, with these variables.

FAULT_STEPS            `STEP:TIMES:WHAT[,...]`: at the TIMESth time of a step of the durability protocol, counted from
                       the fault before, WHAT happens: `kill`, `freeze` (SIGSTOP), `full` (the disk, from then on) or
                       `sleep=SECONDS` of the whole process
FAULT_CLOCK_SECONDS    how far its clock is ahead; behind where negative
FAULT_SESSION_SECONDS  how long the group waits for its heartbeat, in place of the worker's own patience

On SIGRTMIN it tells what each of its tasks waits for.
"""

import asyncio
import errno
import os
import signal
import sys
import time
from collections import deque
from collections.abc import Sequence
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING, NamedTuple, Self

if TYPE_CHECKING:
    from stream.worker.ground import Step

COMMAND = ("tests.faults.worker", "worker")
"""The module and its argument, for `Cluster.worker`."""


class Fault(NamedTuple):
    """What happens at which time of a step."""

    step: str
    times: int
    what: str

    @classmethod
    def parse(cls, text: str) -> Self:
        step, times, what = text.split(":")
        return cls(step, int(times), what)


class Faults:
    """The faults that are still to happen, one after another."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self._faults = deque(faults)
        self._times = 0

    def reached(self, step: "Step", _partition: int) -> None:
        """Let the next fault happen if this is its moment (a `stream.worker.ground.Reached`)."""
        if not self._faults or self._faults[0].step != step:
            return
        self._times += 1
        if self._times == self._faults[0].times:
            self._times = 0
            _happen(self._faults.popleft().what)


def _happen(what: str) -> None:
    name, _, seconds = what.partition("=")
    match name:
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "freeze":
            os.kill(os.getpid(), signal.SIGSTOP)
        case "full":
            _fill_disk()
        case "sleep":
            time.sleep(float(seconds))
        case _:
            raise ValueError(f"there is no fault {what!r}")


def _fill_disk() -> None:
    from rocksdict import Rdict  # noqa: PLC0415 - after the clock has been set

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    Rdict.write = refuse


def set_clock_ahead(seconds: float) -> None:
    """Make this process believe that it is so much later; nothing may have been imported that keeps a clock."""
    right, right_ns = time.time, time.time_ns
    nanoseconds = int(seconds * 1e9)
    time.time = lambda: right() + seconds
    time.time_ns = lambda: right_ns() + nanoseconds


def _tell_tasks(_signal: int, _frame: FrameType | None) -> None:
    for task in asyncio.all_tasks(asyncio.get_event_loop()):
        task.print_stack()


def main() -> None:
    """Run the worker."""
    signal.signal(signal.SIGRTMIN, _tell_tasks)
    if "FAULT_CLOCK_SECONDS" in os.environ:
        set_clock_ahead(float(os.environ["FAULT_CLOCK_SECONDS"]))
    from stream.worker import contact  # noqa: PLC0415 - after the clock has been set

    if "FAULT_SESSION_SECONDS" in os.environ:  # before the intake takes its copy
        vars(contact)["SESSION_TIMEOUT_SECONDS"] = float(os.environ["FAULT_SESSION_SECONDS"])
    from stream.cli import main as odr  # noqa: PLC0415
    from stream.worker import run  # noqa: PLC0415

    planned = filter(None, os.environ.get("FAULT_STEPS", "").split(","))
    faults = Faults([Fault.parse(text) for text in planned])
    vars(run)["run"] = partial(run.run, reached=faults.reached)
    odr(sys.argv[1:])


if __name__ == "__main__":
    main()
