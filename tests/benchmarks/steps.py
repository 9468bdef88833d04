"""How many steps Celery runs in a second: ``python tests/benchmarks/steps.py [--jobs 500]``.

Each step is a Celery task of a job's chain with its state in the database: it reads the job, takes
the lease, does nothing, commits by compare-and-set, adds to the history and to the flow's counts,
and publishes the next. Every job goes through two of them. The first messages of all jobs wait in
the broker when the Celery workers begin to take them. Measured is the time from the first commit to
the last, by the database's clock, for each number of Celery worker processes.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import click

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from jfcelery.flows.insert import Placement, add_flow
from jfcelery.states import JobState
from jfcelery.tasks.dispatch import dispatch
from jfcelery.tasks.pulse import celery_workers
from jfcelery.tasks.queues import all_queues
from jfcelery.tasks.runtime import Runtime
from jfcelery.tasks.sending import sender
from tests.support.entries import QUICK_JOB, flow_of
from tests.support.projects import ProjectFactory
from tests.support.servers import mongo_server, redis_server
from tests.support.system import System
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from datetime import datetime

    from jfcelery.project import Project

#: Numbers of Celery worker processes.
PROCESSES = (1, 2, 4)
#: Threads of each.
THREADS = 8
#: Seconds after which steps count as stuck.
LIMIT = 300.0


def steps_per_second(project: Project, folder: Path, processes: int, jobs: int) -> float:
    """Return how many steps a number of Celery workers run in a second."""
    folder.mkdir()
    runtime = Runtime(project)
    with System(project, folder, app="tests.benchmarks.steps_app:app") as system:
        for _ in range(processes):
            system.start_worker(THREADS)
        wait_until(
            lambda: len(celery_workers(project)) == processes, "the Celery workers", every=0.5
        )
        control, queues = sender(project).app.control, all_queues(project)
        for queue in queues:
            control.cancel_consumer(queue, reply=True, timeout=LIMIT, limit=processes)
        # Without a message: no checkout shall be faster than this process.
        flow = flow_of({str(uuid4()): [] for _ in range(jobs)}, payload=QUICK_JOB)
        add_flow(runtime.queue, flow, Placement(worker="nowhere"))
        docs = runtime.jobs.transition_many(
            list(runtime.jobs.find({"flow": flow.uuid})),
            "checkout",
            JobState.CHECKED_OUT,
            by="benchmark",
            fields=lambda doc: {"epoch": doc.epoch + 1, "attempt": 1},
        )
        for doc in docs:
            dispatch(runtime, doc)
        for queue in queues:
            control.add_consumer(queue)
        ended = {"flow": flow.uuid, "state": JobState.SUBMITTED.value}
        wait_until(
            lambda: runtime.queue.jobs.count_documents(ended) == jobs,
            "all steps",
            every=0.5,
            deadline=LIMIT,
        )
    wanted = {"flow": flow.uuid, "event": {"$in": ["upload", "submit"]}}
    found: list[datetime] = [row["at"] for row in runtime.queue.history.find(wanted, {"at": 1})]
    assert len(found) == 2 * jobs
    runtime.close()
    return len(found) / (max(found) - min(found)).total_seconds()


def rates(jobs: int) -> dict[int, float]:
    """Measure with each number of processes, each with a project of its own on the same servers."""
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="jfcn-", dir="/tmp"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        for name in ("mongo", "redis"):
            (folder / name).mkdir()
        mongo = stack.enter_context(mongo_server(folder / "mongo")).url
        redis = stack.enter_context(redis_server(folder / "redis")).url
        factory = ProjectFactory(folder, mongo, redis)
        found = {}
        for processes in PROCESSES:
            project = factory(base_dir=str(folder / "base"), workers=worker(folder))
            found[processes] = steps_per_second(
                project, folder / f"logs{processes}", processes, jobs
            )
            time.sleep(1)
        return found


def worker(folder: Path) -> dict[str, Any]:
    """Return a worker whose host is never reached: the steps do nothing."""
    described = {"type": "remote", "host": "127.0.0.1", "scheduler_type": "slurm"}
    return {"nowhere": {**described, "work_dir": str(folder / "work")}}


@click.command()
@click.option("--jobs", type=click.IntRange(1), default=500, show_default=True, help="Jobs.")
@click.option("--json", "as_json", is_flag=True, help="Write JSON instead of a table.")
def main(*, jobs: int, as_json: bool) -> None:
    """Measure, and print the rates."""
    found = rates(jobs)
    if as_json:
        print(json.dumps({"cores": len(os.sched_getaffinity(0)), "steps_per_second": found}))
        return
    print(f"{'Celery workers':<18}{'steps/s':>9}")
    for processes, rate in found.items():
        print(f"{processes:<18}{rate:>9.1f}")


if __name__ == "__main__":
    main()
