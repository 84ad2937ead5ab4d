"""Days as whole numbers (proleptic ordinals) and as they are written."""

import re
from datetime import date
from functools import lru_cache
from typing import Final

_LAST_DAY: Final = date.max.toordinal()
_is_iso_day: Final = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII).fullmatch


@lru_cache(maxsize=4096)
def iso_day(day: int) -> str:
    """Return a day as `YYYY-MM-DD`; one beyond an end of the calendar is told as the day at that end."""
    return date.fromordinal(max(1, min(day, _LAST_DAY))).isoformat()


def parse_day(text: str) -> int:
    """Return the day that `YYYY-MM-DD` names; raises ValueError for anything else."""
    if _is_iso_day(text) is None:
        raise ValueError("accepts YYYY-MM-DD")
    return date.fromisoformat(text).toordinal()
