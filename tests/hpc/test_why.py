"""``jfc job why`` on real clusters: the scheduler's own reason, and when it expects the start."""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING

import pytest
from jobflow import Flow
from jobflow.core.job import Job

from jfcelery.database.connection import open_queue
from jfcelery.database.jobs import Jobs
from jfcelery.states import JobState
from jfcelery.submission import submit_flow
from tests.support.calling import Jfc
from tests.support.system import running
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from jfcelery.project import Project
    from tests.support.cluster import Cluster
    from tests.support.projects import ProjectFactory

pytestmark = [pytest.mark.hpc, pytest.mark.slow, pytest.mark.timeout(600)]

#: Takes the only processor of a node for ten minutes, and prints its number.
BLOCKER = ("sbatch", "--parsable", "-D", "/tmp", "-p", "urgent", "-t", "10", "-o", "/dev/null")
#: How Slurm writes a time.
TIME = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"


@contextlib.contextmanager
def _queued(project: Project, folder: Path) -> Iterator[Callable[[], list[str]]]:
    """Have a job wait in the queue; give what ``jfc job why`` says of it, and take it out again."""
    flow = Flow([Job(print, function_args=("late",), name="late")])
    jobs = Jobs(open_queue(project))
    (uuid,) = flow.job_uuids
    jfc = Jfc(project.name)
    with running(project, folder):
        (number,) = submit_flow(flow, project=project)

        def said() -> list[str]:
            reasons = jfc("job", "why", number, "--json").data["reasons"]
            return [reason["text"] for reason in reasons]

        wait_until(lambda: jobs.get(uuid).state is JobState.SUBMITTED, "a queue job")
        try:
            yield said
        except Exception as error:
            error.add_note(str(said()))
            raise
        finally:
            assert jfc("job", "stop", number, "-y").status == 0
            wait_until(lambda: not jobs.get(uuid).cancel, "the queue job to be cancelled")


def test_slurm_says_why_a_job_waits_and_when_it_may_start(
    make_project: ProjectFactory, testbed: Cluster, tmp_path: Path
) -> None:
    """A node is taken: the reason, and the time at which the job that has it must end."""
    wanted = {"partition": "spot", "ntasks": 1, "time": "0:05:00"}
    project = make_project(workers={"hpca": testbed.worker("hpca", "slurm", resources=wanted)})
    blocker = testbed.bed.on("hpca", *BLOCKER, "--wrap", "sleep 600", user="other").stdout.strip()
    start = rf"Its scheduler says: (Resources|Priority), expected to start {TIME} "
    try:
        with _queued(project, tmp_path) as said:
            wait_until(
                lambda: any(re.match(start, text) for text in said()),
                "Slurm to plan the job",
                deadline=120,
                every=1,
            )
            assert any(text.startswith("Queue job ") for text in said())
    finally:
        testbed.bed.on("hpca", "scancel", blocker, check=False)


def test_grid_engine_says_why_a_job_waits(
    make_project: ProjectFactory, testbed: Cluster, tmp_path: Path
) -> None:
    """It asks for more processors than a host has, and Grid Engine has its own words for it."""
    wanted = {"qverbatim": "#$ -l num_proc=999"}
    project = make_project(workers={"hpcb": testbed.worker("hpcb", "sge", resources=wanted)})
    with _queued(project, tmp_path) as said:
        wait_until(
            lambda: any(re.match("Its scheduler says: .*num_proc=999", one) for one in said()),
            "Grid Engine to look at the job",
            deadline=120,
            every=1,
        )
