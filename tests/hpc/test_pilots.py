"""Batch workers on a real Slurm and Grid Engine: pilots run all jobs, killed ones included."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

from jfcelery.controller import JobController
from jfcelery.database.jobs import Jobs
from jfcelery.folders import RunFolder
from jfcelery.states import BatchState, JobState
from jfcelery.submission import submit_flow
from jfcelery.wait import wait_for
from tests.hpc.piloted import PATIENCE, Watch, batch_worker, held_jobs
from tests.support.system import running

if TYPE_CHECKING:
    from pathlib import Path

    from jfcelery.database.batches import BatchDoc
    from tests.support.cluster import Cluster
    from tests.support.projects import ProjectFactory

pytestmark = [pytest.mark.hpc, pytest.mark.slow, pytest.mark.timeout(900)]


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
            watch.kill(second)
            watch.until(lambda: len(watch.lines("begun")) >= 8, "four jobs to begin again")
            watch.let_go()
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
    assert watch.most_at_once() <= 2


def test_a_flow_completes_in_pilots_on_grid_engine(
    make_project: ProjectFactory, testbed: Cluster, tmp_path: Path
) -> None:
    """Every job runs once, though it asks for all of a pilot's time; each pilot ends by itself."""
    resources = {"walltime": "00:10:00"}
    worker = batch_worker(testbed, "hpcb", "sge", {"resources": resources}, parallel_jobs=2)
    project = make_project(workers={"hpcb": worker}, poll={"min_interval": 0.5})
    folder = worker["work_dir"]
    watch = Watch(project, testbed, "hpcb", folder)
    testbed.bed.on("hpcb", "mkdir", "-p", folder, user="hpc")
    testbed.bed.on("hpcb", "touch", f"{folder}/go", user="hpc")
    flow = held_jobs(folder, 4)
    with running(project, tmp_path) as system:
        submit_flow(flow, project=project, resources=resources)
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


def test_a_pilot_takes_no_job_after_the_signal_before_its_time_limit(
    make_project: ProjectFactory, testbed: Cluster, tmp_path: Path
) -> None:
    """What Slurm sends in time has it end the job that it has; another pilot runs what waits."""
    own = {"max_jobs": 1, "resources": {"time": "00:03:00"}}
    worker = batch_worker(testbed, "hpca", "slurm", own, max_wait=None)
    project = make_project(workers={"hpca": worker}, poll={"min_interval": 0.5})
    folder = worker["work_dir"]
    watch = Watch(project, testbed, "hpca", folder)
    testbed.bed.on("hpca", "mkdir", "-p", folder, user="hpc")
    flow = held_jobs(folder, 2)
    with running(project, tmp_path) as system:
        submit_flow(flow, project=project)
        try:
            watch.until(lambda: len(watch.lines("begun")) == 1, "the first job to begin")
            (pilot,) = watch.until(watch.pilots, "the pilot to run")
            noted = f"{pilot.run_dir}/{RunFolder.status(1)}"
            watch.until(
                lambda: "signal=10" in testbed.bed.on("hpca", "cat", noted).stdout, "the signal"
            )
            watch.until(lambda: watch.pilots()[0].is_draining, "the pilot to drain")
            watch.let_go()
            wait_for(flow, int(PATIENCE), progress=False, project=project)
            JobController(project).drain_batches()
            watch.until(lambda: len(watch.pilots(BatchState.FINISHED)) == 2, "pilots to end")
        except BaseException as error:
            error.add_note(system.logs())
            raise
    docs = list(Jobs(watch.queue).find({"flow": flow.uuid}))
    assert [(doc.state, doc.attempt) for doc in docs] == [(JobState.COMPLETED, 1)] * 2
    assert [doc.begun for doc in watch.pilots(BatchState.FINISHED)] == [1, 1]


def test_pilots_are_drained(make_project: ProjectFactory, testbed: Cluster, tmp_path: Path) -> None:
    """One that runs ends its job and takes no more, one that waits leaves Slurm's queue.

    On the cluster itself, too, by the signal.
    """
    waits = {"max_jobs": 1, "resources": {"qverbatim": "#SBATCH --begin=now+1hour"}}
    workers = {
        "runs": batch_worker(testbed, "hpca", "slurm", {"max_jobs": 1}, max_wait=None),
        "waits": batch_worker(testbed, "hpca", "slurm", waits),
    }
    project = make_project(workers=workers, poll={"min_interval": 0.5})
    folder = workers["runs"]["work_dir"]
    watch = Watch(project, testbed, "hpca", folder)
    testbed.bed.on("hpca", "mkdir", "-p", folder, user="hpc")
    flow, late = held_jobs(folder, 2), held_jobs(folder, 1)
    controller = JobController(project)

    def waiting() -> list[BatchDoc]:
        return [doc for doc in controller.get_batches(worker="waits") if doc.queue_state]

    with running(project, tmp_path) as system:
        submit_flow(flow, project=project, worker="runs")
        submit_flow(late, project=project, worker="waits")
        try:
            watch.until(lambda: watch.lines("begun"), "the first job to begin")
            (pilot,) = watch.until(waiting, "the other pilot to wait")
            controller.stop_jobs(flow_ids=late.uuid)  # else another one would be submitted
            assert controller.drain_batches() == 2
            watch.until(lambda: waiting()[0].end_time, "the pilot that waits to go")
            shown = testbed.bed.on("hpca", "squeue", "-h", "-o", "%i").stdout.split()
            assert pilot.process_id not in shown
            watch.until(lambda: any(p.is_draining for p in watch.pilots()), "the other to drain")
            watch.let_go()
            wait_for(flow, int(PATIENCE), progress=False, project=project)
            (last,) = watch.pilots()
            by_hand = ("scancel", "--batch", "--signal=USR1", last.process_id)
            testbed.bed.on("hpca", *by_hand, user="hpc")
            watch.until(lambda: not watch.pilots(), "the last pilot to end")
        except BaseException as error:
            error.add_note(system.logs())
            raise
    assert [doc.begun for doc in controller.get_batches(worker="runs")] == [1, 1]
    assert "drained before it began" in waiting()[0].why


