"""The processes of a job or of a whole pilot, wherever they went: they bear its name."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from pathlib import Path

#: Variable that names the entry of a job, and so its processes.
ENTRY_VARIABLE = "JFC_QUEUE_ID"
#: Variable that names the pilot of a job.
PILOT_VARIABLE = "JFC_PILOT"
#: Seconds between two looks at processes that are being killed.
LOOK = 0.05
#: Seconds after which processes that cannot be killed (they hang in the kernel) are given up.
PATIENCE = 30.0


def bearers(variable: str, value: str) -> list[int]:
    """Return the processes of this machine that were started with a variable, but this one."""
    word = b"\0" + f"{variable}={value}".encode() + b"\0"
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):
            if word in b"\0" + path.read_bytes() + b"\0" and int(path.parent.name) != os.getpid():
                found.append(int(path.parent.name))
    return found


def are_gone(variable: str, value: str, patience: float) -> bool:
    """Return whether the processes that bear a name end by themselves within so many seconds."""
    until = time.monotonic() + patience
    while bearers(variable, value):
        if time.monotonic() > until:
            return False
        time.sleep(LOOK)
    return True


def kill_bearers(variable: str, value: str, *, patience: float = PATIENCE) -> bool:
    """Kill all processes that bear a name; return whether they are gone."""
    until = time.monotonic() + patience
    while left := bearers(variable, value):
        for pid in left:
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        if time.monotonic() > until:
            return False
        time.sleep(LOOK)
    return True
