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


def is_no_false_alarm(record: logging.LogRecord) -> bool:
    """Return whether a record is to be logged: not what is said of an address without options.

    Celery makes a connection of the bare address, and never opens it, to show it without its
    password (``celery.app.utils``); all that are opened have options that check certificates.
    """
    return not str(record.msg).startswith("Secure redis scheme specified (rediss) with no ssl")


def quieten() -> None:
    """Keep periodic tasks, false alarms and advice that is not for us out of the logs."""
    from celery.exceptions import CPendingDeprecationWarning

    # At each loss of the broker Celery speaks of late acknowledgement, which is not used here.
    warnings.simplefilter("ignore", CPendingDeprecationWarning)
    logging.getLogger("kombu.connection").addFilter(is_no_false_alarm)
    for name in LOGGERS:
        logging.getLogger(name).addFilter(PeriodicTaskFilter())
