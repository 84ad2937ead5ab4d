from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console
from rich.table import Table

from stream.tools.kafka import Broker
from tests.broker.harness import Cluster
from tests.faults.brokers import PROPERTIES
from tests.faults.oracle import Verdict
from tests.faults.trial import SEEDS, Conclude, Trial

VERDICTS = pytest.StashKey[dict[str, list[Verdict]]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[VERDICTS] = {}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if SEEDS and "seed" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.timeout(900))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "seed" in metafunc.fixturenames:
        metafunc.parametrize("seed", range(SEEDS or 1))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if not (SEEDS and config.stash[VERDICTS]):
        return
    table = Table("fault", "times", "lost", "doubled", "wrong")
    for fault, found in config.stash[VERDICTS].items():
        lost, doubled = sum(verdict.lost for verdict in found), sum(verdict.doubled for verdict in found)
        wrong = sum(bool(verdict.problems) for verdict in found)
        table.add_row(fault, *map(str, (len(found), lost, doubled, wrong)))
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
        for fault in faults:
            request.config.stash[VERDICTS].setdefault(fault, []).append(verdict)
        assert not verdict.problems, f"{len(verdict.problems)} problems, such as {verdict.problems[:5]}"

    return concluded
