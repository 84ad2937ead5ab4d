"""A replay for Prometheus: daily samples as OpenMetrics, made into blocks by promtool.

A sample stands at the end of its evaluation day in its marketplace's zone, and never later than now: one from the
future would keep a running Prometheus from storing any later scrape.
"""

import shutil
import subprocess
from collections import defaultdict
from collections.abc import Iterable
from itertools import chain
from pathlib import Path
from typing import Final, TextIO

from stream.errors import UserError
from stream.gauges import COLUMNS, Column, Values, labels, series_labels
from stream.replay import Replayed
from stream.rules import Rules, start_of_day

JOB: Final = "replay"
SUFFIX: Final = "_event_time"
"""Put behind the gauges' own names: what a replay tells must not be mistaken for what was scraped."""

_BLOCKS: Final = "blocks"
_LABELS: Final = ("job", "replay", "knowledge")


class BlocksError(UserError):
    """Blocks can't be made; the message is one line for the user."""


def require_promtool() -> str:
    """Return the path of promtool; raises BlocksError where there is none."""
    promtool = shutil.which("promtool")
    if promtool is None:
        raise BlocksError(
            "--prometheus needs promtool, which comes with Prometheus (Debian: apt-get install prometheus)"
        )
    return promtool


def make_blocks(made: Path, replayed: Iterable[Replayed], name: str, rules: Rules, now: float) -> None:
    """Make blocks of the replay called `name` in the folder `made`, in place of what is there: all of them or none.

    Raises BlocksError where promtool can't.
    """
    shutil.rmtree(made, ignore_errors=True)
    made.mkdir(parents=True)
    try:
        text = made / "samples.txt"
        with text.open("w", encoding="utf-8") as file:
            written = write_samples(file, replayed, name, rules, now)
        if written:
            _create_blocks(text, made / _BLOCKS)
        text.unlink()
    except Exception:
        shutil.rmtree(made)
        raise


def _create_blocks(text: Path, blocks: Path) -> None:
    # The default of a block for every two hours takes a thousand times as long for daily samples.
    command = [require_promtool(), "tsdb", "create-blocks-from", "openmetrics", "--max-block-duration=8760h"]
    ended = subprocess.run([*command, str(text), str(blocks)], capture_output=True, text=True, check=False)  # noqa: S603
    if ended.returncode:
        raise BlocksError(f"promtool: {(ended.stderr or ended.stdout).strip().splitlines()[-1]}")


def move_blocks(made: Path, directory: Path) -> None:
    """Move what has been made into `directory`, which a Prometheus may be reading; stopped, it goes on when repeated.

    `made` is on the same disk, and gone in the end.
    """
    for block in made.glob(f"{_BLOCKS}/*"):
        if block.is_dir():
            block.rename(directory / block.name)
    shutil.rmtree(made, ignore_errors=True)


def write_samples(file: TextIO, replayed: Iterable[Replayed], name: str, rules: Rules, now: float) -> int:
    """Write OpenMetrics text; return the number of samples. All samples of a name are in one piece, as it asks."""
    values = Values(rules)
    samples: defaultdict[Column, list[str]] = defaultdict(list)
    told = {knowledge: labels(_LABELS, JOB, name, knowledge) for knowledge in ("then", "now")}
    for of in replayed:
        zone = rules.marketplace(of.group.marketplace_id).zone
        at = f"{min(start_of_day(of.day + 1, zone) - 1, now):.3f}"
        for knowledge, totals in (("then", of.then), ("now", of.now)):
            for column, found in values.of(of.group.place, totals):
                about = series_labels(column, of.group)
                samples[column] += [
                    f'{{{about},window="{window}",{told[knowledge]}}} {value!r} {at}\n' for window, value in found
                ]
    for column in chain.from_iterable(COLUMNS.values()):
        if samples[column]:
            family = column.family
            file.write(f"# HELP {family.name}{SUFFIX} {family.help}\n# TYPE {family.name}{SUFFIX} gauge\n")
            file.writelines(f"{family.name}{SUFFIX}{line}" for line in samples[column])
    file.write("# EOF\n")
    return sum(map(len, samples.values()))


def how_to_delete(name: str) -> str:
    """Return in words how a replay's samples are deleted from a running Prometheus."""
    return (
        "to delete it again, from a Prometheus that runs with --web.enable-admin-api: "
        f"curl -X POST -g 'http://localhost:9090/api/v1/admin/tsdb/delete_series?match[]={{replay=\"{name}\"}}'"
    )
