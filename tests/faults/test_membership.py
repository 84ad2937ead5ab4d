"""Workers that come and go while events flow."""

import pytest

from tests.faults.supervise import await_shared, stop_all
from tests.faults.trial import SEEDS, Conclude, Trial

pytestmark = pytest.mark.broker


def test_workers_that_join_leave_and_die_in_full_flow_lose_and_double_nothing(trial: Trial, conclude: Conclude) -> None:
    workers = trial.begin("one")
    with trial.flow() as flow:
        workers += [trial.worker("two"), trial.worker("three")]
        await_shared(workers)
        flow.await_more(2_000)
        for _ in range(6 if SEEDS else 2):
            victim = trial.rng.choice(workers)
            victim.kill()
            victim.start()
            flow.await_more(trial.rng.randrange(500, 10_000))
        await_shared(workers)
        stays = workers.pop(trial.rng.randrange(3))
        stop_all(workers)
        await_shared([stays])
        flow.await_more(1_000)
    conclude(trial, "scaled from 1 worker to 3 and back to 1, stopped gracefully", "worker killed at a random moment")
