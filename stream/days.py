"""Days as whole numbers (proleptic ordinals) and as they are written, and how fast they pass in a replay."""

import re
from datetime import date, timedelta
from functools import lru_cache
from typing import Final

_LAST_DAY: Final = date.max.toordinal()
_UNITS: Final = {"s": timedelta(seconds=1), "m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}
_is_speed: Final = re.compile(r"(\d{1,6}(?:\.\d{1,6})?)([smhd])/s", re.ASCII).fullmatch
_is_iso_day: Final = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII).fullmatch


@lru_cache(maxsize=4096)
def iso_day(day: int) -> str:
    """Return a day as `YYYY-MM-DD`; one beyond an end of the calendar is told as the day at that end."""
    return date.fromordinal(max(1, min(day, _LAST_DAY))).isoformat()


def parse_day(text: str) -> int:
    """Return the day that `YYYY-MM-DD` names; raises ValueError for anything else."""
    if _is_iso_day(text) is None:
        raise ValueError("accepts YYYY-MM-DD")
    try:
        return date.fromisoformat(text).toordinal()
    except ValueError as problem:
        raise ValueError(f"accepts YYYY-MM-DD: {problem}") from None


def parse_speed(text: str) -> timedelta:
    """Return how much of history passes in a second: `1d/s`, `6h/s`; raises ValueError for anything else."""
    read = _is_speed(text)
    if read is None or not float(read[1]):
        raise ValueError("accepts a time per second, such as 1d/s, 6h/s or 30m/s")
    return float(read[1]) * _UNITS[read[2]]
