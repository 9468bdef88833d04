"""Jobs that a real Slurm ends for their time, their memory, another job or a node are run again."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from jobflow import Flow
from jobflow.core.job import Job

from jfcelery.cli.main import jfc
from jfcelery.database.connection import open_queue
from jfcelery.database.jobs import Jobs
from jfcelery.folders import RunFolder
from jfcelery.states import JobState
from jfcelery.submission import submit_flow
from jfcelery.wait import wait_for
from tests.support.system import running
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from jfcelery.database.documents import JobDoc
    from jfcelery.project import Project
    from tests.support.cluster import Cluster
    from tests.support.projects import ProjectFactory

pytestmark = [pytest.mark.hpc, pytest.mark.slow, pytest.mark.timeout(600)]

#: Seconds for the flow: Slurm looks at time limits once a minute or so.
PATIENCE = 400
#: Takes as many megabytes as it is told to; until it is ended, if that is more than it may have.
HOG = """
import os, time
megabytes, most = int(os.environ["HOG"]), int(os.environ["SLURM_MEM_PER_NODE"])
held = b"x" * (megabytes << 20)
time.sleep(600 if megabytes > most else 2)
"""
#: Megabytes that it takes: enough for the second attempt, and too much.
SIZES = {"content": 200, "greedy": 600}
#: A job for whose sake that on the same node has to go.
URGENT = ("sbatch", "-D", "/tmp", "-p", "urgent", "-o", "/dev/null", "--wrap", "sleep 1")
#: Waits for a file.
WAIT = "while [ ! -e {} ]; do sleep 0.2; done"
#: Hangs, unless an earlier attempt has left its file.
HANG_ONCE = "[ -e restart ] || { touch restart; sleep 1000; }"


def test_a_real_timeout_is_recovered_from(
    make_project: ProjectFactory, testbed: Cluster, tmp_path: Path
) -> None:
    """Twice the time, the file of the first attempt, and the accounting of both."""
    worker = testbed.worker("hpca", "slurm", resources={"time": "0:01:00", "ntasks": 1})
    worker["pre_run"] += f"\n{HANG_ONCE}"
    rule = {"on": ["TIMEOUT"], "time_factor": 2, "keep_files": True}
    project = make_project(workers={"hpca": worker}, recovery=[rule])
    flow = Flow([Job(math.sqrt, function_args=(4.0,), name="root")])
    with running(project, tmp_path):
        submit_flow(flow, project=project)
        wait_for(flow, PATIENCE, progress=False, project=project)
    jobs = Jobs(open_queue(project))
    (doc,) = jobs.find({"flow": flow.uuid})
    assert (doc.state, doc.attempt) == (JobState.COMPLETED, 2), doc.remote.error
    history = jobs.history.of(doc)
    assert [change.event for change in history if change.event in ("end", "recover")] == [
        "end",
        "recover",
        "end",
    ]
    (why,) = [change.why for change in history if change.event == "recover"]
    assert why.startswith("TIMEOUT (1 of 1): new attempt, time 0:01:00 -> 0:02:00, files kept")
    script = testbed.bed.on("hpca", "cat", f"{doc.run_dir}/{RunFolder.SCRIPT}").stdout
    assert "--time=0:02:00" in script
    wait_until(
        lambda: _accounted(testbed, doc) == ["TIMEOUT", "COMPLETED"], "the accounting of both"
    )


def _accounted(testbed: Cluster, doc: JobDoc, columns: str = "State") -> list[str]:
    """Return what the accounting of Slurm says of each attempt."""
    names = ",".join(f"jfc-{doc.uuid}-{doc.index}-{n + 1}" for n in range(doc.attempt))
    answer = testbed.bed.on("hpca", "sacct", "-nXP", "--name", names, "-o", columns)
    return str(answer.stdout).splitlines()


def _shown(project: Project, doc: JobDoc) -> dict[str, Any]:
    """Return what ``jfc job info`` says of a job."""
    command = ["-p", project.name, "job", "info", doc.uuid, "--json"]
    shown: dict[str, Any] = json.loads(CliRunner().invoke(jfc, command).stdout)
    return shown


def _reasons(jobs: Jobs, doc: JobDoc, event: str) -> list[str]:
    """Return why a job ended, or was recovered, the first word of each."""
    return [c.why.split()[0].rstrip(":") for c in jobs.history.of(doc) if c.event == event]


def test_real_ends_are_told_apart_and_recovered_from(
    make_project: ProjectFactory, testbed: Cluster, tmp_path: Path
) -> None:
    """Four times the memory after a memory kill; again after a preemption and a dead node."""
    small = {"time": "0:10:00", "ntasks": 1, "mem": "100M"}
    small["qverbatim"] = "#SBATCH --acctg-freq=task=1"
    spot = {"partition": "spot", "ntasks": 1, "qverbatim": "#SBATCH --no-requeue"}
    hungry = testbed.worker("hpca", "slurm", resources=small)
    unlucky = testbed.worker("hpca", "slurm", resources=spot)
    go = f"{unlucky['work_dir']}/go"
    unlucky["pre_run"] += f"\n{WAIT.format(go)}"
    project = make_project(
        workers={"hungry": hungry, "unlucky": unlucky},
        exec_config={
            name: {"export": {"HOG": size}, "pre_run": f"python - <<'END' || exit $?{HOG}END"}
            for name, size in SIZES.items()
        },
        poll={"min_interval": 1, "max_interval": 2},
        recovery=[{"on": ["OUT_OF_MEMORY"], "memory_factor": 4}],
    )
    chosen = {
        "content": {"worker": "hungry", "exec_config": "content"},
        "greedy": {"worker": "hungry", "exec_config": "greedy"},
        "unlucky": {"worker": "unlucky"},
    }
    given = {name: Job(math.sqrt, function_args=(4.0,), name=name) for name in chosen}
    for name, job in given.items():
        job.update_config({"manager_config": chosen[name]})
    flow = Flow(list(given.values()))
    jobs = Jobs(open_queue(project))

    def runs(attempt: int) -> bool:
        doc = jobs.get(given["unlucky"].uuid)
        return (doc.state, doc.attempt) == (JobState.RUNNING, attempt)

    with running(project, tmp_path):
        submit_flow(flow, project=project)
        try:
            wait_until(lambda: runs(1), "a job to preempt")
            testbed.bed.on("hpca", *URGENT, user="other")
            wait_until(lambda: runs(2), "the second attempt", deadline=120)
            _node(testbed, "DOWN")
            wait_until(lambda: not runs(2), "the end of the node's job", deadline=120)
            _node(testbed, "RESUME")
            wait_until(lambda: runs(3), "the third attempt", deadline=120)
            testbed.bed.on("hpca", "touch", go)
            wait_for(flow, PATIENCE, progress=False, project=project)
        finally:
            _node(testbed, "RESUME")
    content, greedy, unlucky_one = (jobs.get(job.uuid) for job in given.values())
    assert (content.state, content.attempt) == (JobState.COMPLETED, 2), content.remote.error
    assert _reasons(jobs, content, "end") == ["OUT_OF_MEMORY", "COMPLETED"]
    (why,) = [change.why for change in jobs.history.of(content) if change.event == "recover"]
    assert why.startswith("OUT_OF_MEMORY (1 of 1): new attempt, mem 100M -> 400M")
    assert (unlucky_one.state, unlucky_one.attempt) == (JobState.COMPLETED, 3)
    assert _reasons(jobs, unlucky_one, "end") == ["PREEMPTED", "NODE_FAIL", "COMPLETED"]
    assert _reasons(jobs, unlucky_one, "recover") == ["PREEMPTED", "NODE_FAIL"]
    assert (greedy.state, greedy.attempt) == (JobState.REMOTE_ERROR, 2)
    end = _shown(project, greedy)["remote"]["end"]
    assert end["reason"] == "OUT_OF_MEMORY"
    assert "memory" in end["words"].lower()
    wait_until(
        lambda: _accounted(testbed, unlucky_one) == ["PREEMPTED", "NODE_FAIL", "COMPLETED"],
        "the accounting",
    )


def test_a_job_moves_to_another_partition_and_then_to_another_cluster(
    make_project: ProjectFactory, testbed: Cluster, tmp_path: Path
) -> None:
    """A ladder: what fails in one partition of Slurm is tried in another, then on Grid Engine."""
    small = {"partition": "short", "ntasks": 1, "time": "0:05:00"}
    first = testbed.worker("hpca", "slurm", resources=small)
    first["pre_run"] += "\nexit 7"
    first["recovery"] = [
        {"on": ["FAILED"], "resources": {"partition": "debug"}},
        {"on": ["FAILED"], "worker": "other"},
    ]
    workers = {"first": first, "other": testbed.worker("hpcb", "sge")}
    project = make_project(workers=workers, poll={"min_interval": 1, "max_interval": 2})
    flow = Flow([Job(math.sqrt, function_args=(4.0,), name="root")])
    with running(project, tmp_path):
        submit_flow(flow, project=project)
        wait_for(flow, PATIENCE, progress=False, project=project)
    jobs = Jobs(open_queue(project))
    (doc,) = jobs.find({"flow": flow.uuid})
    assert (doc.state, doc.attempt, doc.worker) == (JobState.COMPLETED, 3, "other")
    moved = [change.why for change in jobs.history.of(doc) if change.event == "recover"]
    assert moved[0].startswith("FAILED (1 of 1): new attempt, partition short -> debug;")
    assert moved[1].startswith("FAILED (1 of 1): new attempt, worker first -> other;")
    wait_until(
        lambda: _accounted(testbed, doc, "Partition,State") == ["short|FAILED", "debug|FAILED"],
        "the accounting of both",
    )


def _node(testbed: Cluster, state: str) -> None:
    """Set a node down, or up; it may come back by itself, and then cannot be resumed."""
    words = ("NodeName=hpca-spot", f"State={state}", "Reason=test")
    testbed.bed.on("hpca", "scontrol", "update", *words, check=state == "DOWN")
