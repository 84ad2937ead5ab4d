"""A second reader of Prometheus's text format, written from its specification, for what the first one might forgive.

Lines end with a line feed and nothing else; a label's value may hold anything but a bare line feed, quote or backslash.
"""

import re
from typing import Final

from tests.recount import Series

_NAME: Final = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
_VALUE: Final = r'"((?:[^"\\\n]|\\["\\n])*)"'
_HELP: Final = re.compile(rf"# HELP {_NAME} (?:[^\\\n]|\\[\\n])*")
_TYPE: Final = re.compile(rf"# TYPE {_NAME} (?:counter|gauge|histogram|summary)")
_SAMPLE: Final = re.compile(rf"({_NAME})(?:\{{((?:[a-zA-Z_][a-zA-Z0-9_]*={_VALUE},?)*)\}})? (\S+)")
_LABEL: Final = re.compile(rf"([a-zA-Z_][a-zA-Z0-9_]*)={_VALUE}(?:,|$)")
_ESCAPE: Final = re.compile(r'\\(["\\n])')


def read_page(page: bytes) -> dict[Series, float]:
    """Return every series of a page; raises ValueError for what the format doesn't allow, or a series twice."""
    *lines, rest = page.decode().split("\n")
    if rest:
        raise ValueError(f"the last line doesn't end: {rest!r}")
    series: dict[Series, float] = {}
    for line in lines:
        if _HELP.fullmatch(line) is None and _TYPE.fullmatch(line) is None:
            key, value = _sample(line)
            if key in series:
                raise ValueError(f"there twice: {key}")
            series[key] = value
    return series


def _sample(line: str) -> tuple[Series, float]:
    found = _SAMPLE.fullmatch(line)
    if found is None:
        raise ValueError(f"no sample: {line!r}")
    labels = [(name, _plain(value)) for name, value in _LABEL.findall(found[2] or "")]
    if len(dict(labels)) != len(labels):
        raise ValueError(f"a label is there twice: {line!r}")
    return (found[1], frozenset(labels)), float(found[4])


def _plain(value: str) -> str:
    return _ESCAPE.sub(lambda escape: "\n" if escape[1] == "n" else escape[1], value)
