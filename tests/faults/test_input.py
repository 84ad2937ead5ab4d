"""Input that is no event wherever it stands, and input that comes a second time."""

import pytest

from tests.broker.harness import READ
from tests.faults.changelog import states_written
from tests.faults.trial import Conclude, Trial

pytestmark = pytest.mark.broker


def test_malformed_records_at_any_position_and_a_second_time_everything_change_no_figure(
    trial: Trial, conclude: Conclude
) -> None:
    trial.produce_poison(10 * len(READ))  # the first ones of most partitions, and in a row
    trial.begin("one")
    with trial.flow() as flow:  # which has some in between
        trial.produce_poison(10)
        flow.await_more(15_000)
    for _ in range(3):  # the last ones, each alone
        trial.cluster.await_caught_up()
        trial.produce_poison(1)
    trial.cluster.await_caught_up()
    told, written = len(trial.cluster.read("health-changes")), states_written(trial.cluster)
    trial.produce_again()
    trial.cluster.await_caught_up()
    assert (len(trial.cluster.read("health-changes")), states_written(trial.cluster)) == (told, written)
    conclude(trial, "malformed records at every position", "the whole input a second time")
