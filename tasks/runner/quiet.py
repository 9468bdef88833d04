"""Keep the periodic tasks, several a second, out of the logs, unless they fail."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping
from typing import Any

#: Tasks that run all the time.
PERIODIC = frozenset(f"jfcelery.{name}" for name in ("tick", "checkout", "sweep", "poll", "notify"))
#: Celery's loggers that write a line for each task that is sent, received, done.
LOGGERS = ("celery.beat", "celery.worker.strategy", "celery.app.trace")


class PeriodicTaskFilter(logging.Filter):
    """Drops what is said at level INFO about a periodic task."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether a record is to be logged."""
        if record.levelno != logging.INFO:
            return True
        arguments: Any = record.args
        if isinstance(arguments, Mapping):
            return arguments.get("name") not in PERIODIC
        return not any(a in PERIODIC for a in arguments or () if isinstance(a, str))


def quieten() -> None:
    """Keep the periodic tasks out of this process's logs, and advice about late acknowledgement."""
    from celery.exceptions import CPendingDeprecationWarning

    # At each loss of the broker Celery speaks of late acknowledgement, which is not used here.
    warnings.simplefilter("ignore", CPendingDeprecationWarning)
    for name in LOGGERS:
        logging.getLogger(name).addFilter(PeriodicTaskFilter())