@pytest.mark.parametrize(
    "host,scheduler,limit",
    [("hpca", "slurm", {"time": "00:01:00"}), ("hpcb", "sge", {"walltime": "00:01:00"})],
)
def test_a_job_that_runs_at_the_time_limit_of_its_pilot_is_given_back(
    make_project: ProjectFactory,
    testbed: Cluster,
    tmp_path: Path,
    host: str,
    scheduler: str,
    limit: dict[str, str],
) -> None:
    """By the pilot itself, between the last two signals; it runs again in another one."""
    worker = batch_worker(testbed, host, scheduler, {"max_jobs": 1, "resources": limit})
    project = make_project(workers={host: worker}, poll={"min_interval": 0.5})
    folder = worker["work_dir"]
    watch = Watch(project, testbed, host, folder)
    testbed.bed.on(host, "mkdir", "-p", folder, user="hpc")
    flow = held_jobs(folder, 1)
    with running(project, tmp_path) as system:
        submit_flow(flow, project=project)
        try:
            watch.until(lambda: len(watch.lines("begun")) == 2, "the job to begin again")
            watch.let_go()
            wait_for(flow, int(PATIENCE), progress=False, project=project)
        except BaseException as error:
            error.add_note(system.logs())
            raise
    (doc,) = Jobs(watch.queue).find({"flow": flow.uuid})
    assert (doc.state, doc.attempt) == (JobState.COMPLETED, 2)
    assert watch.lines("twice") == []
    (ended,) = watch.pilots(BatchState.FINISHED)
    assert (ended.begun, ended.returned) == (1, 1)


def test_a_pilot_that_slurm_queues_again_is_the_same_one(
    make_project: ProjectFactory, testbed: Cluster, tmp_path: Path
) -> None:
    """As after a preemption: it gives its job back, no other is submitted, and it runs the job."""
    worker = batch_worker(testbed, "hpca", "slurm", {"max_jobs": 1})
    project = make_project(workers={"hpca": worker}, poll={"min_interval": 0.5})
    folder = worker["work_dir"]
    watch = Watch(project, testbed, "hpca", folder)
    testbed.bed.on("hpca", "mkdir", "-p", folder, user="hpc")
    flow = held_jobs(folder, 1)

    def waits_again() -> bool:
        (doc,) = Jobs(watch.queue).find({"flow": flow.uuid})
        return (doc.state, doc.attempt) == (JobState.BATCH_SUBMITTED, 2)

    with running(project, tmp_path) as system:
        submit_flow(flow, project=project)
        try:
            watch.until(lambda: len(watch.lines("begun")) == 1, "the job to begin")
            (pilot,) = watch.until(watch.pilots, "the pilot to run")
            testbed.bed.on("hpca", "scontrol", "requeuehold", pilot.process_id)
            watch.until(waits_again, "the job to be given back")
            held = watch.until(
                lambda: [one for one in watch.pilots() if "eld" in (one.queue_state or "")],
                "the pilot to be seen in the queue",
            )
            soon = (f"jobid={pilot.process_id}", "starttime=now")
            testbed.bed.on("hpca", "scontrol", "release", pilot.process_id)
            testbed.bed.on("hpca", "scontrol", "update", *soon)
            watch.until(lambda: len(watch.lines("begun")) == 2, "the job to begin again")
            watch.let_go()
            wait_for(flow, int(PATIENCE), progress=False, project=project)
            watch.until(lambda: watch.pilots(BatchState.FINISHED), "the pilot to end")
        except BaseException as error:
            error.add_note(system.logs())
            raise
    assert [one.batch_uid for one in held] == [pilot.batch_uid]
    assert len(watch.pilots(BatchState.FINISHED)) == 1
    (doc,) = Jobs(watch.queue).find({"flow": flow.uuid})
    assert (doc.state, doc.attempt) == (JobState.COMPLETED, 2)
    assert watch.lines("twice") == []
