"""Workers whose clocks are wrong."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from tests.broker.harness import Cluster, Worker, eventually, exposed, figure, history
from tests.faults.supervise import await_shared, start_again, stop_all
from tests.faults.trial import Conclude, Trial
from tests.faults.worker import COMMAND
from tests.recount import gauge_differences, gauges, latest, order_date

pytestmark = pytest.mark.broker

MARKETPLACES = ("ATVPDKIKX0DER", "A1PA6795UKMFR9")
HOUR = timedelta(hours=1)
MONTH = timedelta(days=30)


@pytest.fixture
def today() -> date:
    return datetime.now(UTC).date()


@pytest.fixture
def zones() -> dict[str, str]:
    """Have it noon everywhere, so that the clocks of an hour's difference agree on the day."""
    hours_behind = datetime.now(UTC).hour - 12
    return dict.fromkeys(MARKETPLACES, f"Etc/GMT{hours_behind:+d}")


@pytest.fixture
def trial(cluster: Cluster, seed: int, tmp_path: Path, zones: dict[str, str], today: date) -> Trial:
    tables = [f'[marketplaces.{name}]\ntime_zone = "{zone}"\n' for name, zone in zones.items()]
    (tmp_path / "targets.toml").write_text("".join(tables))
    cluster.environment |= {"STREAM_TODAY": "", "STREAM_TARGETS": str(tmp_path / "targets.toml")}
    return Trial(cluster, seed, day=today, zones=zones)


def ahead(by: timedelta) -> dict[str, str]:
    return {"FAULT_CLOCK_SECONDS": str(by.total_seconds())}


def kept_orders(trial: Trial, day: date, zones: dict[str, str]) -> int:
    orders = [order for thing, order in latest(trial.events).items() if thing.topic == "orders"]
    return sum(order_date(order, zones) > day - timedelta(days=200) for order in orders)


def orders_kept(worker: Worker) -> float:
    return figure(worker.series(), "stream_orders") or 0.0


def test_wrong_clocks_lose_and_erase_nothing_until_they_are_confirmed(
    trial: Trial, conclude: Conclude, zones: dict[str, str], today: date
) -> None:
    # Orders up to the edge of what is kept, wherever days are cut: with a month more, the older ones would be too old.
    trial.add(history(1_500, seed=7, day=today - timedelta(days=98)))
    wrong_day = today + MONTH
    with trial:
        (right,) = trial.begin("right")
        with trial.flow() as flow:
            wrong = [trial.worker("ahead", **ahead(HOUR)), trial.worker("behind", **ahead(-HOUR))]
            await_shared([right, *wrong])
            flow.await_more(5_000)
            stop_all([right, *wrong])
            with trial.cluster.worker("wrong", command=COMMAND, **ahead(MONTH)) as worker:
                worker.await_ready()
                flow.await_more(5_000)
                assert figure(worker.series(), "stream_evaluation_day_unconfirmed") == 1
                stop_all([worker])
            start_again(right)
            await_shared([right])
        trial.cluster.await_caught_up()
        everything, fewer = kept_orders(trial, today, zones), kept_orders(trial, wrong_day, zones)
        assert fewer < everything - 100
        assert orders_kept(right) == everything
        conclude(
            trial,
            "clock of a worker an hour ahead, of another an hour behind",
            "clock of a worker a month ahead, then right again",
        )
        confirmed = {"STREAM_CONFIRMED_DAY": wrong_day.isoformat()}
        with trial.cluster.worker("confirmed", command=COMMAND, **ahead(MONTH), **confirmed) as worker:
            worker.await_ready()
            eventually(lambda: orders_kept(worker) == fewer, "the older orders leave")
            assert figure(worker.series(), "stream_evaluation_day_unconfirmed") == 0
            assert gauge_differences(exposed([worker]), gauges(trial.events, wrong_day, zones=zones)) == []
