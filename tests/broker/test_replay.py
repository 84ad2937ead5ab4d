"""`odr replay` from topics and files: what was known on each day, what is known now, and live once more."""

import csv
import gzip
import json
import random
import re
import signal
import subprocess
import sys
from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from urllib.parse import quote

import pyarrow.parquet as pq
import pytest

from stream.metrics import METRICS
from stream.tools.kafka import Broker
from tests import recount
from tests.blocks import promtool
from tests.broker.harness import DAY, Cluster, Worker, assert_exact, eventually, exposed, history
from tests.recount import WINDOWS, InputEvent, gauge_differences, gauges

pytestmark = pytest.mark.broker

Figure = tuple[int, int]
"""Numerator and denominator."""

Figures = dict[tuple[str, ...], tuple[Figure, Figure]]
"""What was known then and is known now, by day, seller, marketplace, channel, metric and window."""

NUMERATORS = {
    "order_defect": "defective_orders",
    "negative_feedback": "negative_feedback_orders",
    "claim": "claim_orders",
    "chargeback": "chargeback_orders",
}


@pytest.fixture
def cluster(broker: Broker, topic_prefix: str, tmp_path: Path) -> Cluster:
    cluster = Cluster(broker.bootstrap, topic_prefix, tmp_path)
    assert cluster.odr("topics").returncode == 0
    return cluster


def replay(cluster: Cluster, *arguments: str) -> subprocess.CompletedProcess[str]:
    return cluster.odr("replay", *arguments, STREAM_DATA_DIR=str(cluster.directory / "data"))


def told(file: Path) -> Figures:
    """What a replay wrote as comma-separated values; violations of all kinds together."""
    figures: Figures = {}
    with file.open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            key = tuple(row[name] for name in ("day", "seller", "marketplace", "channel", "metric", "window"))
            then, now = figures.get(key, ((0, 0), (0, 0)))
            assert (row["metric"] == recount.OPEN_VIOLATIONS) == bool(row["category"] and row["severity"])
            assert key not in figures or row["category"], key
            figures[key] = _added(then, row, "then"), _added(now, row, "now")
    return figures


def _added(to: Figure, row: dict[str, str], knowledge: str) -> Figure:
    return to[0] + int(row[f"numerator_{knowledge}"]), to[1] + int(row[f"denominator_{knowledge}"] or 0)


def known_by(events: Iterable[InputEvent], day: date) -> list[InputEvent]:
    end = datetime.combine(day + timedelta(days=1), time(), UTC)
    return [event for event in events if recount.instant(event[1]["event_time"]) < end]


def counted(events: list[InputEvent], day: date) -> Figures:
    """The same of one day, counted from scratch."""
    then, now = recount.recount(known_by(events, day)), recount.recount(events)
    found: Figures = {}
    for group in {*recount.groups(then), *recount.groups(now)}:
        for window in WINDOWS:
            counts = [recount.window_counts(days, *group, day, window) for days in (then, now)]
            if any(known.orders for known in counts):
                for metric, numerator in NUMERATORS.items():
                    both = tuple((getattr(known, numerator), known.orders) for known in counts)
                    found[day.isoformat(), *group, metric, window] = both[0], both[1]
    return found | counted_account(events, day)


def counted_account(events: list[InputEvent], day: date) -> Figures:
    """The rest of account health of one day."""
    both = [recount.shares(recount.parts(known, day), day) for known in (known_by(events, day), events)]
    found: Figures = {}
    for seller, marketplace, metric, window in {*both[0], *both[1]}:
        channel = "MFN" if metric in recount.OF_MFN_ORDERS else ""
        then, now = (shares.get((seller, marketplace, metric, window), (0, 0)) for shares in both)
        if metric == recount.OPEN_VIOLATIONS:
            then, now = (then[0], 0), (now[0], 0)
        if any(then) or any(now):
            found[day.isoformat(), seller, marketplace, channel, metric, window] = then, now
    return found


