"""Workers that die or freeze at every step of the protocol by which figures are made durable."""

from collections.abc import Callable

import pytest

from stream.worker.ground import STEPS, Step
from tests.faults.trial import Trial, await_end, await_frozen, await_shared, start_again, thaw

pytestmark = pytest.mark.broker

PAIRS = [STEPS[0:2], STEPS[2:4], STEPS[4:6], STEPS[5:7]]
"""Every step, two at a time for two workers: waiting for the group to give a silent one up is what takes long."""


def faults_at(step: Step, what: str, trial: Trial) -> str:
    """Return a fault at a step of one of the next rounds, or of a restore, which not every partition needs."""
    times = 1 if step == "restoring" else trial.rng.randint(1, 6)
    return f"{step}:{times}:{what}"


def test_a_worker_killed_at_any_step_loses_and_doubles_nothing(
    trial: Trial, conclude: Callable[[str, Trial], None]
) -> None:
    *victims, survivor = trial.begin("one", "two", "survivor")
    with trial.flow() as flow:
        for victim in victims:
            victim.kill()
        for steps in PAIRS:
            for victim, step in zip(victims, steps, strict=True):
                start_again(victim, faults_at(step, "kill", trial))
            for victim, step in zip(victims, steps, strict=True):
                assert await_end(victim) == -9, step
        for victim in victims:
            start_again(victim)
        await_shared([*victims, survivor])
        flow.await_more(2_000)
    conclude("worker killed at a step of the protocol", trial)


def test_a_worker_frozen_at_any_step_comes_back_to_nothing_that_it_has_lost(
    trial: Trial, conclude: Callable[[str, Trial], None]
) -> None:
    *victims, survivor = trial.begin("one", "two", "survivor")
    with trial.flow() as flow:
        for number, victim in enumerate(victims):
            victim.kill()
            start_again(victim, *(faults_at(steps[number], "freeze", trial) for steps in PAIRS))
        for _ in PAIRS:
            for victim in victims:
                await_frozen(victim)
            await_shared([survivor])
            flow.await_more(1_000)
            for victim in victims:
                thaw(victim)
        await_shared([*victims, survivor])
    conclude("worker frozen at a step of the protocol until another has taken over", trial)
