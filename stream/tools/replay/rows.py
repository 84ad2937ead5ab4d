"""What a replay tells: a row for each day, seller, marketplace, channel, metric and window, as text and as a table."""

import csv
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from stream.days import iso_day
from stream.figures import BY_DETECTION
from stream.lines import one_line
from stream.metrics import METRICS_OF, OFFICIAL, ORDER_DEFECT, WINDOWS
from stream.rates import low_volume, ratio
from stream.replay import Replayed
from stream.rules import Rules

_BARS: Final = "▁▂▃▄▅▆▇█"
_WIDEST: Final = 60
_MOST_SHOWN: Final = 20


class Row(NamedTuple):
    """One figure of one evaluation day. Counts are whole, ratios 0-1 and None without a denominator.

    `channel` is empty where the metric has none, `category` and `severity` where it is no violation; `..._then`: as the
    events up to the end of that day say, `..._now`: as all events do.
    """

    day: str
    seller: str
    marketplace: str
    channel: str
    category: str
    severity: str
    metric: str
    window: str
    numerator_then: int
    denominator_then: int | None
    ratio_then: float | None
    numerator_now: int
    denominator_now: int | None
    ratio_now: float | None


_NAMES: Final = Row._fields.index("numerator_then")


def rows(replayed: Replayed, rules: Rules) -> Iterator[Row]:
    """Yield the row of every metric and window that has data, then or now."""
    (seller_id, place), day = replayed.group, iso_day(replayed.day)
    ledger, marketplace_id = place[:2]
    for metric in METRICS_OF[ledger]:
        if not metric.is_told_in(place):
            continue
        further = place[2:] if ledger == BY_DETECTION.name else ("", "")
        about = [day, seller_id, marketplace_id, metric.channel_in(place) or "", *further, metric.name]
        windows = metric.windows_in(marketplace_id, rules)
        for window, then, now in zip(WINDOWS[ledger], replayed.then, replayed.now, strict=True):
            known_then, known_now = metric.counted(then), metric.counted(now)
            if window in windows and (any(known_then) or any(known_now)):
                shares = (*known_then, ratio(*known_then), *known_now, ratio(*known_now))
                yield Row(*about, window.name, *shares)  # type: ignore[arg-type, call-arg]


# Comma-separated values: the parts of a replay, and what is asked for.

_BLOCK_BYTES: Final = 1 << 24
"""What Arrow reads at a time: no row may be longer, and ids are as long as their producers like."""


_CSV_LINE_END: Final = "\r\n"


