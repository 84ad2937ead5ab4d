"""What happens to the workers and the broker of a soak, at random moments."""

import random
import shutil
import signal
import time
from collections.abc import Callable

from stream.tools.kafka import Broker
from tests.broker.harness import Worker, eventually
from tests.faults.supervise import is_running, stop_all

FREEZE_SECONDS = 15
FEWEST, MOST = 2, 3


class Chaos:
    """The workers of a soak, of which there are always two or three, and its broker."""

    def __init__(self, rng: random.Random, broker: Broker, workers: list[Worker]) -> None:
        self.workers = workers
        self._rng = rng
        self._to_come: list[str] = []
        self._broker = broker
        self.faults: dict[str, Callable[[], None]] = {
            "worker killed": self._kill_worker,
            "worker stopped and started": self._restart_worker,
            f"worker frozen for {FREEZE_SECONDS} s": self._freeze_worker,
            "worker added or removed": self._add_or_remove_worker,
            "data directory of a stopped worker deleted": self._lose_disk,
            "broker killed and restarted": self._kill_broker,
        }

    @property
    def running(self) -> list[Worker]:
        return [worker for worker in self.workers if is_running(worker)]

    def choose(self) -> str:
        """Return the name of the next fault: each comes once before any comes again."""
        if not self._to_come:
            self._to_come = self._rng.sample(list(self.faults), len(self.faults))
        return self._to_come.pop()

    def _kill_worker(self) -> None:
        victim = self._rng.choice(self.running)
        victim.kill()
        victim.start()

    def _restart_worker(self) -> None:
        victim = self._rng.choice(self.running)
        stop_all([victim])
        victim.start()

    def _freeze_worker(self) -> None:
        victim = self._rng.choice(self.running)
        assert victim.process is not None
        victim.process.send_signal(signal.SIGSTOP)
        thaw_at = time.monotonic() + FREEZE_SECONDS
        eventually(lambda: time.monotonic() > thaw_at, "frozen for long enough")
        victim.process.send_signal(signal.SIGCONT)

    def _add_or_remove_worker(self) -> None:
        running = self.running
        if len(running) < MOST:
            next(worker for worker in self.workers if not is_running(worker)).start()
        else:
            stop_all([self._rng.choice(running)])

    def _lose_disk(self) -> None:
        victim = self._rng.choice(self.running)
        stop_all([victim])
        shutil.rmtree(victim.data_dir)
        victim.start()

    def _kill_broker(self) -> None:
        self._broker.kill()
        self._broker.start()
