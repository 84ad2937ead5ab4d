"""What a replay tells of each day: a row for every metric and window that has anything, and back from its text."""

import csv
import io
import tempfile
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import example, given
from rich.console import Console

from stream.rates import ratio
from stream.replay import replay
from stream.rules import Rules
from stream.tools.replay.rows import Row, read_part, rows, show, sparkline, write_csv, write_parquet, write_part
from tests import recount
from tests.builders import (
    DE,
    SELLER,
    US,
    D,
    cancelled,
    claim,
    decoded,
    feedback,
    message,
    order,
    rules_of,
    shipment,
    violation,
)
from tests.recount import InputEvent
from tests.strategies import foreign_text

LATE = {"event_time": "2026-11-03T12:00:00Z"}
TOLD = [
    *(order(), claim("pending"), shipment(), feedback(1, event_time="2026-10-25T12:00:00Z")),
    *(order("o2", channel="AFN"), cancelled("seller", "o3"), cancelled("seller", "o4", **LATE)),
    *(message("2026-10-30T13:00:00Z"), message(message_id="M-2", **LATE)),
    *(violation(), violation("resolved", violation_id="V-2"), violation(violation_id="V-3", severity="low", **LATE)),
    violation(violation_id="V-4", category='a,"b\n', marketplace_id=DE),
]


def on(day: date, *told: InputEvent, rules: Rules | None = None) -> list[Row]:
    """The rows of one day."""
    rules = rules or rules_of()
    events = [decoded(one) for one in told]
    return [row for of in replay(events, rules, day.toordinal(), day.toordinal()) for row in rows(of, rules)]


def test_every_metric_has_a_row_for_each_window_in_which_there_is_anything() -> None:
    # D-1, as known then and now: what was told on D is known now alone.
    found = {row[3:8]: row[8:] for row in on(D - timedelta(days=1), *TOLD) if row.marketplace == US}
    one, two, none = (1, 1, 1.0), (1, 2, 0.5), (0, 1, 0.0)
    order_metrics = {
        ("MFN", "", "", metric, window): both
        for metric, then in (("order_defect", 1), ("negative_feedback", 1), ("claim", 1), ("chargeback", 0))
        for window, both in (
            ("official", (then, 1, float(then)) * 2),
            ("ahead", (then, 2, then / 2, then, 3, then / 3)),
        )
    }
    of_afn = {
        ("AFN", "", "", metric, window): none + none
        for metric in ("order_defect", "negative_feedback", "claim", "chargeback")
        for window in ("official", "ahead")
    }
    assert found == {
        **order_metrics,
        **of_afn,
        ("MFN", "", "", "cancellation", "7d"): (*one, 2, 2, 1.0),
        ("MFN", "", "", "late_shipment", "30d"): none + none,
        ("MFN", "", "", "valid_tracking", "30d"): one + one,
        ("MFN", "", "", "on_time_delivery", "14d"): one + one,
        ("", "", "", "contact_response", "7d"): one + two,
        ("", "", "", "contact_response", "30d"): one + two,
        ("", "", "", "contact_response", "90d"): one + two,
        ("", "listing", "high", "open_violations", "180d"): (1, None, None, 1, None, None),
        ("", "listing", "low", "open_violations", "180d"): (0, None, None, 1, None, None),
        ("", "", "", "feedback_received_negative", "30d"): one + one,
        ("", "", "", "feedback_received_negative", "90d"): one + one,
    }


def test_violations_that_are_all_resolved_have_no_row() -> None:
    assert on(D, violation("resolved")) == []
    known_then = on(D - timedelta(days=3), violation(event_time="2026-10-01T12:00:00Z"), violation("resolved"))
    assert [(row.metric, row.numerator_then, row.numerator_now) for row in known_then] == [("open_violations", 1, 0)]


@pytest.mark.parametrize(("retention_days", "shown"), [(200, False), (365, True)])
def test_a_year_of_feedback_has_rows_where_a_year_is_kept(retention_days: int, shown: bool) -> None:
    found = on(D, feedback(1), rules=Rules(retention_days=retention_days))
    assert ("365d" in {row.window for row in found}) is shown


def test_rows_say_what_the_oracle_counts_with_the_knowledge_of_the_end() -> None:
    days = [D + timedelta(days=offset) for offset in (-30, -15, -1, 0, 20, 60)]
    expected = recount.shares_by_day(TOLD, days, retention_days=1_000)
    for day in days:
        found = {
            (row.seller, row.marketplace, row.metric, row.window): (row.numerator_now, row.denominator_now)
            for row in on(day, *TOLD, rules=Rules(retention_days=400))
            if row.metric in recount.SHARES and row.denominator_now
        }
        assert found == {key: share for key, share in expected[day].items() if key[2] in recount.SHARES}


