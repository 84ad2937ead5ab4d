"""What a worker says on standard error: a record is one line, whatever text of others is in it."""

import logging
import sys
import traceback
from types import TracebackType
from typing import Final

from aiohttp.http_exceptions import HttpProcessingError

from stream.lines import one_line, own_lines

_NOISY: Final = ("aiokafka", "mode", "faust", "asyncio")
_ERROR = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


class OneLine(logging.Formatter):
    """Keeps foreign text from beginning a line of its own: escaped in messages, indented in tracebacks."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's own name
        """Return the record's line."""
        return one_line(super().formatMessage(record))

    def formatException(self, ei: _ERROR) -> str:  # noqa: N802 - logging's own name
        """Return the traceback, indented: an exception's text may have lines that look like records."""
        return own_lines("    " + super().formatException(ei).replace("\n", "\n    "))


class _NoHttp(logging.Filter):
    """Tells of a request that is no HTTP in one line and without its text: that may hold somebody's token."""

    def filter(self, record: logging.LogRecord) -> bool:
        problem = record.exc_info[1] if record.exc_info else None
        if isinstance(problem, HttpProcessingError):
            record.msg, record.args = f"{record.getMessage()}: {type(problem).__name__}", ()
            record.exc_info = None
        return True


def log_to_stderr(level: str) -> None:
    """Log to standard error: `quiet` warnings only, `usual`, or `verbose` what the Kafka client and Faust do, too."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(OneLine("%(asctime)s %(levelname)s %(message)s"))
    logging.basicConfig(handlers=[handler], level=logging.WARNING if level == "quiet" else logging.INFO)
    logging.getLogger("aiohttp.server").addFilter(_NoHttp())
    for name in _NOISY:
        logging.getLogger(name).setLevel(logging.INFO if level == "verbose" else logging.CRITICAL + 1)


def told_in_one_line(surprise: BaseException) -> str:
    """Return what an exception says and where it was raised; a log's formatter makes one line of it."""
    frames = traceback.extract_tb(surprise.__traceback__)
    return f"{surprise!r} at {frames[-1].filename}:{frames[-1].lineno}" if frames else repr(surprise)
