"""The judges of the fault tests find what they are there to find, and accept what is right."""

import json
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import pytest
from aiokafka.structs import ConsumerRecord

from tests.broker.harness import DAY, history
from tests.faults.oracle import judge_changes, judge_dead_letters, judge_gauges, judge_told_days
from tests.faults.watch import (
    Life,
    Scrape,
    Shown,
    Sighting,
    answers_of,
    contradicted,
    owned_twice,
    parse,
    wrong_answer,
    wrong_quiet_sellers,
    wrong_shares,
)
from tests.recount import all_gauges, judged_orders

EVENTS = history(200, seed=1, names=["A", "B"])
GAUGES = all_gauges(EVENTS, DAY)


def record(key: bytes | None, value: bytes | None, offset: int, *headers: tuple[str, str]) -> ConsumerRecord[Any, Any]:
    told = [(name, text.encode()) for name, text in headers]
    return ConsumerRecord("t", 0, offset, 0, 0, key, value, None, 0, 0, told)


def told(changes: Sequence[Mapping[str, Any]]) -> list[ConsumerRecord[Any, Any]]:
    return [record(change["seller_id"].encode(), json.dumps(change).encode(), at) for at, change in enumerate(changes)]


def changes_of_all_orders() -> list[dict[str, Any]]:
    """Return what is told where each order's final version is the only one."""
    changes: list[dict[str, Any]] = []
    for offset, order in enumerate(judged_orders(EVENTS)):
        seller, marketplace, channel, day = order.day
        topics = {thing.topic for thing, _ in order.causes}
        names = {
            "feedback": "negative_feedback_orders",
            "claim-statuses": "claim_orders",
            "chargebacks": "chargeback_orders",
        }
        now = ["orders", *(["defective_orders"] if topics else []), *(names[topic] for topic in topics)]
        changes.append(
            {
                "change_id": f"orders-0-{offset}-0",
                "seller_id": seller,
                "marketplace_id": marketplace,
                "channel": channel,
                "order_id": order.order_id,
                "order_date": day.isoformat(),
                "entered": now,
                "left": [],
                "now": now,
            }
        )
    return changes


def test_changes_that_give_the_gauges_are_accepted() -> None:
    records = told(changes_of_all_orders())
    for verdict in (
        judge_changes(records, GAUGES, DAY),
        judge_told_days(records, EVENTS),
        judge_gauges(GAUGES, GAUGES),
    ):
        assert verdict.problems == []
        assert (verdict.lost, verdict.doubled) == (0, 0)


def test_a_lost_change_is_found() -> None:
    records = told(changes_of_all_orders()[1:])
    assert judge_told_days(records, EVENTS).lost >= 1
    in_a_window = [change for change in changes_of_all_orders() if change["order_date"] > "2026-08-17"]
    without = [change for change in changes_of_all_orders() if change != in_a_window[0]]
    assert judge_changes(told(without), GAUGES, DAY).lost >= 1


def test_a_change_told_twice_is_found() -> None:
    changes = changes_of_all_orders()
    verdict = judge_changes(told([*changes, changes[-1]]), GAUGES, DAY)
    assert verdict.doubled >= 1
    assert any("is told 2 times" in problem for problem in verdict.problems)


def test_changes_out_of_order_and_changes_that_leave_a_gap_are_found() -> None:
    changes = changes_of_all_orders()
    assert judge_changes(told(changes[::-1]), GAUGES, DAY).problems
    gap = [{**changes[0], "entered": []}, *changes[1:]]
    assert any("was told before" in problem for problem in judge_changes(told(gap), GAUGES, DAY).problems)


def test_a_changed_figure_of_a_day_outside_every_window_is_found() -> None:
    changes = changes_of_all_orders()
    old = next(change for change in changes if change["order_date"] < "2026-06-18")
    old["now"] = old["entered"] = ["orders", "defective_orders", "claim_orders", "chargeback_orders"]
    assert judge_told_days(told(changes), EVENTS).problems


def test_gauges_that_lack_or_double_an_order_are_found() -> None:
    orders = next(series for series in GAUGES if series[0] == "seller_orders")
    assert judge_gauges({**GAUGES, orders: GAUGES[orders] - 1}, GAUGES).lost == 1
    assert judge_gauges({**GAUGES, orders: GAUGES[orders] + 1}, GAUGES).doubled == 1


def letter(offset: int, value: bytes = b"bad") -> ConsumerRecord[Any, Any]:
    return record(b"k", value, offset, ("source-partition", "0"), ("source-offset", str(offset)))


@pytest.mark.parametrize(
    ("letters", "lost", "doubled"),
    [
        ([letter(1), letter(2)], 0, 0),
        ([letter(1)], 1, 0),
        ([letter(1), letter(2), letter(2)], 0, 1),
        ([letter(1), letter(2, b"BAD")], 1, 1),
        ([letter(0), letter(1), letter(2)], 0, 1),
    ],
)
def test_dead_letters_that_are_lost_doubled_or_not_byte_for_byte_are_found(
    letters: list[ConsumerRecord[Any, Any]], lost: int, doubled: int
) -> None:
    sources = [record(b"k", b"good", 0), record(b"k", b"bad", 1), record(b"k", b"bad", 2)]
    verdict = judge_dead_letters(sources, letters, [(b"k", b"bad")])
    assert (verdict.lost, verdict.doubled) == (lost, doubled)
    assert bool(verdict.problems) == bool(lost or doubled)


