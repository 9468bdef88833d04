"""Jobs that leave a trace of each of their starts, for whoever counts them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from jobflow import Flow, Response, job


@job
def traced(folder: str, value: int = 0, after: list[int] | None = None) -> int:
    """Add up, and note the start of this run in a file of its own line."""
    from jfcelery import CURRENT_JOBDOC

    doc: Any = CURRENT_JOBDOC.job_doc
    line = f"{doc.uuid}_{doc.index} {doc.attempt}\n"
    # O_APPEND: lines of many processes never mix
    handle = os.open(Path(folder) / "starts", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(handle, line.encode())
    os.close(handle)
    return value + sum(after or [])


@job
def traced_fan(folder: str, width: int) -> Response[Any]:
    """Be replaced by a fan of traced jobs and one that adds them up."""
    jobs = [traced(folder, number) for number in range(width)]
    end = traced(folder, 0, [one.output for one in jobs])
    return Response(replace=Flow([*jobs, end], output=end.output))


def starts(folder: Path) -> list[str]:
    """Return ``uuid_index attempt`` of every start."""
    path = folder / "starts"
    return path.read_text().splitlines() if path.exists() else []