def test_every_day_of_the_topics_is_told_as_known_then_and_now_and_the_api_agrees(cluster: Cluster) -> None:
    events = history(500, seed=50)
    cluster.produce(events)
    cluster.produce_raw([("orders", b"S1", b"not json"), ("orders", None, None)])
    file, parquet = cluster.directory / "days.csv", cluster.directory / "days.parquet"
    ended = replay(cluster, "--csv", str(file), "--parquet", str(parquet))
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
    figures = told(file)
    days = sorted({key[0] for key in figures})
    assert days[-1] == DAY.isoformat()
    sampled = [date.fromisoformat(day) for day in random.Random(7).sample(days, 12)] + [DAY]
    for day in sampled:
        assert {key: both for key, both in figures.items() if key[0] == day.isoformat()} == counted(events, day)
    table = pq.read_table(parquet)
    assert table.num_rows == len(file.read_text(encoding="utf-8").splitlines()) - 1
    types = [str(field.type) for field in table.schema]
    assert types == ["date32[day]", *["string"] * 7, *["int64", "int64", "double"] * 2]
    with cluster.worker() as worker:
        worker.await_ready()
        cluster.await_caught_up()
        rules = cluster.settings.rules
        for day in (day for day in sampled if day > DAY - timedelta(days=125)):
            kept = {
                (metric.name, marketplace, window.name)
                for metric in METRICS
                for marketplace in {key[2] for key in figures}
                for window in metric.windows_in(marketplace, rules)
                if window.first(day.toordinal()) >= rules.first_kept_day(DAY.toordinal())
            }
            wanted: dict[str, dict[tuple[str, ...], Figure]] = {key[1]: {} for key in figures}
            for key, (_, now) in figures.items():
                _, seller, marketplace, _, metric, window = key
                if key[0] == day.isoformat() and any(now) and (metric, marketplace, window) in kept:
                    wanted[seller][key] = now
            # Both ways, and of everybody: what a replay tells and the API doesn't is as wrong as the other way round.
            assert any(wanted.values())
            assert {seller: answered(worker, seller, day) for seller in wanted} == wanted


def answered(worker: Worker, seller: str, day: date) -> dict[tuple[str, ...], Figure]:
    """Every figure of a seller that has anything, as the API answers of a day."""
    status, body, _ = worker.get(f"/api/sellers/{quote(seller, safe='')}/health?as_of={day}")
    assert status == 200
    found = {
        (day.isoformat(), seller, row["marketplace"], row["channel"] or "", row["metric"], row["window"]): (
            row["numerator"],
            row["denominator"] or 0,
        )
        for row in json.loads(body)["figures"]
    }
    return {key: now for key, now in found.items() if any(now)}


def test_an_archive_is_replayed_as_its_topics_are_and_flags_take_a_part_of_it(cluster: Cluster) -> None:
    events = history(300, seed=51)
    cluster.produce(events)
    archive = cluster.directory / "archive.jsonl.gz"
    assert cluster.odr("archive", str(archive)).returncode == 0
    of_topics, of_file, part = (cluster.directory / f"{name}.csv" for name in ("topics", "file", "part"))
    assert replay(cluster, "--csv", str(of_topics)).returncode == 0
    assert replay(cluster, str(archive), "--csv", str(of_file)).returncode == 0
    everything = told(of_topics)
    assert told(of_file) == everything
    few = ("--seller", "S3", "--marketplace", "ATVPDKIKX0DER", "--from", "2026-08-01", "--to", "2026-08-10")
    assert replay(cluster, str(archive), *few, "--csv", str(part)).returncode == 0
    wanted = {
        key: both
        for key, both in everything.items()
        if key[1:3] == ("S3", "ATVPDKIKX0DER") and "2026-08-01" <= key[0] <= "2026-08-10"
    }
    assert wanted
    assert told(part) == wanted
    shown = replay(cluster, str(archive), *few).stdout
    assert "2026-08-01" in shown
    assert "2026-08-11" not in shown
    assert "known then" in shown
    assert "S3" in replay(cluster).stdout


def test_a_replay_that_was_stopped_goes_on_where_it_was(cluster: Cluster) -> None:
    file = cluster.directory / "events.jsonl.gz"
    events = history(6_000, seed=52)
    with gzip.open(file, "wt", encoding="utf-8") as lines:
        lines.writelines(
            json.dumps({"topic": topic, "key": value["seller_id"], "value": value}) + "\n" for topic, value in events
        )
    whole, again = cluster.directory / "whole.csv", cluster.directory / "again.csv"
    assert replay(cluster, str(file), "--csv", str(whole)).returncode == 0
    data = cluster.directory / "data"
    command = [sys.executable, "-m", "stream", "replay", str(file), "--csv", str(again), "--processes", "1"]
    stopped = subprocess.Popen(command, env=cluster.env(STREAM_DATA_DIR=str(data)), stderr=subprocess.PIPE, text=True)
    eventually(lambda: any(data.glob("replay/*/part-*.csv")), "a part is done")
    stopped.send_signal(signal.SIGINT)
    stopped.communicate(timeout=30)
    assert stopped.returncode != 0
    assert not again.exists()
    went_on = replay(cluster, str(file), "--csv", str(again))
    assert went_on.returncode == 0
    assert "parts were done before" in went_on.stderr
    assert told(again) == told(whole)
    assert list((data / "replay").iterdir()) == []


