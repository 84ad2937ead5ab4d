"""Starting, stopping and waiting for worker processes, as a supervisor would."""

import signal
from collections.abc import Sequence
from pathlib import Path

from tests.broker.harness import PARTITIONS, Worker, eventually
from tests.faults.worker import COMMAND


def is_running(worker: Worker) -> bool:
    return worker.process is not None and worker.process.poll() is None


def await_shared(workers: Sequence[Worker], seconds: float = 60) -> None:
    """Wait until these workers own all partitions, each of them at least one, and have restored them."""

    def shared() -> bool:
        for worker in workers:
            assert is_running(worker), f"worker {worker.name} has ended:\n{worker.log()[-2000:]}"
        owned = [worker.partitions() for worker in workers]
        return all(owned) and sorted(number for numbers in owned for number in numbers) == list(range(PARTITIONS))

    try:
        eventually(shared, f"{[worker.name for worker in workers]} share all partitions", seconds)
    except AssertionError:
        for worker in filter(is_running, workers):
            tell_tasks(worker)
        raise


def tell_tasks(worker: Worker) -> None:
    """Have a worker write to its log what each of its tasks waits for, if it is one that does."""
    if COMMAND[0] in worker.command:
        assert worker.process is not None
        worker.process.send_signal(signal.SIGRTMIN)
        eventually(lambda: "Stack for" in worker.log(), f"the tasks of worker {worker.name}", 5)


def stop_all(workers: Sequence[Worker]) -> None:
    """Stop workers as a supervisor does, all at once."""
    for worker in workers:
        assert worker.process is not None
        worker.process.send_signal(signal.SIGTERM)
    for worker in workers:
        assert worker.process is not None
        assert worker.process.wait(30) == 0, worker.log()[-2000:]


def await_end(worker: Worker, seconds: float = 60) -> int:
    """Wait until a worker has ended by itself; return its exit status."""
    assert worker.process is not None
    return worker.process.wait(seconds)


def end_of(worker: Worker, names: str, seconds: float = 60) -> str:
    """Return the one line in which a worker that can't go on tells why; it begins with what it `names`."""
    # Three traces came before that line: Mode told of the same error wherever it passed.
    told_before = worker.log().count("Traceback")
    assert await_end(worker, seconds) == 1
    last = worker.log().splitlines()[-1]
    assert last.startswith(f"odr worker: {names}"), last
    assert worker.log().count("Traceback") == told_before
    return last


def await_frozen(worker: Worker, seconds: float = 60) -> None:
    """Wait until a worker has frozen itself."""
    eventually(lambda: state_of(worker) == "T", f"worker {worker.name} frozen", seconds)


def state_of(worker: Worker) -> str:
    """Return the letter by which Linux tells a process's state; empty where it has ended."""
    assert worker.process is not None
    try:
        return Path(f"/proc/{worker.process.pid}/stat").read_text().rpartition(") ")[2][:1]
    except FileNotFoundError:
        return ""


def start_again(worker: Worker, *faults: str) -> None:
    """Start a worker that has ended once more, with these faults to come."""
    worker.more = {**worker.more, "FAULT_STEPS": ",".join(faults)}
    worker.start()
