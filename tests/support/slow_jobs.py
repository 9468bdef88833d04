# ruff: noqa: D103  # each is what its name says
"""Functions of jobs that last until a file says so, or return something else when run again."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from jobflow import Flow, Response, job

from tests.support.jobs import add


@job
def wait_for_file(path: str, value: int = 1) -> int:
    Path(f"{path}.started").touch()
    while not Path(path).exists():
        time.sleep(0.05)
    return value


@job
def replace_by_count(path: str) -> Response[Any]:
    """Replace itself by a sum; each run counts one more."""
    counter = Path(path)
    number = int(counter.read_text()) + 1 if counter.exists() else 1
    counter.write_text(str(number))
    first = add(number, 10)
    last = add(first.output, 100)
    return Response(replace=Flow([first, last], output=last.output))


@job
def detour_by_count(path: str) -> Response[int]:
    """Make a detour; each run counts one more, and returns the count."""
    counter = Path(path)
    number = int(counter.read_text()) + 1 if counter.exists() else 1
    counter.write_text(str(number))
    return Response(output=number, detour=Flow([add(number, 1000)]))


@job
def addition_by_count(path: str) -> Response[int]:
    """Add a job beside itself; each run counts one more, and returns the count."""
    counter = Path(path)
    number = int(counter.read_text()) + 1 if counter.exists() else 1
    counter.write_text(str(number))
    return Response(output=number, addition=Flow([add(number, 1000)]))


@job
def fail_unless_file(path: str) -> str:
    if not Path(path).exists():
        raise RuntimeError("not yet")
    return "well"
