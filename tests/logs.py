"""A worker's log, as it is written to standard error."""

import io
import logging
from collections.abc import Iterator
from contextlib import contextmanager

from stream.worker.logs import log_to_stderr

LOGGERS = ("aiokafka", "mode", "faust", "asyncio", "aiohttp.server")


@contextmanager
def worker_log(level: str = "usual") -> Iterator[io.StringIO]:
    """Logs as a worker does, into what is yielded; everything is put back as it was."""
    root, loggers = logging.getLogger(), [logging.getLogger(name) for name in LOGGERS]
    handlers, own = root.handlers, root.level
    before = [(logger, logger.level, logger.filters[:]) for logger in loggers]
    root.handlers = []
    log_to_stderr(level)
    told = io.StringIO()
    (handler,) = root.handlers
    assert isinstance(handler, logging.StreamHandler)
    handler.setStream(told)
    try:
        yield told
    finally:
        root.handlers = handlers
        root.setLevel(own)
        for logger, level_before, filters in before:
            logger.setLevel(level_before)
            logger.filters = filters
