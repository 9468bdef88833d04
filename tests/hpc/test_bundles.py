"""Many ready jobs for one cluster, over a slow link, through Celery and a real Slurm."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING

import pytest
from jobflow import Flow
from jobflow.core.job import Job

from jfcelery.controller import JobController
from jfcelery.database.connection import open_queue
from jfcelery.database.jobs import Jobs
from jfcelery.states import JobState
from jfcelery.submission import submit_flow
from tests.support.system import running
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from jfcelery.project import Project
    from tests.support.cluster import Cluster
    from tests.support.lab import Lab
    from tests.support.projects import ProjectFactory

pytestmark = [pytest.mark.hpc, pytest.mark.slow, pytest.mark.timeout(600)]

#: Jobs of the flow: more than a worker's bundle from its threshold on, few enough to be quick.
JOBS = 12
#: Milliseconds that the link takes, each way.
LATENCY = 25


def test_a_crowd_is_submitted_in_one_bundle(
    make_project: ProjectFactory, testbed: Cluster, lab: Lab, tmp_path: Path
) -> None:
    """Each job has a queue job of its own, submitted once; Celery saw one task for all of them."""
    relay = lab.relay()
    relay.set(latency_ms=LATENCY)
    worker = testbed.worker("hpca", "slurm", execution_cmd="true {}")
    project = make_project(workers={"hpca": worker | {"host": "127.0.0.1", "port": relay.port}})
    flow = Flow([Job(math.sqrt, function_args=(float(n),)) for n in range(JOBS)])
    jobs = Jobs(open_queue(project))
    with running(project, tmp_path) as system:
        submit_flow(flow, project=project)

        def submitted() -> bool:
            docs = list(jobs.find({"flow": flow.uuid}))
            return all(doc.remote.process_id for doc in docs)

        try:
            wait_until(submitted, "all jobs to be submitted", every=0.5, deadline=300)
        except TimeoutError as error:
            error.add_note(system.logs())
            raise
    log = (tmp_path / "worker0.log").read_text()
    assert log.count("jfcelery.bundle[") >= 1
    assert "jfcelery.upload[" not in log
    docs = list(jobs.find({"flow": flow.uuid}))
    assert len({doc.remote.process_id for doc in docs}) == JOBS
    assert JobState.CHECKED_OUT not in {doc.state for doc in docs}
    for doc in docs:
        events = [change.event for change in jobs.history.of(doc)]
        assert (events.count("upload"), events.count("submit")) == (1, 1)


#: Sleeps instead of running, in folders of jobs with that argument; longer than the test takes.
_SLEEP = "grep -q 1234.5 jfremote_in.json && exec sleep 1000"


def _array_of(jobs: Jobs, flow: Flow) -> str | None:
    """Return the number of the array whose tasks all jobs of a flow are, once they are."""
    ids = [doc.remote.process_id or "" for doc in jobs.find({"flow": flow.uuid})]
    arrays = {queue_id.partition("_")[0] for queue_id in ids}
    return arrays.pop() if len(arrays) == 1 and all("_" in one for one in ids) else None


def _in_state(jobs: Jobs, job: Job, state: JobState, attempt: int = 1) -> bool:
    doc = jobs.get(job.uuid)
    return (doc.state, doc.attempt) == (state, attempt)


def test_a_crowd_goes_to_slurm_as_one_array(
    make_project: ProjectFactory, testbed: Cluster, tmp_path: Path
) -> None:
    """Each has an end of its own: complete, failed, stopped, cancelled by hand, run again alone."""
    worker = testbed.worker("hpca", "slurm", job_arrays=True)
    worker["pre_run"] += f"\n{_SLEEP}"
    project = make_project(workers={"hpca": worker}, poll={"min_interval": 1, "max_interval": 2})
    good = [Job(math.sqrt, function_args=(float(n),)) for n in range(JOBS - 3)]
    failing = Job(math.sqrt, function_args=(-1.0,))
    stopped, cancelled = (Job(math.sqrt, function_args=(1234.5,)) for _ in range(2))
    flow = Flow([*good, failing, stopped, cancelled])
    jobs = Jobs(open_queue(project))
    with running(project, tmp_path) as system:
        submit_flow(flow, project=project)
        try:
            array = wait_until(lambda: _array_of(jobs, flow), "one array", deadline=300)
            _end_each(testbed, project, jobs, (failing, stopped, cancelled))
            wait_until(
                lambda: all(_in_state(jobs, job, JobState.COMPLETED) for job in good),
                "the jobs of the array",
                every=0.5,
                deadline=300,
            )
        except TimeoutError as error:
            error.add_note(system.logs())
            raise
    told = testbed.bed.on(
        "hpca", "sacct", "-nXP", "-j", array, "-o", "JobID,State"
    ).stdout.splitlines()
    assert len(told) == JOBS
    for job in good:
        doc = jobs.get(job.uuid)
        assert f"{doc.remote.process_id}|COMPLETED" in told
        assert [change.event for change in jobs.history.of(doc)].count("submit") == 1
    assert "_" not in str(jobs.get(failing.uuid).remote.process_id)


def _end_each(testbed: Cluster, project: Project, jobs: Jobs, chosen: tuple[Job, Job, Job]) -> None:
    """Let one fail and run it again, stop one, and cancel one by hand."""
    failing, stopped, cancelled = chosen
    controller = JobController.from_project(project)
    for job in (stopped, cancelled):
        wait_until(partial(_in_state, jobs, job, JobState.RUNNING), "a job that runs")
    controller.stop_job(stopped.uuid)
    testbed.bed.on("hpca", "scancel", str(jobs.get(cancelled.uuid).remote.process_id), user="hpc")
    wait_until(lambda: _in_state(jobs, failing, JobState.FAILED), "a job that failed")
    controller.rerun_job(failing.uuid)
    wait_until(
        lambda: _in_state(jobs, failing, JobState.FAILED, 2), "its second attempt", deadline=300
    )
    wait_until(lambda: _in_state(jobs, cancelled, JobState.REMOTE_ERROR), "the end by hand")
    assert jobs.get(stopped.uuid).state is JobState.USER_STOPPED
    stop = jobs.get(stopped.uuid)
    wait_until(lambda: not jobs.get(stopped.uuid).cancel, f"the end of {stop.remote.process_id}")
