"""What is asked of each kind of worker that is compared."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from tests.broker.harness import Cluster, Worker
from tests.recount import InputEvent


@dataclass(frozen=True)
class Reading:
    """What is shown in the end: how many events are not in it, or more than once, and for how many sellers it is wrong.

    `wrong_figures`: one of the figures is not the recount's. `wrong_sums`: what is added up, event by event, comes to
    another sum than it should.
    """

    lost: int
    repeated: int
    wrong_figures: int
    wrong_sums: int


class Contender(ABC):
    """A kind of worker."""

    title: str
    prefix: str

    @abstractmethod
    def worker(self, cluster: Cluster, name: str) -> Worker:
        """Return a worker that has not been started yet."""

    @abstractmethod
    def progress(self, worker: Worker) -> int:
        """Return how many events the worker has applied; 0 where it does not answer."""

    @abstractmethod
    def reading(self, survivor: Worker, events: Collection[InputEvent]) -> Reading | None:
        """Return what the last worker shows; None where it does not answer."""


def repeated(times: Mapping[str, int]) -> int:
    """Return how many are there more than once."""
    return sum(each > 1 for each in times.values())
