"""Workers that die or freeze at every step of the protocol by which figures are made durable."""

import pytest

from stream.worker.ground import STEPS, Step
from tests.faults.supervise import await_end, await_frozen, await_shared, start_again
from tests.faults.trial import Conclude, Trial

pytestmark = pytest.mark.broker

ROUNDS = [STEPS[0:3], STEPS[3:6], (STEPS[6], *STEPS[0:2])]
"""Every step, three at a time for three workers: waiting for the group to give a silent one up is what takes long."""


def faults_at(step: Step, what: str, trial: Trial) -> str:
    """Return a fault at a step of one of the next rounds, or of a restore, which not every partition needs."""
    times = 1 if step == "restoring" else trial.rng.randint(1, 6)
    return f"{step}:{times}:{what}"


def test_a_worker_that_dies_or_freezes_at_any_step_loses_and_doubles_nothing(trial: Trial, conclude: Conclude) -> None:
    *victims, survivor = trial.begin("one", "two", "three", "survivor")
    with trial.flow() as flow:
        for victim in victims:
            victim.kill()
        for steps in ROUNDS:
            for victim, step in zip(victims, steps, strict=True):
                start_again(victim, faults_at(step, "kill", trial))
            for victim, step in zip(victims, steps, strict=True):
                assert await_end(victim) == -9, step
            flow.await_more(1_000)
        for number, victim in enumerate(victims):
            start_again(victim, *(faults_at(steps[number], "freeze", trial) for steps in ROUNDS))
        for _ in ROUNDS:
            for victim in victims:
                await_frozen(victim)
            await_shared([survivor])
            flow.await_more(1_000)
            for victim in victims:
                trial.thaw(victim)
        await_shared([*victims, survivor])
    conclude(
        trial,
        "worker killed at each step of the protocol",
        "worker frozen at each step, and thawed when another had taken over",
    )
