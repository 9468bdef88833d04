"""End the runner's own processes, found by what they wrote down about themselves."""

from __future__ import annotations

import logging
import signal
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

    from jfcelery.tasks.runner.records import Record

logger = logging.getLogger(__name__)

#: Seconds between two looks at processes that are expected to end.
LOOK_INTERVAL = 0.05
#: Seconds that the system may take to remove a process killed with SIGKILL.
KILL_PATIENCE = 10.0


def end(records: Collection[Record], *, grace: float) -> None:
    """End processes: ask them all, and kill those that are still there after a while.

    Args:
        records: The processes; ended ones and later owners of their ids are left alone.
        grace: Seconds that they get to end their running steps; 0 kills them at once.
    """
    if grace > 0:
        _send(records, signal.SIGTERM)
        await_end(records, timeout=grace)
    _send(records, signal.SIGKILL)
    if not await_end(records, timeout=KILL_PATIENCE):
        names = ", ".join(f"{r.name} (pid {r.pid})" for r in records if r.alive)
        logger.error("The system does not end %s", names)


def await_end(records: Collection[Record], *, timeout: float) -> bool:
    """Wait until processes have ended; return whether they all have.

    Args:
        records: The processes.
        timeout: Seconds to wait at most.
    """
    deadline = time.monotonic() + timeout
    while any(record.alive for record in records):
        if time.monotonic() > deadline:
            return False
        time.sleep(LOOK_INTERVAL)
    return True


def _send(records: Collection[Record], number: signal.Signals) -> None:
    for record in records:
        record.send(number)
