"""`odr dead-letters` on a real broker: what workers wrote is listed, shown, and put back once."""

import asyncio
import base64
import json
import socket
import sys
from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.structs import ConsumerRecord
from rich.console import Console

from stream.connection import KafkaError
from stream.tools.kafka import Broker
from stream.tools.letters import reading, requeue
from stream.tools.letters.selection import Selection
from stream.tools.produce import Producer
from tests.broker.harness import PARTITIONS, Cluster, assert_exact, eventually, exposed, history
from tests.broker.test_dead_letters import GARBAGE, bytes_of
from tests.recount import InputEvent

pytestmark = pytest.mark.broker

Told = dict[str, Any]


@pytest.fixture
def cluster(broker: Broker, topic_prefix: str, tmp_path: Path) -> Cluster:
    cluster = Cluster(broker.bootstrap, topic_prefix, tmp_path)
    made = cluster.odr("topics")
    assert made.returncode == 0, made.stderr
    return cluster


def said(cluster: Cluster, *arguments: str) -> str:
    """What `odr dead-letters` writes, which must succeed."""
    ended = cluster.odr("dead-letters", *arguments)
    assert (ended.returncode, ended.stderr) == (0, ""), ended
    return ended.stdout


def told(cluster: Cluster, *arguments: str) -> list[Told]:
    return [json.loads(line) for line in said(cluster, *arguments, "--json").splitlines()]


def exact(letter: Told, name: str) -> bytes | None:
    if f"{name}_base64" in letter:
        return base64.b64decode(letter[f"{name}_base64"])
    return None if letter[name] is None else str(letter[name]).encode()


def put_back(records: list[ConsumerRecord]) -> dict[str, ConsumerRecord]:
    """The records that were put back, by what their header says; each one once."""
    found = [(dict(record.headers)["requeued-from"].decode(), record) for record in records if record.headers]
    assert len(dict(found)) == len(found)
    return dict(found)


def write_letter(cluster: Cluster, key: bytes | None, value: bytes | None, partition: int = 2, **headers: str) -> None:
    """Write a dead letter of `orders` by hand: into partition 0, as one that came from `partition`."""
    usual = {"reason": "invalid_field", "detail": "", "source_partition": str(partition), "source_offset": "0"}
    named = [(name.replace("_", "-"), text.encode()) for name, text in (usual | headers).items()]
    cluster.produce_to("orders.dead-letters", 0, key, value, named)


def work(cluster: Cluster) -> None:
    """Let a worker read everything there is."""
    with cluster.worker() as worker:
        worker.await_ready()
        cluster.await_caught_up()
        assert worker.stop() == 0


def dead_garbage(cluster: Cluster) -> Cluster:
    """Let a worker read all the garbage there is."""
    cluster.produce_raw((topic, key, value) for _, topic, key, value in GARBAGE)
    work(cluster)
    return cluster


