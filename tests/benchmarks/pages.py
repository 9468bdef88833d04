"""How long a page of jobs takes out of many: ``python -m tests.benchmarks.pages [NUMBER]``.

The documents lie in an embedded database of a throwaway project; each page is read as the web
server reads it.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jfcelery import services
from jfcelery.project import Project
from jfcelery.states import JobState
from jfcelery.web.api.models import JobSelection
from jfcelery.web.current import Current
from jfcelery.web.pages.listing import job_rows
from jfcelery.web.pages.overview import state_tiles
from tests.support.queued import Queued

if TYPE_CHECKING:
    from collections.abc import Callable

    from jfcelery.database.connection import QueueDatabase

#: Documents written with one command, and times that each page is read.
PIECE, TIMES = 5000, 5


def fill(queue: QueueDatabase, number: int) -> None:
    """Insert copies of a job's document, in various states."""
    flow = Queued(queue, {"a": []})
    raw = flow.doc("a").raw
    states = [JobState.COMPLETED] * 8 + [JobState.FAILED, JobState.WAITING]
    for start in range(0, number, PIECE):
        docs: list[dict[str, Any]] = []
        for place in range(start, min(start + PIECE, number)):
            when = raw["updated_on"] - timedelta(seconds=place)
            own = {"_id": f"x{place}_1", "uuid": f"x{place}", "db_id": str(place + 10)}
            state = states[place % len(states)].value
            docs.append({**raw, **own, "state": state, "updated_on": when, "created_on": when})
        collection = queue.jobs
        collection.insert_many(docs, ordered=False)


def timed(what: str, read: Callable[[], object]) -> None:
    """Print the median time of some readings."""
    seconds = []
    for _ in range(TIMES):
        began = time.perf_counter()
        read()
        seconds.append(time.perf_counter() - began)
    print(f"{what:<40} {statistics.median(seconds) * 1000:7.0f} ms")


def main() -> None:
    """Fill a database and read pages from it."""
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    with tempfile.TemporaryDirectory(prefix="jfcp-", dir="/tmp") as folder:
        worker = {"type": "local", "scheduler_type": "shell", "work_dir": f"{folder}/work"}
        project = Project.model_validate(
            {"name": "pages", "base_dir": Path(folder), "workers": {"here": worker}}
        )
        try:
            current = Current(project)
            fill(current.controller().queue, number)
            print(f"{number} jobs")
            everything = JobSelection()
            failed = JobSelection(states=[JobState.FAILED])
            timed("the first 100 jobs", lambda: job_rows(current, everything, 0))
            timed("the first 100 failed jobs", lambda: job_rows(current, failed, 0))
            last = number // 100 - 1
            timed("the last 100 jobs", lambda: job_rows(current, everything, last))
            timed("jobs by state, of the overview", lambda: state_tiles(current))
        finally:
            services.stop(project)


if __name__ == "__main__":
    main()
