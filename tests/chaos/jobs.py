"""Functions of jobs that write down each of their starts and ends, for the observer.

A file whose name stands in ``CHAOS_EFFECTS`` gets a line for each, and nothing is ever taken out
of it. Nothing here needs more than jobflow, so that a copy of this module serves on a cluster.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobflow import CURRENT_JOB, Flow, Response, job

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Names the file of side effects.
EFFECTS = "CHAOS_EFFECTS"


def note(what: str) -> None:
    """Append a line about the job that runs in this process."""
    current: Any = CURRENT_JOB.job
    sent = json.loads(Path("jfremote_in.json").read_text())
    line = {
        "what": what,
        "job": f"{current.uuid}_{current.index}",
        "attempt": sent["attempt"],
        "queue_id": os.environ.get("SLURM_JOB_ID", ""),
        "pid": os.getpid(),
        "at": time.time(),
    }
    # O_APPEND and a single write: lines of many processes never mix.
    handle = os.open(os.environ[EFFECTS], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    try:
        os.write(handle, (json.dumps(line) + "\n").encode())
    finally:
        os.close(handle)


@job
def add(values: Iterable[int], more: int = 0, seconds: float = 0) -> int:
    """Return the sum of numbers, after a while."""
    note("start")
    time.sleep(seconds)
    result = sum(values) + more
    note("end")
    return result


def named(name: str, values: Iterable[Any], more: int = 0, seconds: float = 0) -> Any:
    """Return a job with a name that tells it from the others of its flow."""
    made = add(values, more, seconds)
    made.name = name
    return made


@job
def replace(value: int) -> Response[Any]:
    """Be replaced by two jobs, of which the second has the output."""
    note("start")
    first = named("replacement 1", [value], 10)
    second = named("replacement 2", [first.output], 100)
    note("end")
    return Response(replace=Flow([first, second], output=second.output))


@job
def detour(value: int) -> Response[int]:
    """Have a detour made before the children go on."""
    note("start")
    made = named("detour", [value], 1000)
    note("end")
    return Response(output=value, detour=Flow([made]))


@job
def addition(value: int) -> Response[int]:
    """Add a job for which nobody waits."""
    note("start")
    made = named("addition", [value], 2000)
    note("end")
    return Response(output=value, addition=Flow([made]))