@pytest.fixture(scope="module")
def garbage(broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Cluster:
    """A cluster with every dead letter of the garbage, only to be read."""
    cluster = Cluster(broker.bootstrap, "garbage.", tmp_path_factory.mktemp("garbage"))
    assert cluster.odr("topics").returncode == 0
    return dead_garbage(cluster)


def test_every_letter_is_listed_with_its_reason_and_shown_byte_for_byte(garbage: Cluster) -> None:
    listed = told(garbage, "list")
    assert Counter((letter["topic"], letter["reason"]) for letter in listed) == Counter(
        (topic, reason) for reason, topic, _, _ in GARBAGE
    )
    shown = told(garbage, "show", "--limit", "1000")
    found = [(letter["reason"], letter["topic"], exact(letter, "key"), exact(letter, "value")) for letter in shown]
    assert sorted(found, key=repr) == sorted(GARBAGE, key=repr)
    sources = {
        (topic, record.partition, record.offset): record
        for topic in ("orders", "feedback")
        for record in garbage.read(topic)
    }
    for letter in shown:
        source = sources[letter["topic"], letter["source_partition"], letter["source_offset"]]
        assert (exact(letter, "key"), exact(letter, "value")) == (source.key, source.value)
        headers = {header["name"]: header["value"] for header in letter["headers"]}
        assert headers["reason"] == letter["reason"]
        assert headers["source-offset"] == str(source.offset)
    one = shown[3]
    assert told(garbage, "show", f"{one['topic']}/{one['partition']}/{one['offset']}") == [one]


def test_people_get_a_summary_lines_and_whole_letters(garbage: Cluster) -> None:
    summary = said(garbage, "list").splitlines()
    assert summary[-1] == f"{len(GARBAGE)} dead letters"
    counts = Counter((topic, reason) for reason, topic, _, _ in GARBAGE)
    assert [tuple(row.split()[:3]) for row in summary[1:-1]] == [
        (*name, str(count)) for name, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    ]
    lines = said(garbage, "list", "--each").splitlines()
    assert len(lines) == len(GARBAGE)
    assert all(line.isprintable() for line in lines)
    ended = garbage.odr("dead-letters", "show", "--limit", "2", "--topic", "feedback")
    assert [line for line in ended.stdout.splitlines() if line.startswith("feedback/")] == [
        line.split()[0] for line in lines if line.startswith("feedback/")
    ][:2]
    assert ended.stderr == "these are the first 2, there are more: --limit\n"


def test_letters_are_selected_by_topic_reason_seller_and_time(garbage: Cluster) -> None:
    def places(*flags: str) -> list[str]:
        return [f"{each['topic']}/{each['partition']}/{each['offset']}" for each in told(garbage, "list", *flags)]

    def where(**wanted: Any) -> list[str]:
        return [
            f"{each['topic']}/{each['partition']}/{each['offset']}"
            for each in everything
            if all(each.get(name) in values for name, values in wanted.items())
        ]

    everything = told(garbage, "list")
    assert places("--topic", "feedback") == where(topic=["feedback"])
    assert places("--reason", "no_key", "--reason", "wrong_key") == where(reason=["no_key", "wrong_key"])
    assert places("--topic", "feedback", "--reason", "no_key") == []
    assert places("--seller", "T") == where(key=["T"])
    of_seller = places("--seller", "S")
    assert set(where(reason=["wrong_key", "no_key"])) < set(of_seller), "the value names the seller"
    assert len(of_seller) == len(GARBAGE) - 1, "all but the one that has neither key nor value"
    first = min(each["timestamp"] for each in everything)
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).date().isoformat()
    assert len(places("--since", first, "--until", tomorrow)) == len(GARBAGE)
    assert places("--until", first) == []


def test_a_dry_run_tells_which_letters_would_be_put_back_and_changes_nothing(garbage: Cluster) -> None:
    before = garbage.read("orders") + garbage.read("feedback")
    dry = said(garbage, "requeue", "--dry-run").splitlines()
    assert dry[:-1] == said(garbage, "list", "--each").splitlines()
    assert dry[-1] == f"{len(GARBAGE)} would be put back"
    assert garbage.read("orders") + garbage.read("feedback") == before


def test_what_stays_malformed_gives_a_letter_once_and_is_then_left_alone(cluster: Cluster) -> None:
    dead_garbage(cluster)
    assert said(cluster, "requeue") == f"{len(GARBAGE)} put back\n"
    assert said(cluster, "requeue") == f"0 put back\n{len(GARBAGE)} left alone: put back already\n"
    for topic in ("orders", "feedback"):
        letters = {f"{letter.partition}/{letter.offset}": letter for letter in cluster.read(f"{topic}.dead-letters")}
        back = put_back(cluster.read(topic))
        assert back.keys() == letters.keys()
        for name, record in back.items():
            assert (record.key, record.value) == (letters[name].key, letters[name].value)
            assert record.partition == int(dict(letters[name].headers)["source-partition"])
            assert record.timestamp >= letters[name].timestamp

    work(cluster)
    again = [letter for letter in told(cluster, "list") if letter["requeued"]]
    assert Counter(letter["reason"] for letter in again) == Counter(reason for reason, *_ in GARBAGE)
    assert said(cluster, "requeue").splitlines() == [
        "0 put back",
        f"{len(GARBAGE)} left alone: put back already",
        f"{len(GARBAGE)} left alone: put back before and malformed again: --again puts these back once more",
    ]
    assert said(cluster, "requeue", "--again", "--topic", "feedback").startswith("3 put back\n")
    assert said(cluster, "requeue", "--again", "--topic", "feedback") == "0 put back\n6 left alone: put back already\n"


