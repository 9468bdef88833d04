"""A Celery worker on a machine whose clock is wrong: ``python -m tests.chaos.skewed MINUTES …``.

Python's own clocks are shifted before anything else is imported. (libfaketime would do it from
outside, but breaks ``time.sleep``.) Jobs and services that the process starts have the right time.
"""

from __future__ import annotations

import sys
import time
from datetime import datetime, timedelta, tzinfo
from typing import Any

#: Modules that ask ``datetime`` for the time.
MODULES = ("celery.app.base", "celery.app.amqp", "celery.utils.time", "celery.worker.request")


def shift(minutes: int) -> None:
    """Shift the clocks of this process."""
    from importlib import import_module

    seconds = minutes * 60
    real_time, real_ns = time.time, time.time_ns
    time.time = lambda: real_time() + seconds
    time.time_ns = lambda: real_ns() + seconds * 10**9

    class Kind(type):
        def __instancecheck__(cls, instance: object) -> bool:
            return isinstance(instance, datetime)

    class Shifted(datetime, metaclass=Kind):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Any:
            return datetime.now(tz) + timedelta(seconds=seconds)

    for name in MODULES:
        module = import_module(name)
        if getattr(module, "datetime", None) is datetime:
            module.datetime = Shifted  # type: ignore[attr-defined]


if __name__ == "__main__":
    shift(int(sys.argv.pop(1)))
    from celery.__main__ import main

    main()
