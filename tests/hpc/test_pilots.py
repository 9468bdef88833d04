"""Batch workers on a real Slurm and Grid Engine: pilots run all jobs, killed ones included."""

from __future__ import annotations

import os
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from jobflow import Flow
from jobflow.core.job import Job

from jfcelery.database.batches import Batches
from jfcelery.database.connection import open_queue
from jfcelery.database.jobs import Jobs
from jfcelery.states import BatchState, JobState
from jfcelery.submission import submit_flow
from jfcelery.wait import wait_for
from tests.support.system import running

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from jfcelery.project import Project
    from tests.support.cluster import Cluster
    from tests.support.projects import ProjectFactory

pytestmark = [pytest.mark.hpc, pytest.mark.slow, pytest.mark.timeout(900)]

#: Seconds for a flow, however slow the machine.
PATIENCE = 600.0
#: Notes that a job begins, and whether another process runs it; goes on once there is a file "go".
HELD = """
exec 5>>@/lock.$JFC_NUMBER
flock -n 5 || echo $JFC_NUMBER >>@/twice
echo $JFC_NUMBER >>@/begun
until [ -e @/go ]; do sleep 0.2; done
"""


def batch_worker(cluster: Cluster, host: str, scheduler: str, **options: Any) -> dict[str, Any]:
    """Return a batch worker of a project file; ``options`` are those of its batch."""
    worker = cluster.worker(host, scheduler, max_jobs=2)
    batch = {
        "jobs_handle_dir": f"{worker['work_dir']}/pool",
        "work_dir": f"{worker['work_dir']}/pilots",
        "max_wait": 5,
        "sleep_time": 0.5,
    }
    return {**worker, "batch": batch | options}


def held_jobs(folder: str, number: int) -> Flow:
    """Return jobs that each wait for a file in a folder of the host."""
    text = HELD.replace("@", folder)
    return Flow(
        [
            Job(os.system, function_args=(f"JFC_NUMBER={one}\n{text}",), name=f"job {one}")
            for one in range(number)
        ]
    )


class Watch:
    """What a test sees of a project's jobs, pilots and files.

    Args:
        project: The project.
        cluster: Where its worker is.
        host: The worker's host.
        folder: Where the jobs leave their marks.
    """

    def __init__(self, project: Project, cluster: Cluster, host: str, folder: str) -> None:
        self.queue = open_queue(project)
        self.bed, self.host, self.folder = cluster.bed, host, folder

    def lines(self, name: str) -> list[str]:
        """Return the lines that jobs have left in a file."""
        done = self.bed.on(self.host, "cat", f"{self.folder}/{name}", check=False)
        return str(done.stdout).split() if done.returncode == 0 else []

    def pilots(self, state: BatchState = BatchState.RUNNING) -> list[Any]:
        """Return the pilots in a state."""
        return list(Batches(self.queue).find({"state": state.value}))

    def until(self, probe: Callable[[], object], what: str) -> None:
        """Wait until something holds."""
        deadline = time.monotonic() + PATIENCE
        while not probe():
            docs = list(Batches(self.queue).find({}))
            assert time.monotonic() < deadline, f"waited in vain for {what}: {docs}"
            time.sleep(0.5)


def test_jobs_complete_although_pilots_are_cancelled_and_killed(
    make_project: ProjectFactory, testbed: Cluster, tmp_path: Path
) -> None:
    """Scancel of one pilot and kill -9 of another: all jobs complete, none runs twice at once."""
    worker = batch_worker(testbed, "hpca", "slurm", parallel_jobs=2)
    project = make_project(workers={"hpca": worker}, poll={"min_interval": 0.5})
    folder = worker["work_dir"]
    watch = Watch(project, testbed, "hpca", folder)
    testbed.bed.on("hpca", "mkdir", "-p", folder, user="hpc")
    flow = held_jobs(folder, 6)
    with running(project, tmp_path) as system:
        submit_flow(flow, project=project)
        try:
            watch.until(lambda: len(watch.lines("begun")) == 4, "two pilots with two jobs each")
            watch.until(lambda: all(p.host for p in watch.pilots()), "signs of life")
            first, second = watch.pilots()
            testbed.bed.on("hpca", "scancel", first.process_id, user="hpc")
            on_node = f"pkill -KILL -f 'run-batch.*{second.batch_uid}'"
            for node in ("hpca", "hpcb"):
                testbed.bed.on(node, "bash", "-c", on_node, check=False)
            watch.until(lambda: len(watch.lines("begun")) >= 8, "four jobs to begin again")
            testbed.bed.on("hpca", "touch", f"{folder}/go", user="hpc")
            wait_for(flow, int(PATIENCE), progress=False, project=project)
        except BaseException as error:
            error.add_note(system.logs())
            raise
    jobs = Jobs(watch.queue)
    docs = list(jobs.find({"flow": flow.uuid}))
    assert {doc.state for doc in docs} == {JobState.COMPLETED}, [d.remote.error for d in docs]
    assert watch.lines("twice") == []
    begun = Counter(watch.lines("begun"))
    assert begun == {doc.job.name.split()[1]: doc.attempt for doc in docs}
    assert sorted(doc.attempt for doc in docs) == [1, 1, 2, 2, 2, 2]
    for doc in docs:
        events = [change.event for change in jobs.history.of(doc)]
        assert events.count("end") == 1
        assert "fail" not in events


def test_a_flow_completes_in_pilots_on_grid_engine(
    make_project: ProjectFactory, testbed: Cluster, tmp_path: Path
) -> None:
    """Every job runs once, and each pilot ends by itself."""
    worker = batch_worker(testbed, "hpcb", "sge", parallel_jobs=2)
    project = make_project(workers={"hpcb": worker}, poll={"min_interval": 0.5})
    folder = worker["work_dir"]
    watch = Watch(project, testbed, "hpcb", folder)
    testbed.bed.on("hpcb", "mkdir", "-p", folder, user="hpc")
    testbed.bed.on("hpcb", "touch", f"{folder}/go", user="hpc")
    flow = held_jobs(folder, 4)
    with running(project, tmp_path) as system:
        submit_flow(flow, project=project)
        try:
            wait_for(flow, int(PATIENCE), progress=False, project=project)
            watch.until(
                lambda: not watch.pilots() and not watch.pilots(BatchState.SUBMITTED),
                "the pilots to end",
            )
        except BaseException as error:
            error.add_note(system.logs())
            raise
    assert Counter(watch.lines("begun")) == dict.fromkeys("0123", 1)
    ended = watch.pilots(BatchState.FINISHED)
    assert 1 <= len(ended) <= 2
    assert all(not doc.failed for doc in ended), ended
