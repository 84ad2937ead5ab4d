"""Workers that die or freeze at every step of the protocol by which figures are made durable."""

import pytest

from stream.worker.ground import STEPS, Step
from tests.faults.trial import Conclude, Trial, await_end, await_frozen, await_shared, start_again

pytestmark = pytest.mark.broker

PAIRS = [STEPS[0:2], STEPS[2:4], STEPS[4:6], STEPS[5:7]]
"""Every step, two at a time for two workers: waiting for the group to give a silent one up is what takes long."""


def faults_at(step: Step, what: str, trial: Trial) -> str:
    """Return a fault at a step of one of the next rounds, or of a restore, which not every partition needs."""
    times = 1 if step == "restoring" else trial.rng.randint(1, 6)
    return f"{step}:{times}:{what}"


def test_a_worker_that_dies_or_freezes_at_any_step_loses_and_doubles_nothing(trial: Trial, conclude: Conclude) -> None:
    *victims, survivor = trial.begin("one", "two", "survivor")
    with trial.flow() as flow:
        for victim in victims:
            victim.kill()
        for steps in PAIRS:
            for victim, step in zip(victims, steps, strict=True):
                start_again(victim, faults_at(step, "kill", trial))
            for victim, step in zip(victims, steps, strict=True):
                assert await_end(victim) == -9, step
        for number, victim in enumerate(victims):
            start_again(victim, *(faults_at(steps[number], "freeze", trial) for steps in PAIRS))
        for _ in PAIRS:
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
