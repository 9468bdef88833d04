"""Lines of the logs: as text or as JSON, each with the job that it is about.

What is bound with :func:`bound` goes into every line that the same thread writes meanwhile.
"""

from __future__ import annotations

import json
import logging
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

#: Form of a line of text, to which what is bound is appended.
TEXT = "%(asctime)s %(levelname)s %(name)s: %(message)s"

_bound: ContextVar[Mapping[str, Any]] = ContextVar("bound", default={})  # noqa: B039 - never changed


@contextmanager
def bound(**fields: Any) -> Iterator[None]:
    """Put fields into every line that this thread logs meanwhile.

    Args:
        **fields: For example ``job``, ``step``, ``attempt``; values that JSON knows.
    """
    token = _bound.set({**_bound.get(), **fields})
    try:
        yield
    finally:
        _bound.reset(token)


def bound_fields() -> Mapping[str, Any]:
    """Return what is bound now."""
    return _bound.get()


class TextFormatter(logging.Formatter):
    """A line for people: what is bound stands at its end.

    Args:
        redact: Takes secrets out of texts.
    """

    def __init__(self, redact: Callable[[str], str] = str) -> None:
        super().__init__(TEXT)
        self._redact = redact

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, and the trace if there is one."""
        return self._redact(super().format(record))

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        """Return the line, without a trace."""
        line = super().formatMessage(record)
        fields = " ".join(f"{name}={value}" for name, value in bound_fields().items())
        return f"{line} [{fields}]" if fields else line


class JsonFormatter(logging.Formatter):
    """A line for programs: one JSON object.

    Args:
        redact: Takes secrets out of texts.
    """

    def __init__(self, redact: Callable[[str], str] = str) -> None:
        super().__init__()
        self._redact = redact

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        content: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": self._redact(record.getMessage()),
            **bound_fields(),
        }
        if record.exc_info:
            content["trace"] = self._redact(self.formatException(record.exc_info))
        return json.dumps(content, default=str, ensure_ascii=False)


def configure(form: str, level: int | str, redact: Callable[[str], str] = str) -> None:
    """Write all logs of this process to stderr in one form, in place of what was set before.

    Args:
        form: ``text`` or ``json``.
        level: The least important level that is written.
        redact: Takes secrets out of texts.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter(redact) if form == "json" else TextFormatter(redact))
    logging.basicConfig(level=level, handlers=[handler], force=True)
