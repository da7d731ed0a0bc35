"""Logs as JSON lines on stderr. By allow-list: a key that is not named here loses its value, an exception its text.

What libraries say in free text is not printed, because it may quote a message or a query with its values.
"""

import logging
import sys
import threading
import traceback
from collections.abc import MutableMapping
from types import TracebackType
from typing import Any, TextIO

import structlog

HIDDEN = "…"

ALLOWED = frozenset(
    {
        # which thing: local numbers and configured names only
        "inbox_id", "person_id", "person", "delivery_id", "delivery", "feed", "source", "kind", "media", "vendor",
        "bind", "port", "address", "worker", "inode",
        # what about it
        "state", "reason", "rule", "problem", "code", "verb", "stage", "error", "exit_code", "status", "job", "signal",
        # how many, how long
        "count", "rows", "problems", "attempt", "attempts", "messages", "bytes", "size", "position", "depth", "limit",
        "duration_ms", "retry_s", "age_s",
        # the adapter itself
        "version", "schema", "digest", "process", "pid",
    }
)  # fmt: skip
"""The keys a log line may have. Add one only if its values can never come from a patient's message."""

_OWN = frozenset({"event", "level", "at_utc", "fault", "at"})


def configure(*, stream: TextIO | None = None, level: int = logging.INFO) -> None:
    """Send every log line and every uncaught exception of this process to `stream` (default stderr), as JSON."""
    out = stream or sys.stderr
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="at_utc"),
            _only_the_kind_of_exception,
            _only_allowed,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file=out),
        cache_logger_on_first_use=False,
    )
    handler = _LibraryHandler()
    logging.basicConfig(handlers=[handler], level=max(level, logging.WARNING), force=True)
    sys.excepthook = _uncaught
    threading.excepthook = _uncaught_in_thread


def place_of(error: BaseException) -> str:
    """`module.py:line` where it was raised, without any value."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"{frames[-1].filename.rpartition('/')[2]}:{frames[-1].lineno}" if frames else ""


def _only_the_kind_of_exception(_logger: Any, _name: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    error = line.pop("exc_info", None)
    if error is True:
        error = sys.exception()
    if isinstance(error, tuple):
        error = error[1]
    if isinstance(error, BaseException):
        line["fault"], line["at"] = type(error).__name__, place_of(error)
    return line


def _only_allowed(_logger: Any, _name: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    return {key: _shown(key, value) for key, value in line.items()}


def _shown(key: str, value: Any) -> Any:
    """Numbers and short words pass under an allowed key; anything that could carry content does not."""
    if key in _OWN:
        return value
    if key in ALLOWED and (value is None or isinstance(value, str | int | float)):
        return value
    return HIDDEN


class _LibraryHandler(logging.Handler):
    """A library's log record: who spoke and where, without what it said."""

    def emit(self, record: logging.LogRecord) -> None:
        line = structlog.get_logger()
        error = record.exc_info[1] if record.exc_info else None
        at = f"{record.name}:{record.lineno}"
        line.log(record.levelno, "a library reported", source=at, exc_info=error)


def _uncaught(_kind: type[BaseException], error: BaseException, _trace: TracebackType | None) -> None:
    if not isinstance(error, KeyboardInterrupt):
        structlog.get_logger().critical("uncaught exception", exc_info=error)


def _uncaught_in_thread(arguments: threading.ExceptHookArgs) -> None:
    if arguments.exc_value is not None:
        structlog.get_logger().critical("uncaught exception", exc_info=arguments.exc_value)
