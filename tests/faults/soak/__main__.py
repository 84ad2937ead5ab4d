"""`make soak`: does everything stay exact, and memory level, under a steady stream and a random fault each minute?

Exit status 0: every figure was exact after every fault, and no scrape showed what it must not. 1: not so.
"""

import logging
import random
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import mean
from tempfile import TemporaryDirectory

import click
from rich.console import Console
from rich.table import Table

from tests.faults.soak.market import EVENTS_PER_ORDER, Market
from tests.faults.soak.run import KEPT_DAYS, Round, Soak

DAYS = 4 * KEPT_DAYS
"""So that what is kept is reached after a quarter of the time: from then on, memory has to stay level."""

LEVEL, MINUTES_TO_TELL = 1.2, 20
"""How much more memory may be in use in the last third than in the second, of a soak that lasts long enough to tell.

In the first, workers still grow: each has to hold everything once, when the others are away.
"""


def market_for(minutes: float, rate: int) -> Market:
    """Return a market whose `DAYS` last that long, up to yesterday."""
    orders_a_day = round(minutes * 60 * rate / DAYS / EVENTS_PER_ORDER)
    return Market(datetime.now(UTC).date() - timedelta(days=DAYS + 1), orders_a_day)


def rounds(soak: Soak, times: int, every_seconds: float, rng: random.Random, say: Console) -> list[Round]:
    """Go through all days in so many rounds; tell of each."""
    done: list[Round] = []
    for number in range(1, times + 1):
        after_seconds = rng.uniform(0, 0.6 * every_seconds)
        done.append(soak.survive(soak.chaos.choose(), DAYS * number // times, after_seconds))
        tell(done[-1], say)
    done.append(soak.restore(DAYS))
    tell(done[-1], say)
    return done


def tell(done: Round, say: Console) -> None:
    say.print(
        f"day {done.day:3}: {done.fault}: {len(done.differences)} mismatches, longest stop {done.stop_seconds:.1f} s, "
        f"caught up after {done.behind_seconds:.1f} s, {done.orders:,} orders in {done.workers} workers, "
        f"{done.resident_mib:.0f} MiB"
    )
    for difference in done.differences[:5]:
        say.print(f"    {difference}")


def by_fault(done: Sequence[Round]) -> Table:
    table = Table("fault", "times", "mismatches", "longest stop")
    for fault in sorted({one.fault for one in done}):
        of_fault = [one for one in done if one.fault == fault]
        mismatches = sum(len(one.differences) for one in of_fault)
        longest = max(one.stop_seconds for one in of_fault)
        table.add_row(fault, str(len(of_fault)), str(mismatches), f"{longest:.1f} s")
    return table


def growth(done: Sequence[Round], idle_mib: float, say: Console) -> float:
    """Tell of memory over the time in which as many orders leave as come; return its last third over its second."""
    level = [one for one in done[:-1] if one.day >= KEPT_DAYS]
    third = len(level) // 3
    if not third:
        say.print("memory: too few rounds to tell")
        return 1.0
    means = []
    for name, part in (("first", level[:third]), ("second", level[third:-third]), ("last", level[-third:])):
        over_idle = mean(one.resident_mib - one.workers * idle_mib for one in part)
        orders = mean(one.orders for one in part)
        means.append(over_idle)
        say.print(
            f"memory, {name} third: {mean(one.resident_mib for one in part):.0f} MiB in all workers, "
            f"{over_idle:.0f} over idle ones, for {orders:,.0f} orders"
        )
    return means[-1] / means[1]


@click.command()
@click.option("--minutes", type=click.FloatRange(1), default=30, show_default=True, help="How long events flow.")
@click.option("--rate", type=click.IntRange(1_000), default=20_000, show_default=True, help="Events a second.")
@click.option("--every", type=click.FloatRange(5), default=60, show_default=True, help="Seconds from fault to fault.")
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed chooses the same faults.")
@click.option("--directory", type=click.Path(path_type=Path, exists=True), help="Where to keep data and logs.")
def main(minutes: float, rate: int, every: float, seed: int, directory: Path | None) -> None:
    """Run a soak and tell what it found."""
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # which tells of every broker that is away
    say = Console(width=150)
    began_at = time.monotonic()
    with ExitStack() as open_:
        place = directory or Path(open_.enter_context(TemporaryDirectory(prefix="soak")))
        soak = Soak(open_, place, market_for(minutes, rate), rate, seed)
        times = min(DAYS, max(1, round(minutes * 60 / every)))
        done = rounds(soak, times, every, random.Random(seed), say)
        problems = soak.end_watch()
        source, ended, idle_mib = soak.source, soak.ended, soak.idle_mib
    say.print(by_fault(done))
    took = sum(one.behind_seconds for one in done[:-1]) + source.seconds
    say.print(
        f"{source.events:,} events in {(time.monotonic() - began_at) / 60:.1f} minutes: produced at "
        f"{source.events / source.seconds:,.0f}/s, {source.events / took:,.0f}/s with catching up after faults"
    )
    say.print(f"longest stop of a partition: {max(one.stop_seconds for one in done):.1f} s")
    for line, times in ended.items():
        say.print(f"ended by itself, {times} times: {line}")
    for problem in problems[:10]:
        say.print(f"must not be shown: {problem}")
    grown = growth(done, idle_mib, say)
    mismatches = sum(len(one.differences) for one in done) + len(problems)
    say.print(f"mismatches: {mismatches}; memory, last third over second: {grown:.2f}")
    sys.exit(1 if mismatches or (grown > LEVEL and minutes >= MINUTES_TO_TELL) else 0)


if __name__ == "__main__":
    main()
