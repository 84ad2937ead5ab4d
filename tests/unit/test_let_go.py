"""What has been let go stays away, though older records still tell of it."""

from datetime import timedelta

from stream.accounts import Accounts
from stream.evaluation import EvaluationDays
from tests.builders import SELLER, D, decoded, feedback, held, midnight, order, rules_of


def test_an_order_that_left_its_feedback_behind_does_not_come_back_from_an_older_record() -> None:
    # A changelog that is not compacted has the order's state before the one that holds its feedback alone. Both were
    # folded together at a restore, and the order was there again until the next sweep.
    rules = rules_of()
    evaluation = EvaluationDays(rules, midnight(D))
    accounts = Accounts(rules, evaluation)
    for told in (order(), feedback(1)):
        accounts.apply(decoded(told))
    written = [accounts.take_changed()]
    evaluation.move(midnight(D + timedelta(days=180)))
    accounts.roll()
    accounts.expire([SELLER])
    written.append(accounts.take_changed())
    restored = Accounts(rules, held(rules, D + timedelta(days=180)))
    for taken in written:
        for key, packed in taken.items():
            restored.restore(key, packed)
    assert (restored.orders, restored.waiting) == (accounts.orders, accounts.waiting) == (0, 1)
    assert restored.sellers[SELLER].states == accounts.sellers[SELLER].states
