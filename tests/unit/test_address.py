"""Under which address a worker tells others to ask it."""

import socket

import pytest

from stream.worker.address import reachable


@pytest.mark.parametrize(
    ("host", "told"),
    [
        ("127.0.0.1", "127.0.0.1:6066"),
        ("10.1.2.3", "10.1.2.3:6066"),
        ("worker-1.example", "worker-1.example:6066"),
        ("::1", "[::1]:6066"),
    ],
)
def test_a_worker_is_asked_where_it_listens(host: str, told: str) -> None:
    assert reachable(host, 6066) == told


@pytest.mark.parametrize("everywhere", ["0.0.0.0", "::", "0:0:0:0:0:0:0:0"])
def test_a_worker_that_listens_everywhere_is_asked_by_its_hosts_name(everywhere: str) -> None:
    assert reachable(everywhere, 6066) == f"{socket.gethostname()}:6066"
