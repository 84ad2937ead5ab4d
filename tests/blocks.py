"""What replays have written for Prometheus, read back."""

import json
import os
import shutil
from pathlib import Path

import pytest


def promtool() -> str:
    """Return where promtool is; where there is none: skipped, but in CI a failure."""
    found = shutil.which("promtool")
    if found is None:
        missing = "promtool is needed: apt-get install prometheus"
        if os.environ.get("CI"):
            pytest.fail(missing, pytrace=False)
        pytest.skip(missing)
    return found


def stored(directory: Path) -> list[tuple[int, int]]:
    """Return how many series and samples each block has, doubled ones included."""
    stats = [json.loads(path.read_text(encoding="utf-8"))["stats"] for path in directory.glob("[!.]*/meta.json")]
    return sorted((of["numSeries"], of["numSamples"]) for of in stats)