def part_of(told: Sequence[Row], directory: Path) -> Path:
    """A part of a replay with these rows."""
    part = directory / "part"
    with part.open("w", encoding="utf-8", newline="") as file:
        write_part(file, told)
    return part


def test_rows_come_back_from_a_part_and_a_file_has_a_header(tmp_path: Path) -> None:
    told = on(D - timedelta(days=1), *TOLD)
    part = part_of(told, tmp_path)
    assert list(read_part(part)) == told
    assert {row.category for row in told} == {"", "listing", 'a,"b\n'}
    whole = tmp_path / "days.csv"
    write_csv(whole, [part, part])
    with whole.open(encoding="utf-8", newline="") as file:
        header = file.readline()
    assert header.strip().split(",") == list(Row._fields)


def test_a_number_that_has_no_denominator_is_written_as_nothing() -> None:
    file = io.StringIO()
    write_part(file, on(D, violation()))
    assert file.getvalue() == f"2026-11-03,{SELLER},{US},,listing,high,open_violations,180d,1,,,1,,\n"


def row_of(seller: str, marketplace: str = US, category: str = "", then: tuple[int, int] = (1, 2), **of: str) -> Row:
    """A figure of the Order Defect Rate, as known then and now."""
    told = {"day": "2026-11-03", "channel": "MFN", "severity": "", "metric": "order_defect", "window": "official"} | of
    about = (told["day"], seller, marketplace, told["channel"], category, told["severity"])
    return Row(*about, told["metric"], told["window"], *then, ratio(*then), 1, 1, 1.0)


def printed(told: Sequence[Row], *, seller: str | None, width: int = 200) -> list[str]:
    """The lines of the table in a terminal."""
    file = io.StringIO()
    show(told, Console(file=file, width=width, force_terminal=True, color_system=None), seller=seller)
    return file.getvalue().split("\n")


@given(foreign_text(), foreign_text(), foreign_text())
@example("a\rb", "", "\r")
@example("=1+1", "-1", "@a")
def test_whatever_ids_hold_is_in_each_row_as_it_was_told(seller: str, marketplace: str, category: str) -> None:
    # Python's csv does not quote a carriage return where its lines end in a line feed: behind such an id the table was
    # a trace, Parquet an error of Arrow's, and a row of the CSV two rows, of 2 and of 13 columns, with status 0.
    told = [row_of(seller, marketplace, category), row_of("A2SELLER")]
    with tempfile.TemporaryDirectory() as directory:
        part = part_of(told, Path(directory))
        assert list(read_part(part)) == told
        whole, parquet = part.with_suffix(".csv"), part.with_suffix(".parquet")
        write_csv(whole, [part])
        write_parquet(parquet, [part])
        with whole.open(encoding="utf-8", newline="") as file:
            assert list(csv.reader(file)) == [list(Row._fields), *([str(field) for field in row] for row in told)]
        assert [{**row, "day": row["day"].isoformat()} for row in pq.read_table(parquet).to_pylist()] == [
            row._asdict() for row in told
        ]
    for of in (None, seller):
        assert all(line.isprintable() for line in printed(told, seller=of))


@pytest.mark.parametrize("quotes", [0, 1_200_000])
def test_an_id_may_be_longer_than_readers_of_csv_expect(quotes: int, tmp_path: Path) -> None:
    # Python's reader refuses 128 KiB in one field, Arrow's a row of more than one of its blocks.
    told = [row_of("A" * 200_000 + '"' * quotes)]
    part = part_of(told, tmp_path)
    assert list(read_part(part)) == told
    write_parquet(part.with_suffix(".parquet"), [part])
    assert pq.read_table(part.with_suffix(".parquet"))["seller"].to_pylist() == [told[0].seller]


def test_of_one_seller_the_table_ends_in_a_line_of_bars_for_then_and_one_for_now() -> None:
    # then:  0, 1 and 2 defects of 2 orders, a day without any, 1 of 2; now: always all.
    counts = ((0, 2), (1, 2), (2, 2), (0, 0), (1, 2))
    days = [row_of(SELLER, then=then, day=f"2026-11-0{day}") for day, then in enumerate(counts, 1)]
    lines = [line.rstrip() for line in printed(days, seller=SELLER)]
    assert lines[-4:] == ["known then ▁▅█ ▅", "known now  █████", "", ""]
    assert not any("known then ▁" in line for line in printed(days, seller=None))


def test_bars_are_of_the_worst_of_several_days_where_there_are_more_days_than_room() -> None:
    assert sparkline([0.0, 0.5, None, None, 1.0, 0.0], width=3) == "▅ █"
    assert sparkline([0.0, 0.0]) == "▁▁"
    assert sparkline([None]) == " "
    assert sparkline([]) == ""
