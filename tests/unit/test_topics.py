"""Topic names, and that sellers are partitioned where everybody else's producers put them."""

import pytest
from aiokafka.partitioner import murmur2 as another_murmur2
from hypothesis import given
from hypothesis import strategies as st

from stream.topics import INPUT_TOPICS, dead_letters, murmur2, order_states, partition_for


@pytest.mark.parametrize(
    ("key", "signed"),
    [
        ("21", -973932308),
        ("foobar", -790332482),
        ("a-little-bit-long-string", -985981536),
        ("a-little-bit-longer-string", -1486304829),
        ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        ("abc", 479470107),
    ],
)
def test_keys_are_hashed_as_kafkas_own_tests_say(key: str, signed: int) -> None:
    assert murmur2(key.encode()) == signed % 2**32


@given(st.binary(max_size=64))
def test_keys_are_hashed_as_the_client_library_hashes_them(key: bytes) -> None:
    assert murmur2(key) == another_murmur2(key)


@given(st.text(min_size=1, max_size=128), st.integers(min_value=1, max_value=10_000))
def test_a_seller_has_one_partition_of_those_there_are(seller: str, partitions: int) -> None:
    key = seller.encode()
    assert partition_for(key, partitions) == (another_murmur2(key) & 0x7FFFFFFF) % partitions
    assert 0 <= partition_for(key, partitions) < partitions


def test_topics_have_the_names_of_the_contract() -> None:
    assert INPUT_TOPICS == (
        "orders",
        "feedback",
        "claim-statuses",
        "chargebacks",
        "shipments",
        "messages",
        "violations",
    )
    assert dead_letters("claim-statuses") == "claim-statuses.dead-letters"
    assert order_states("odr") == "odr.order-states"
