"""How long a page of jobs takes out of many: ``python tests/benchmarks/pages.py [NUMBER]``.

The documents lie in an embedded database of a throwaway project, in one flow; each page is read as
the web server reads it. Seconds depend on the machine; the ratios compare with one query for one
job by its key, over and over, in the same run.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from jfcelery import services
from jfcelery.database.flows import Flows
from jfcelery.database.ids import reserve_ids
from jfcelery.project import Project
from jfcelery.states import JobState
from jfcelery.web.api.models import JobSelection
from jfcelery.web.current import Current
from jfcelery.web.pages import overview
from jfcelery.web.pages.flow import jobs_of
from jfcelery.web.pages.listing import job_rows
from tests.support.queued import Queued

if TYPE_CHECKING:
    from collections.abc import Callable

    from jfcelery.database.connection import QueueDatabase

#: Documents written with one command, and times that each page is read.
PIECE, TIMES = 5000, 5


def fill(queue: QueueDatabase, number: int) -> str:
    """Insert copies of a job's document, in various states; return the flow that they are in."""
    flow = Queued(queue, {"a": []})
    raw = flow.doc("a").raw
    states = [JobState.COMPLETED] * 8 + [JobState.FAILED, JobState.WAITING]
    ids = reserve_ids(queue, number)
    for start in range(0, number, PIECE):
        docs: list[dict[str, Any]] = []
        for place in range(start, min(start + PIECE, number)):
            when = raw["updated_on"] - timedelta(seconds=place)
            own = {"_id": f"x{place}_1", "uuid": f"x{place}", "db_id": ids[place]}
            state = states[place % len(states)].value
            docs.append({**raw, **own, "state": state, "updated_on": when, "created_on": when})
        collection = queue.jobs
        collection.insert_many(docs, ordered=False)
    Flows(queue).refresh(flow.flow, exact=True)
    return flow.flow


def seconds_of(read: Callable[[], object]) -> float:
    """Return the median time of some readings."""
    seconds = []
    for _ in range(TIMES):
        began = time.perf_counter()
        read()
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds)


def parts(current: Current, flow: str, number: int) -> dict[str, Callable[[], object]]:
    """Return what is read, by what it is."""

    def page(place: int = 0, **fields: Any) -> Callable[[], object]:
        return lambda: job_rows(current, JobSelection(**fields), place)

    return {
        "jobs: the first 100": page(),
        "jobs: the first 100 that are FAILED": page(states=[JobState.FAILED]),
        "jobs: the first 100 that are COMPLETED": page(states=[JobState.COMPLETED]),
        "jobs: the first 100 of the flow": page(flow_ids=[flow]),
        "jobs: page 9": page(8),
        "jobs: the last 100": page(number // 100 - 1),
        "overview: jobs by state": lambda: overview.state_tiles(current),
        "overview: jobs that ended, by hour": lambda: overview.throughput(current),
        "overview: hosts and queues": lambda: overview.hosts(current),
        "overview: recent failures": lambda: overview.failures(current),
        "the flow's jobs": lambda: jobs_of(current, flow),
    }


@click.command()
@click.argument("number", type=click.IntRange(100), default=100_000)
def main(*, number: int) -> None:
    """Fill a database with NUMBER jobs, and read pages from it."""
    with tempfile.TemporaryDirectory(prefix="jfcp-", dir="/tmp") as folder:
        worker = {"type": "local", "scheduler_type": "shell", "work_dir": f"{folder}/work"}
        project = Project.model_validate(
            {"name": "pages", "base_dir": Path(folder), "workers": {"here": worker}}
        )
        try:
            current = Current(project)
            queue = current.controller().queue
            flow = fill(queue, number)
            one = seconds_of(lambda: [queue.jobs.find_one({"_id": "x1_1"}) for _ in range(100)])
            print(f"{'of ' + str(number) + ' jobs':<40}{'ms':>8}{'ratio':>8}")
            for what, read in parts(current, flow, number).items():
                seconds = seconds_of(read)
                print(f"{what:<40}{seconds * 1000:>8.0f}{seconds / one * 100:>8.0f}", flush=True)
        finally:
            services.stop(project)


if __name__ == "__main__":
    main()
