from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from rich.console import Console
from rich.table import Table

from stream.tools.kafka import Broker
from tests.broker.harness import Cluster
from tests.faults.brokers import PROPERTIES
from tests.faults.oracle import Verdict
from tests.faults.trial import SEEDS, Conclude, Trial


class Outcome(NamedTuple):
    """What was found after a trial, of so many events in so many seconds."""

    verdict: Verdict
    events: int
    seconds: float


OUTCOMES = pytest.StashKey[dict[str, list[Outcome]]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[OUTCOMES] = {}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if SEEDS and "seed" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.timeout(900))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "seed" in metafunc.fixturenames:
        metafunc.parametrize("seed", range(SEEDS or 1))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if not (SEEDS and config.stash[OUTCOMES]):
        return
    table = Table("fault", "times", "events", "a second", "lost", "doubled", "wrong")
    for fault, found in config.stash[OUTCOMES].items():
        verdicts = [outcome.verdict for outcome in found]
        lost, doubled = sum(verdict.lost for verdict in verdicts), sum(verdict.doubled for verdict in verdicts)
        wrong = sum(bool(verdict.problems) for verdict in verdicts)
        events = sum(outcome.events for outcome in found)
        a_second = events / sum(outcome.seconds for outcome in found)
        table.add_row(fault, str(len(found)), f"{events:,}", f"{a_second:,.0f}", *map(str, (lost, doubled, wrong)))
    terminalreporter.section("faults")
    with (console := Console(width=100)).capture() as told:
        console.print(table)
    terminalreporter.write(told.get())


@pytest.fixture(scope="session")
def shared_broker(kafka_here: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:  # noqa: ARG001
    """The broker of all tests that leave it alone."""
    with Broker(tmp_path_factory.mktemp("kafka"), properties=PROPERTIES) as started:
        yield started


@pytest.fixture
def cluster(shared_broker: Broker, topic_prefix: str, tmp_path: Path) -> Cluster:
    return Cluster(shared_broker.bootstrap, topic_prefix, tmp_path)


@pytest.fixture
def trial(cluster: Cluster, seed: int) -> Iterator[Trial]:
    with Trial(cluster, seed) as begun:
        yield begun


@pytest.fixture
def conclude(request: pytest.FixtureRequest) -> Conclude:
    """Judges a trial, notes the verdict for the table under each fault's name, and fails where anything is wrong."""

    def concluded(trial: Trial, *faults: str) -> None:
        verdict = trial.judge()
        events, seconds = sum(len(flow.sent) for flow in trial.flows), sum(flow.seconds for flow in trial.flows)
        for fault in faults:
            request.config.stash[OUTCOMES].setdefault(fault, []).append(Outcome(verdict, events, seconds))
        assert not verdict.problems, f"{len(verdict.problems)} problems, such as {verdict.problems[:5]}"

    return concluded