class _Lines:
    """What csv writes to; its lines end in a line feed here, but it quotes a carriage return only where its own do."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, line: str) -> None:
        self._file.write(line.removesuffix(_CSV_LINE_END) + "\n")


def write_part(file: TextIO, found: Iterable[Row]) -> None:
    """Write rows without a header; text is as it is in the events, quoted where it must be."""
    csv.writer(_Lines(file), lineterminator=_CSV_LINE_END).writerows(found)


def write_csv(path: Path, parts: Iterable[Path]) -> None:
    """Put the parts together, under a header."""
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerow(Row._fields)
        for part in parts:
            with part.open(encoding="utf-8", newline="") as rest:
                while text := rest.read(1 << 20):
                    file.write(text)


def read_part(path: Path) -> Iterator[Row]:
    """Yield the rows of a part."""
    csv.field_size_limit(sys.maxsize)  # it refuses more than 128 KiB, which an id may have
    with path.open(encoding="utf-8", newline="") as file:
        for fields in csv.reader(file):
            names, numbers = fields[:_NAMES], fields[_NAMES:]
            yield Row(*names, *(_number(at, text) for at, text in enumerate(numbers)))  # type: ignore[arg-type]


def _number(at: int, text: str) -> float | int | None:
    if not text:
        return None
    return float(text) if at % 3 == 2 else int(text)


def write_parquet(path: Path, parts: Iterable[Path]) -> None:
    """Put the parts together as one Parquet file; needs the extra `parquet`."""
    import pyarrow as pa  # noqa: PLC0415 - only the extra brings it
    import pyarrow.csv  # noqa: PLC0415
    import pyarrow.parquet  # noqa: PLC0415

    schema = pa.schema([(name, _arrow_type(pa, name)) for name in Row._fields])
    read = pa.csv.ReadOptions(column_names=Row._fields, block_size=_BLOCK_BYTES)
    lines = pa.csv.ParseOptions(newlines_in_values=True)
    convert = pa.csv.ConvertOptions(column_types=schema, null_values=[""], strings_can_be_null=False)
    with pa.parquet.ParquetWriter(path, schema) as writer:
        for part in parts:
            if part.stat().st_size:
                writer.write_table(pa.csv.read_csv(part, read, lines, convert))


def _arrow_type(pa: Any, name: str) -> Any:
    if name == "day":
        return pa.date32()
    if name.startswith("ratio"):
        return pa.float64()
    return pa.int64() if name.startswith(("numerator", "denominator")) else pa.string()


# A table for a person.

_Group = tuple[str, str, str]


def show(found: Iterable[Row], console: Console, *, seller: str | None) -> None:
    """Print the official Order Defect Rate: of one seller day by day, of several a line for each."""
    groups: defaultdict[_Group, list[Row]] = defaultdict(list)
    for row in found:
        if row.metric == ORDER_DEFECT.name and row.window == OFFICIAL.name:
            groups[row.seller, row.marketplace, row.channel].append(row)
    if not groups:
        console.print("no orders in any window of these days")
    elif seller is None:
        console.print(_summary(groups))
    else:
        for group, days in sorted(groups.items()):
            console.print(_day_by_day(group, days))
            console.print(Text(f"known then {sparkline([row.ratio_then for row in days])}"))
            console.print(Text(f"known now  {sparkline([row.ratio_now for row in days])}\n"))


def _summary(groups: dict[_Group, list[Row]]) -> Table:
    """Return the sellers with the worst official ratio ever known, those with enough orders to be judged first."""
    worst = {group: max(days, key=_badness) for group, days in groups.items()}
    worst_first = sorted(worst, key=lambda group: _badness(worst[group]), reverse=True)
    left_out = len(worst_first) - _MOST_SHOWN
    caption = f"and {left_out:,} more: --seller shows one, --csv all" if left_out > 0 else None
    table = Table("seller", "channel", "worst, as known then", "on", "the last day", "as known now", caption=caption)
    for group in worst_first[:_MOST_SHOWN]:
        seller, marketplace, channel = group
        then, last = worst[group], groups[group][-1]
        table.add_row(
            Text(one_line(seller)),
            Text(one_line(f"{channel} {marketplace}")),
            _share(then.numerator_then, then.denominator_then),
            then.day,
            _share(last.numerator_then, last.denominator_then),
            _share(last.numerator_now, last.denominator_now),
        )
    return table


def _badness(row: Row) -> tuple[bool, float]:
    assert ORDER_DEFECT.target is not None  # noqa: S101 - the metric that has one
    return not low_volume(row.denominator_then or 0, ORDER_DEFECT.target, None), row.ratio_then or 0.0


def _day_by_day(group: _Group, days: Sequence[Row]) -> Table:
    table = Table("day", "known then", "known now", "difference", title=Text(one_line(" · ".join(group))))
    for row in days:
        known = row.ratio_then is not None and row.ratio_now is not None
        gap = f"{100 * ((row.ratio_now or 0) - (row.ratio_then or 0)):+.2f}" if known else "-"
        then = _share(row.numerator_then, row.denominator_then)
        table.add_row(
            row.day, then, _share(row.numerator_now, row.denominator_now), "" if gap.endswith("0.00") else gap
        )
    return table


def _share(numerator: int, denominator: int | None) -> str:
    share = ratio(numerator, denominator)
    return "no data" if share is None else f"{100 * share:.2f} % ({numerator}/{denominator})"


def sparkline(values: Sequence[float | None], width: int = _WIDEST) -> str:
    """Return values as bars from 0 to the largest, blanks where there is none; of more than `width`, the worst."""
    per_bar = -(-len(values) // width) or 1
    slices = [values[at : at + per_bar] for at in range(0, len(values), per_bar)]
    bars = [max((value for value in part if value is not None), default=None) for part in slices]
    top = max((bar for bar in bars if bar is not None), default=0.0) or 1.0
    return "".join(" " if bar is None else _BARS[round(bar / top * (len(_BARS) - 1))] for bar in bars)
