"""The seller that misses everything does so, by the product's own verdicts: panels and alerts have what to show."""

import json
import time

from stream.accounts import Accounts
from stream.decode import CONVERTERS, decode
from stream.evaluation import EvaluationDays
from stream.events import Malformed
from stream.health import figures
from stream.metrics import TARGETS
from stream.rules import Rules
from tests.dashboards.misses import MARKETPLACE, SELLER, misses


def test_it_misses_every_target_with_volume_enough_in_every_window() -> None:
    rules, now = Rules(), time.time()
    evaluation = EvaluationDays(rules, int(now * 1_000_000))
    accounts = Accounts(rules, evaluation)
    for topic, value in misses():
        event = decode(CONVERTERS[topic], SELLER.encode(), json.dumps(value).encode(), int(now * 1_000))
        assert not isinstance(event, Malformed), event
        accounts.apply(event)
    told = [one for one in figures(accounts.sellers[SELLER], None, evaluation, rules) if one["target"] is not None]
    assert {one["metric"] for one in told} == set(TARGETS)
    assert {one["marketplace"] for one in told} == {MARKETPLACE}
    for one in told:
        assert (one["verdict"], one["low_volume"]) == ("missed", False), one
