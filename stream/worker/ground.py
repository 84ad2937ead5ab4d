"""What all partitions of a worker share, and the steps of the protocol by which each keeps its figures durable."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal, get_args

from stream.evaluation import EvaluationDays
from stream.rules import Rules
from stream.settings import Settings
from stream.worker.telemetry import Telemetry

SERVICE_LOG: Final = logging.getLogger("mode.odr")
"""Where Mode tells what each service does, with every trace: for whoever asks. A worker's end is told in one line."""

Step = Literal["restoring", "fetched", "folded", "acknowledged", "offsets_sent", "committed", "stored"]
"""A moment of the protocol that has been reached: in the middle of a restore, or one of a round.

A round has been fetched; folded into the accounts; its records acknowledged by the broker; its source offsets sent with
them; the transaction committed; and stored on the local disk.
"""

STEPS: Final[tuple[Step, ...]] = get_args(Step)

Reached = Callable[[Step, int], None]
"""Is told of each step and its partition. What it raises ends the worker: so faults are provoked in tests."""

Reach = Callable[[Step], None]
"""Notes that one partition has reached a step."""


def go_on(_step: Step, _partition: int) -> None:
    """Do nothing at a step: the usual."""


@dataclass(frozen=True, slots=True)
class Ground:
    """What all partitions of a worker share; `tombstones_live_seconds` is a setting of the changelog topic."""

    settings: Settings
    rules: Rules
    evaluation: EvaluationDays
    telemetry: Telemetry
    cluster_id: str
    tombstones_live_seconds: float
    reached: Reached = go_on
