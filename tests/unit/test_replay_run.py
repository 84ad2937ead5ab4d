"""How far a replay is stands on the terminal."""

import io
import re

from rich.console import Console

from stream.tools.replay import run


def drawn(*, terminal: bool) -> str:
    """What the progress bar has drawn when half of 2,000 events have been read."""
    file = io.StringIO()
    console = Console(file=file, width=100, force_terminal=terminal, color_system=None)
    with run._progress(2_000, console) as progress:
        for read in (0, 500, 1_000):
            progress(read)
    return file.getvalue()


def test_a_terminal_shows_how_much_is_replayed_how_fast_and_how_long_it_takes() -> None:
    # Before the first events there is no rate, and the bar that could not tell it ended each replay on a terminal.
    last = drawn(terminal=True).split("\r")[-1]
    assert re.search(r"replayed .* 1,000 of 2,000 events, [1-9][\d,]*/s 0:00:0\d", last)


def test_there_is_no_bar_where_there_is_no_terminal() -> None:
    assert drawn(terminal=False).strip() == ""
