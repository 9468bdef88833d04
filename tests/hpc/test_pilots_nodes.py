"""Pilots over several nodes of a real Slurm, and on its GPUs: each job where its slot is."""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from jfcelery.controller import JobController
from jfcelery.database.jobs import Jobs
from jfcelery.states import JobState
from jfcelery.submission import submit_flow
from tests.hpc.piloted import Watch, batch_worker, held_jobs
from tests.support.system import running

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from jfcelery.database.documents import JobDoc
    from tests.support.cluster import Cluster
    from tests.support.projects import ProjectFactory

pytestmark = [pytest.mark.hpc, pytest.mark.slow, pytest.mark.timeout(900)]


class MakeWatch:
    """Runs held jobs in pilots of a worker with some options."""

    def __init__(self, make_project: ProjectFactory, cluster: Cluster, tmp_path: Path) -> None:
        self.make_project, self.cluster, self.folder = make_project, cluster, tmp_path
        self.controller: JobController

    @contextmanager
    def running(self, number: int, worker: dict[str, Any], **batch: Any) -> Iterator[Watch]:
        """Give a view on so many jobs of a project that runs."""
        given = batch_worker(self.cluster, "hpca", "slurm", worker, **batch)
        project = self.make_project(workers={"hpca": given}, poll={"min_interval": 0.5})
        self.controller = JobController(project)
        watch = Watch(project, self.cluster, "hpca", given["work_dir"])
        self.cluster.bed.on("hpca", "mkdir", "-p", given["work_dir"], user="hpc")
        with running(project, self.folder) as system:
            submit_flow(held_jobs(given["work_dir"], number), project=project)
            try:
                yield watch
            except BaseException as error:
                error.add_note(system.logs())
                raise


@pytest.fixture
def pilots(make_project: ProjectFactory, testbed: Cluster, tmp_path: Path) -> MakeWatch:
    """Runs jobs in pilots."""
    return MakeWatch(make_project, testbed, tmp_path)


def docs(watch: Watch) -> list[JobDoc]:
    """Return all jobs, by their numbers."""
    return sorted(Jobs(watch.queue).find({}), key=lambda doc: doc.job.name)


def states(watch: Watch) -> list[JobState]:
    """Return the states of all jobs, by their numbers."""
    return [doc.state for doc in docs(watch)]


def test_steps_run_on_all_nodes_of_a_pilot(pilots: MakeWatch) -> None:
    """A job on another node is stopped alone; those of a killed pilot run again, never twice."""
    worker = {
        "max_jobs": 1,
        "resources": {"nodes": 2, "ntasks_per_node": 2, "time": "00:30:00"},
        "slots": {"launcher": "srun --exact -N1 -n1"},
    }
    with pilots.running(5, worker, parallel_jobs=4) as watch:
        watch.until(lambda: len(watch.lines("begun")) == 4, "all slots to be taken")
        nodes = {number: node for number, node, _ in watch.where()}
        assert Counter(nodes.values()) == {"hpca-n1": 2, "hpca-n2": 2}
        far = max(number for number, node in nodes.items() if node == "hpca-n2")
        pilots.controller.stop_job(job_id=docs(watch)[int(far)].uuid)
        watch.until(lambda: not docs(watch)[int(far)].cancel, "the job to be stopped")
        assert not watch.is_held(far)
        assert all(watch.is_held(number) for number in nodes if number != far)
        watch.until(lambda: len(watch.lines("begun")) == 5, "the fifth job to take its slot")
        (pilot,) = watch.until(watch.pilots, "the pilot to run")
        watch.kill(pilot)
        watch.until(lambda: len(watch.lines("begun")) == 9, "four jobs to begin again")
        watch.let_go()
        ended = [JobState.COMPLETED] * 5
        ended[int(far)] = JobState.USER_STOPPED
        watch.until(lambda: states(watch) == ended, "all jobs to end")
    assert watch.lines("twice") == []
    assert sorted(doc.attempt for doc in docs(watch)) == [1, 2, 2, 2, 2]


@pytest.mark.parametrize(
    "slots", [{"gpus": 1}, {"launcher": "srun --exact -N1 -n1 --gres=gpu:1"}], ids=["own", "srun"]
)
def test_each_job_has_a_gpu_of_its_own(pilots: MakeWatch, slots: dict[str, Any]) -> None:
    """Of those that Slurm gave the pilot; two pilots share the GPUs of a node."""
    worker = {
        "resources": {"gres": "gpu:2", "ntasks": 2, "nodelist": "hpca-n1", "time": "00:30:00"},
        "slots": slots,
    }
    with pilots.running(4, worker, parallel_jobs=2) as watch:
        watch.until(lambda: len(watch.lines("begun")) == 4, "two pilots with two jobs each")
        watch.let_go()
        watch.until(lambda: set(states(watch)) == {JobState.COMPLETED}, "all jobs to end")
    assert sorted(gpus for _, _, gpus in watch.where()) == ["0", "1", "2", "3"]
    assert {node for _, node, _ in watch.where()} == {"hpca-n1"}
