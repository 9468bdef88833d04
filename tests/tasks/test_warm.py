"""Local jobs through their whole script, warm and cold alike."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from jobflow import Flow

from jfcelery import JobController, submit_flow
from jfcelery.database.failures import with_whole_errors
from jfcelery.execution.warm.place import warm_folder
from jfcelery.project.worker import LocalWorker
from jfcelery.tasks.upload import execution_command
from tests.support import faults, spoiling
from tests.support.launching import has_ended, numbers_in, pids_of
from tests.support.waiting import wait_until
from tests.support.warm import ROOT

if TYPE_CHECKING:
    from tests.support.bench import Bench
    from tests.support.projects import ProjectFactory
    from tests.tasks.conftest import MakeBench


@pytest.fixture(params=[True, False], ids=["warm", "cold"])
def real(request: pytest.FixtureRequest, make_bench: MakeBench) -> Bench:
    """A project whose worker runs real jobs, in one round of tests warm, in another one cold."""
    worker = {
        "execution_cmd": None,
        "warm": request.param,
        "pre_run": f"unset PYTEST_CURRENT_TEST; export PYTHONPATH={ROOT}; PATH=/opt/mine:$PATH",
    }
    return make_bench(worker=worker, exec_config={"more": {"export": {"MORE": "'and more'"}}})


def is_warm(bench: Bench) -> bool:
    """Return whether the project's jobs start warm."""
    return bench.project.get_worker("here").starts_warm


def run(bench: Bench, job: Any, **options: Any) -> str:
    """Run a job to its end; return its state."""
    flow = Flow([job])
    submit_flow(flow, project=bench.project, **options)
    (state,) = bench.run_until_rest(flow.uuid, rounds=2000).values()
    return state


def test_what_the_script_sets_up(real: Bench) -> None:
    """A job has what the worker's pre_run and its execution configuration set, and its document."""
    job = spoiling.looks()
    assert run(real, job, exec_config="more") == "C"
    seen = JobController.from_project(real.project).get_job_output(job.uuid)
    environment = seen["environment"]
    assert environment["MORE"] == "and more"
    assert environment["PATH"].startswith("/opt/mine:")
    assert environment["JFC_QUEUE_ID"]
    assert seen["record"] == job.uuid
    servers = pids_of("jfcelery.execution.warm.server", str(warm_folder(real.project)))
    assert len(servers) == is_warm(real)


def test_why_a_job_left_nothing(real: Bench) -> None:
    """The reason names the signal that ended the job, and what it was doing."""
    job = faults.is_killed(9)
    assert run(real, job) == "RERR"
    doc = with_whole_errors(real.runtime.queue, real.runtime.jobs.get(job.uuid, 1))
    error = doc.remote.error or ""
    assert "while the job's function was running" in error
    assert "SIGKILL" in error


def test_cancelling_ends_all_processes(real: Bench) -> None:
    """A job that is stopped leaves no process, neither its own nor one that it has started."""
    job = spoiling.waits(600)
    flow = Flow([job])
    submit_flow(flow, project=real.project)
    real.drain()
    folder = Path(str(real.runtime.jobs.get(job.uuid, 1).run_dir))
    pids = numbers_in(folder / "child")
    assert not any(map(has_ended, pids))
    JobController.from_project(real.project).stop_job(job_id=job.uuid)
    real.drain()
    wait_until(lambda: all(map(has_ended, pids)), "the job's processes end")
    wait_until(lambda: not pids_of(str(folder)), "nothing of the job is left")


def test_who_starts_warm(make_project: ProjectFactory) -> None:
    """Jobs of local shell workers start warm, unless they have a command of their own."""
    project = make_project(preload=["a", "b.c"])
    base: dict[str, Any] = {"scheduler_type": "shell", "work_dir": "/w"}
    command = execution_command(project, LocalWorker(**base))
    assert command is not None
    assert " a,b.c {}" in command
    assert str(warm_folder(project)) in command
    own = execution_command(project, LocalWorker(**base, preload=[]))
    assert own is not None
    assert own.endswith(" - {}")
    for more in ({"warm": False}, {"scheduler_type": "slurm"}):
        cold = execution_command(project, LocalWorker(**{**base, **more}))
        assert cold is not None
        assert cold.endswith(" -m jfcelery.execution {}")
    assert execution_command(project, LocalWorker(**base, execution_cmd="x {}")) is None
