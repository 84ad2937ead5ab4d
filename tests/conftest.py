"""What all tests share: a broker, whether Prometheus is here, and how hard the property tests try.

HYPOTHESIS_PROFILE=thorough tries harder, and CI tries the same every time.
"""

import os
import secrets
import shutil
from collections.abc import Iterator

import pytest
from hypothesis import settings

from stream.tools.kafka import Broker, BrokerUnavailable, kafka_command

settings.register_profile("laptop", deadline=None, max_examples=100)
settings.register_profile("ci", deadline=None, max_examples=100, derandomize=True, print_blob=True)
settings.register_profile("thorough", deadline=None, max_examples=2_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI") else "laptop"))


@pytest.fixture(scope="session")
def kafka_here() -> None:
    """Skips where no broker can run; in CI a missing broker is a failure, not a skip."""
    try:
        kafka_command()
    except BrokerUnavailable as problem:
        if os.environ.get("CI"):
            pytest.fail(str(problem), pytrace=False)
        pytest.skip(str(problem))


@pytest.fixture(scope="session")
def broker(kafka_here: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:  # noqa: ARG001 - for its skip
    """One started broker for all tests; who stops or kills a broker takes one of their own."""
    with Broker(tmp_path_factory.mktemp("kafka")) as started:
        yield started


@pytest.fixture
def topic_prefix() -> str:
    """A prefix for this test's topics and groups, so that tests share a broker without meeting."""
    return f"t{secrets.token_hex(2)}."


@pytest.fixture(scope="session")
def prometheus_here() -> None:
    """Skips where there is no Prometheus; in CI a missing one is a failure, not a skip."""
    if shutil.which("prometheus") is None:
        if os.environ.get("CI"):
            pytest.fail("no `prometheus` on the PATH", pytrace=False)
        pytest.skip("no `prometheus` on the PATH")
