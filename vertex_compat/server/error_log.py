"""The log entry of an unexpected exception, without its message, which may hold secrets."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterator

_log = logging.getLogger(__name__)


def log_unexpected(error: BaseException) -> None:
    """Log an exception and those that led to it."""
    _log.error("Unexpected error:\n%s", "\n".join(_lines(error)))


def _lines(error: BaseException) -> Iterator[str]:
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause:
        yield from _lines(cause)
        yield "which led to"
    for frame in traceback.extract_tb(error.__traceback__):
        yield f'  File "{frame.filename}", line {frame.lineno}, in {frame.name}'
    yield type(error).__qualname__