def test_records_that_are_good_by_now_reach_the_figures_once(cluster: Cluster) -> None:
    events = history(100, seed=8)
    # Written by an older program that refused them, say.
    refused = [(topic, value) for topic, value in events if topic == "orders"][::5]
    cluster.produce(event for event in events if event not in refused)
    sellers = {record.key: record.partition for topic in ("orders", "feedback") for record in cluster.read(topic)}
    with cluster.worker() as worker:
        worker.await_ready()
        cluster.await_caught_up()
        for _, value in refused:
            key = value["seller_id"].encode()
            write_letter(cluster, key, json.dumps(value).encode(), sellers[key])
        seen = changes_of(cluster)
        assert said(cluster, "requeue", "--dry-run").endswith(f"{len(refused)} would be put back\n")
        assert said(cluster, "requeue") == f"{len(refused)} put back\n"
        cluster.await_caught_up()
        assert_exact([worker], events)
        assert changes_of(cluster) > seen
        seen = changes_of(cluster)
        assert said(cluster, "requeue") == f"0 put back\n{len(refused)} left alone: put back already\n"
        cluster.await_caught_up()
        assert changes_of(cluster) == seen
        assert_exact([worker], events)


def changes_of(cluster: Cluster) -> int:
    return len(cluster.read("health-changes"))


def test_an_event_from_the_future_is_good_when_its_time_is_near_enough(cluster: Cluster) -> None:
    due = datetime.now(UTC) + timedelta(seconds=8)
    value: dict[str, Any] = json.loads(bytes_of(event_time=(due + timedelta(days=1)).isoformat()))
    event: InputEvent = ("orders", value)
    cluster.produce([event])
    with cluster.worker() as worker:
        worker.await_ready()
        cluster.await_caught_up()
        assert [letter["reason"] for letter in told(cluster, "list")] == ["from_the_future"]
        assert exposed([worker]) == {}
        eventually(lambda: datetime.now(UTC) > due, "the event is less than a day ahead")
        assert said(cluster, "requeue", "--reason", "from_the_future") == "1 put back\n"
        cluster.await_caught_up()
        assert_exact([worker], [event])


def test_letters_go_where_their_headers_say_or_stay(cluster: Cluster) -> None:
    write_letter(cluster, b"anywhere", b"1", partition=3)
    write_letter(cluster, None, b"2", partition=1, source_offset="none")
    write_letter(cluster, b"key", None, partition=1, source_offset="700")
    write_letter(cluster, None, None, partition=0)
    write_letter(cluster, b"key", b"no such partition", partition=4)
    write_letter(cluster, b"key", b"no number", source_partition="first")
    cluster.produce_to("orders.dead-letters", 0, b"key", b"no header at all")
    cluster.produce_to("orders.dead-letters", 0, b"\x1b[31m[red]", b"\n[bold]\xff", [("reason", b"\x1b]0;x\x07[b]")])
    left = "left alone: the headers don't name a partition of the input topic\n"
    assert said(cluster, "requeue") == f"4 put back\n4 {left}"
    records = cluster.read("orders")
    assert [(record.partition, record.key, record.value) for record in records] == [
        (0, None, None),
        (1, None, b"2"),
        (1, b"key", None),
        (3, b"anywhere", b"1"),
    ]
    assert said(cluster, "requeue").splitlines()[0] == "0 put back"
    human = said(cluster, "list") + said(cluster, "list", "--each") + said(cluster, "show")
    assert all(line.isprintable() for line in human.split("\n"))
    assert "\\x1b[31m[red]" in human