def samples(blocks: Path) -> dict[tuple[str, frozenset[tuple[str, str]], int], float]:
    """Every sample in the blocks, by name, labels and Unix time, as promtool reads them."""
    (blocks / "wal").mkdir(exist_ok=True)  # a Prometheus has one
    dumped = subprocess.run([promtool(), "tsdb", "dump", str(blocks)], capture_output=True, text=True, check=False)
    assert dumped.returncode == 0, dumped.stderr
    found = {}
    for line in dumped.stdout.splitlines():
        about, value, milliseconds = line.rsplit(" ", 2)
        labels = dict(re.findall(r'(\w+)="([^"]*)"', about))
        found[labels.pop("__name__"), frozenset(labels.items()), int(milliseconds) // 1000] = float(value)
    return found


def test_blocks_for_prometheus_have_a_sample_at_the_end_of_each_day(cluster: Cluster) -> None:
    promtool()
    events = history(200, seed=55)
    cluster.produce(events)
    blocks = cluster.directory / "prometheus"
    ended = replay(cluster, "--prometheus", str(blocks), "--name", "march", "--from", "2026-08-30")
    assert ended.returncode == 0, ended.stderr
    assert f'replay="march" is in {blocks}\n' in ended.stderr
    assert '/api/v1/admin/tsdb/delete_series?match[]={replay="march"}' in ended.stderr
    found = samples(blocks)
    for day in (date(2026, 8, 30), date(2026, 8, 31), DAY):
        at = int(datetime.combine(day + timedelta(days=1), time(), UTC).timestamp()) - 1
        wanted = {}
        for (_, seller, marketplace, channel, metric, window), both in counted(events, day).items():
            for knowledge, (numerator, denominator) in zip(("then", "now"), both, strict=True):
                if metric == "order_defect" and denominator:
                    labels = {"seller": seller, "marketplace": marketplace, "channel": channel, "window": window}
                    labels |= {"job": "replay", "replay": "march", "knowledge": knowledge}
                    wanted[frozenset(labels.items())] = numerator / denominator
        shown = {
            labels: value
            for (name, labels, moment), value in found.items()
            if name == "seller_order_defect_ratio_event_time" and moment == at
        }
        assert shown == wanted
    assert {name for name, _, _ in found} >= {
        "seller_orders_event_time",
        "seller_order_defect_headroom_orders_event_time",
    }
    assert not [path for path in blocks.iterdir() if path.name.startswith(".")]


def test_without_promtool_no_work_is_begun(cluster: Cluster) -> None:
    ended = cluster.odr("replay", "--prometheus", str(cluster.directory), PATH="")
    assert ended.returncode == 1
    assert ended.stderr.startswith("odr: --prometheus needs promtool")
    assert ended.stderr.count("\n") == 1


def test_a_live_worker_is_not_touched(cluster: Cluster) -> None:
    events = history(300, seed=53)
    cluster.produce(events)
    with cluster.worker() as worker:
        worker.await_ready()
        cluster.await_caught_up()
        before = cluster.offsets(), len(cluster.read("health-changes"))
        data = str(worker.data_dir)  # even in its own directory
        assert cluster.odr("replay", STREAM_DATA_DIR=data).returncode == 0
        assert (cluster.offsets(), len(cluster.read("health-changes"))) == before
        assert_exact([worker], events)


def test_history_happens_again_in_topics_of_another_prefix(cluster: Cluster) -> None:
    events = history(300, seed=54)
    cluster.produce(events)
    again = Cluster(cluster.bootstrap, f"{cluster.prefix}again.", cluster.directory, {"STREAM_TODAY": "events"})
    refused = replay(cluster, "--live", "--into", again.prefix)
    assert refused.returncode == 1
    assert "missing topics" in refused.stderr
    assert again.odr("topics").returncode == 0
    with again.worker("again") as worker:
        worker.await_ready()
        fed = replay(cluster, "--live", "--speed", "20d/s", "--into", again.prefix)
        assert fed.returncode == 0, fed.stderr
        again.await_caught_up()
        newest = max(recount.instant(event["event_time"]) for _, event in events).date()
        eventually(lambda: not gauge_differences(exposed([worker]), gauges(events, newest)), "history has happened")
    read = [json.loads(record.value)["event_time"] for record in again.read("orders") if record.partition == 0]
    assert [recount.instant(moment) for moment in read] == sorted(recount.instant(moment) for moment in read)


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (("--from", "2026-13-01"), "accepts YYYY-MM-DD"),
        (("--from", "2026-08-02", "--to", "2026-08-01"), "--from is after --to, or after today"),
        (("--from", "2026-09-02"), "--from is after --to, or after today"),
        (("--live",), "--live needs --into, the topic prefix to feed"),
        (("--live", "--speed", "fast"), "accepts a time per second, such as 1d/s"),
        (("--csv", "no/such/folder/days.csv"), "there is no such folder"),
        (("nowhere.jsonl",), "does not exist"),
    ],
)
def test_what_is_wrong_is_one_line(cluster: Cluster, flags: tuple[str, ...], says: str) -> None:
    ended = replay(cluster, *flags)
    assert ended.returncode == 1
    assert says in ended.stderr
    assert ended.stderr.count("\n") == 1


def test_feeding_the_prefix_that_is_read_is_refused(cluster: Cluster) -> None:
    ended = replay(cluster, "--live", "--into", cluster.prefix)
    assert ended.returncode == 1
    assert "is where history is read from" in ended.stderr
