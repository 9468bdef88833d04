"""Whole flows over SSH on a real Slurm and Grid Engine, through Celery, Redis and the database."""

from __future__ import annotations

import math
import operator
from typing import TYPE_CHECKING, Any

import pytest
from jobflow import Flow
from jobflow.core.job import Job

from jfcelery.database.connection import open_queue
from jfcelery.database.failures import with_whole_errors
from jfcelery.database.jobs import Jobs
from jfcelery.demo.flow import equation_of_state
from jfcelery.folders import RunFolder
from jfcelery.states import FlowState, JobState
from jfcelery.submission import submit_flow
from jfcelery.wait import wait_for
from tests.support.system import running
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.cluster import Cluster
    from tests.support.lab import Lab
    from tests.support.projects import ProjectFactory

pytestmark = [pytest.mark.hpc, pytest.mark.slow, pytest.mark.timeout(600)]

#: Seconds for a flow, however slow the machine.
PATIENCE = 400


def _run(project: Any, flow: Flow, folder: Path, **options: Any) -> list[Any]:
    """Submit a flow, run it to its end, and return its documents."""
    with running(project, folder):
        submit_flow(flow, project=project, **options)
        wait_for(flow, PATIENCE, progress=False, project=project)
    return list(Jobs(open_queue(project)).find({"flow": flow.uuid}))


def _accounted(testbed: Cluster, name: str) -> list[str]:
    """Return what the accounting knows of a job's end, of which it is told after its files are."""

    def rows() -> list[str]:
        said = testbed.bed.on("hpca", "sacct", "-nXP", "--name", name, "-o", "JobID,State").stdout
        return str(said).split()

    wait_until(lambda: any("COMPLETED" in row for row in rows()), "the accounting")
    return rows()


def test_a_dynamic_flow_completes_on_slurm(
    make_project: ProjectFactory, testbed: Cluster, tmp_path: Path
) -> None:
    """A materials flow that fans out ends COMPLETED, each job submitted once and accounted for."""
    project = make_project(
        workers={"hpca": testbed.worker("hpca", "slurm", resources={"time": "0:10:00"})},
        exec_config={"ase": {"export": {"OMP_NUM_THREADS": 1}, "pre_run": "echo ready"}},
    )
    flow = equation_of_state()
    docs = _run(project, flow, tmp_path, exec_config="ase", resources={"ntasks": 1})
    assert {doc.state for doc in docs} == {JobState.COMPLETED}, [d.remote.error for d in docs]
    assert len(docs) > len(list(flow.jobs))
    jobs = Jobs(open_queue(project))
    assert jobs.flows.get(flow.uuid).state == FlowState.COMPLETED
    for doc in docs:
        events = [change.event for change in jobs.history.of(doc)]
        assert events.count("submit") == 1
        name = f"jfc-{doc.uuid}-{doc.index}-{doc.attempt}"
        assert _accounted(testbed, name) == [f"{doc.remote.process_id}|COMPLETED"]
        script = testbed.bed.on("hpca", "cat", f"{doc.run_dir}/{RunFolder.SCRIPT}").stdout
        assert "--time=0:10:00" in script or "--ntasks=1" in script
        assert "export OMP_NUM_THREADS=1" in script
        out = testbed.bed.on("hpca", "cat", f"{doc.run_dir}/{RunFolder.QUEUE_OUT}").stdout
        assert "ready" in out
    store = project.get_jobstore()
    store.connect()
    assert store.count({}) == len(docs)
    store.close()


def test_jobs_of_one_flow_run_on_several_workers(
    make_project: ProjectFactory, testbed: Cluster, lab: Lab, tmp_path: Path
) -> None:
    """Slurm, Grid Engine, a plain remote shell and this machine pass a number on to each other.

    The files of the first go through a data-transfer node that offers SFTP only.
    """
    only_sftp = ("Subsystem sftp internal-sftp", "ForceCommand internal-sftp")
    node = lab.relay(port=lab.sshd(*only_sftp))
    transfer = {"host": "127.0.0.1", "port": node.port}
    local = {"type": "local", "scheduler_type": "shell", "work_dir": str(tmp_path / "work")}
    project = make_project(
        workers={
            "here": local,
            "slurm": testbed.worker("hpca", "slurm", type="separated_transfer", transfer=transfer),
            "sge": testbed.worker("hpcb", "sge"),
            "plain": testbed.worker("hpcx", "shell"),
        }
    )
    first = Job(math.sqrt, function_args=(16.0,), name="here")
    chain: list[Any] = [first]
    for name in ("slurm", "sge", "plain"):
        after = Job(operator.add, function_args=(chain[-1].output, 1), name=name)
        after.update_config({"manager_config": {"worker": name}})
        chain.append(after)
    docs = _run(project, Flow(chain), tmp_path)
    assert {doc.job.name: doc.state for doc in docs} == dict.fromkeys(
        ("here", "slurm", "sge", "plain"), JobState.COMPLETED
    ), [doc.remote.error for doc in docs]
    assert {doc.job.name: doc.worker for doc in docs} == {
        name: name for name in ("here", "slurm", "sge", "plain")
    }
    (there,) = (doc.run_dir for doc in docs if doc.worker == "slurm")
    sizes = testbed.bed.on("hpca", "stat", "-c", "%s", f"{there}/{RunFolder.INPUT}").stdout
    assert node.order("get")["accepted"] >= 1
    assert node.order("get")["bytes"]["up"] > int(sizes)
    store = project.get_jobstore()
    store.connect()
    assert store.get_output(chain[-1].uuid) == 7.0
    store.close()


def test_a_job_that_cannot_start_says_why(
    make_project: ProjectFactory, testbed: Cluster, tmp_path: Path
) -> None:
    """Without jfcelery on the worker the job is REMOTE_ERROR with the shell's own words."""
    worker = testbed.worker("hpca", "slurm", pre_run="echo modules loaded")
    project = make_project(workers={"hpca": worker})
    flow = Flow([Job(math.sqrt, function_args=(4.0,), name="root")])
    (doc,) = _run(project, flow, tmp_path)
    assert doc.state == JobState.REMOTE_ERROR
    assert doc.error_class == "OutputMissingError"
    whole = with_whole_errors(open_queue(project), doc)
    assert "jfc: command not found" in (whole.remote.error or "")