def test_letters_of_one_record_by_two_groups_are_put_back_once(cluster: Cluster) -> None:
    cluster.produce_raw([("orders", b"S", b"not json"), ("feedback", b"S", None)])
    for group in ("one", "another"):
        with cluster.worker(group, STREAM_GROUP=group) as worker:
            worker.await_ready()
            cluster.await_caught_up(group)
            assert worker.stop() == 0
    assert len(told(cluster, "list")) == 4
    assert said(cluster, "requeue") == "2 put back\n2 left alone: put back already\n"


def test_a_requeue_that_is_killed_is_finished_by_the_next_one(cluster: Cluster) -> None:
    letters = 30_000

    async def write() -> None:
        async with Producer(cluster.settings) as producer:
            for number in range(letters):
                headers = [("source-partition", b"%d" % (number % 4)), ("source-offset", b"%d" % number)]
                value = b"%d" % number * 20
                await producer.add("orders.dead-letters", b"S", value, partition=1, headers=headers)

    asyncio.run(write())
    killed_at = [asyncio.run(kill_a_requeue(cluster)) for _ in range(3)]
    assert 0 < killed_at[0] < letters, killed_at
    assert said(cluster, "requeue").startswith(f"{letters - killed_at[-1]:,} put back\n")
    back = put_back(cluster.read("orders"))
    assert back.keys() == {f"1/{number}" for number in range(letters)}
    assert {record.value for record in back.values()} == {b"%d" % number * 20 for number in range(letters)}


async def kill_a_requeue(cluster: Cluster) -> int:
    """Kill a requeue as soon as it has put something back, or when it ends; return how many records are back."""
    consumer = AIOKafkaConsumer(bootstrap_servers=cluster.bootstrap)
    await consumer.start()
    sources = [TopicPartition(f"{cluster.prefix}orders", number) for number in range(PARTITIONS)]

    async def back() -> int:
        return sum((await consumer.end_offsets(sources)).values())

    before = await back()
    running = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "stream", "dead-letters", "requeue"), env=cluster.env(), stdout=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(60):
        while await back() == before and running.returncode is None:
            pass
    with suppress(ProcessLookupError):
        running.kill()
    await running.wait()
    found = await back()
    await consumer.stop()
    return found


def test_what_is_missing_is_one_line(broker: Broker, topic_prefix: str, tmp_path: Path, cluster: Cluster) -> None:
    empty = Cluster(broker.bootstrap, f"{topic_prefix}none.", tmp_path)
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        away = Cluster(f"127.0.0.1:{nobody.getsockname()[1]}", "", tmp_path)
        for command in ("list", "show", "requeue"):
            for there, wanted in ((empty, "`odr topics` creates them"), (away, "no broker answers at STREAM_BROKERS")):
                ended = there.odr("dead-letters", command)
                assert (ended.returncode, ended.stdout, ended.stderr.count("\n")) == (1, "", 1), ended
                assert wanted in ended.stderr
    for where in ("orders/0/0", "orders/99/0"):
        ended = cluster.odr("dead-letters", "show", where)
        assert (ended.returncode, ended.stderr) == (1, f"odr: there is no dead letter {where}\n")


@pytest.mark.usefixtures("kafka_here")
def test_a_broker_that_goes_away_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flush = Producer.flush

    async def without_a_broker(producer: Producer) -> None:
        broker.kill()
        await flush(producer)

    with Broker(tmp_path / "kafka") as broker:
        cluster = Cluster(broker.bootstrap, "", tmp_path)
        assert cluster.odr("topics").returncode == 0
        write_letter(cluster, b"S", b"x")
        monkeypatch.setattr(Producer, "flush", without_a_broker)
        for module in (reading, requeue):
            monkeypatch.setattr(module, "STILL_SECONDS", 2.0)
        with pytest.raises(KafkaError, match="has taken nothing for 2 seconds"):
            asyncio.run(requeue.requeue(cluster.settings, Selection(), Console(stderr=True), again=False))