# --- The watch --------------------------------------------------------------------------------------------------------


def seen(worker: str, assignments: int, asked: float, *sellers: str, took: float = 0.1) -> Sighting:
    return Sighting(Life(worker, 0.0, assignments), asked, asked + took, frozenset(sellers))


def test_a_seller_that_moves_to_another_worker_and_back_is_owned_once() -> None:
    #  a: [S . . . . S]   one has it, loses it, and is assigned it again
    #  b: [. . S S . .]
    sightings = [
        seen("a", 1, 0, "S"),
        seen("b", 1, 2, "S"),
        seen("b", 1, 3, "S"),
        seen("a", 2, 4),
        seen("a", 2, 5, "S"),
    ]
    assert list(owned_twice(sightings)) == []


def test_a_frozen_worker_that_comes_back_with_sellers_it_has_lost_is_found() -> None:
    #  a: [S . . S]   frozen, and then the same assignment again
    #  b: [. S S .]
    sightings = [seen("a", 1, 0, "S"), seen("b", 2, 1, "S"), seen("b", 2, 2, "S"), seen("a", 1, 3, "S")]
    assert any("S is shown by" in problem for problem in owned_twice(sightings))


def test_pages_that_overlap_prove_nothing() -> None:
    sightings = [seen("a", 1, 0, "S", took=2), seen("b", 2, 1, "S", took=5), seen("a", 1, 2.5, "S", took=5)]
    assert list(owned_twice(sightings)) == []


def test_sellers_of_the_same_worker_after_a_restart_are_its_own() -> None:
    before, after = Life("a", 0.0, 1), Life("a", 9.0, 1)
    sightings = [Sighting(before, 0, 1, frozenset("S")), Sighting(after, 9, 10, frozenset("S"))]
    assert list(owned_twice(sightings)) == []


LABELS = frozenset({"seller": "S", "window": "official"}.items())


@pytest.mark.parametrize(
    ("orders", "defective", "share", "right"), [(3, 1, 1 / 3, True), (3, 4, 4 / 3, False), (4, 1, 1 / 3, False)]
)
def test_a_share_is_the_quotient_of_its_counts_of_the_same_scrape(
    orders: float, defective: float, share: float, right: bool
) -> None:
    shown: Shown = {
        ("seller_orders", LABELS): orders,
        ("seller_defective_orders", LABELS): defective,
        ("seller_order_defect_ratio", LABELS): share,
    }
    assert (list(wrong_shares(Scrape(Life("a", 0, 1), {"S": shown}))) == []) is right


def test_a_quiet_seller_is_shown_whole_or_not_at_all() -> None:
    quiet: Shown = {("seller_orders", LABELS): 3.0, ("seller_defective_orders", LABELS): 1.0}
    half: Shown = {("seller_orders", LABELS): 2.0, ("seller_defective_orders", LABELS): 1.0}
    for sellers, right in (({}, True), ({"S": quiet}, True), ({"S": half}, False), ({"S": {}}, False)):
        scrape = Scrape(Life("a", 0, 1), sellers)
        assert (list(wrong_quiet_sellers(scrape, {"S": quiet})) == []) is right


def test_a_page_is_read_by_seller_and_with_the_life_of_its_worker() -> None:
    page = (
        "# TYPE seller_orders gauge\n"
        'seller_orders{seller="S",window="official"} 3\n'
        'seller_target_ratio{metric="order_defect"} 0.01\n'
        "process_start_time_seconds 12.5\nstream_rebalances_total 2.0\n"
    )
    assert list(contradicted(parse(page, "a"))) == []
    assert len(list(contradicted(parse(page + "stream_audit_mismatches 1.0\n", "a")))) == 1
    assert parse(page, "a") == Scrape(Life("a", 12.5, 2.0), {"S": {("seller_orders", LABELS): 3.0}})


def test_only_exact_figures_and_a_503_that_says_when_to_ask_again_are_right_answers() -> None:
    expected = answers_of(EVENTS, date(2026, 9, 1))
    fields = ("metric", "marketplace", "channel", "window", "numerator", "denominator")
    figures: list[dict[str, Any]] = [dict(zip(fields, figure, strict=True)) for figure in sorted(expected["A"])]
    right = json.dumps(
        {"figures": [figure | {"denominator": int(figure["denominator"])} for figure in figures]}
    ).encode()
    partial = json.dumps({"figures": figures[1:]}).encode()
    assert wrong_answer("A", 200, right, {}, expected) is None
    assert wrong_answer("A", 503, b"", {"Retry-After": "2"}, expected) is None
    assert wrong_answer("A", 0, b"", {}, expected) is None
    for status, body in ((200, partial), (404, b""), (503, b""), (500, b"")):
        assert wrong_answer("A", status, body, {}, expected) is not None
