import os
import secrets
from collections.abc import Iterator

import pytest

from stream.tools.kafka import Broker, BrokerUnavailable, kafka_command


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
