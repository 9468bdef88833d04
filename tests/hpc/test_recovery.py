"""A job that a real Slurm ends for its time limit goes on with more time, and with its files."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest
from jobflow import Flow
from jobflow.core.job import Job

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

    from tests.support.cluster import Cluster
    from tests.support.projects import ProjectFactory

pytestmark = [pytest.mark.hpc, pytest.mark.slow, pytest.mark.timeout(600)]

#: Seconds for the flow: Slurm looks at time limits once a minute or so.
PATIENCE = 400
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
    with running(project, tmp_path) as system:
        submit_flow(flow, project=project)
        try:
            wait_for(flow, PATIENCE, progress=False, project=project)
        except Exception as error:
            error.add_note(system.logs())
            raise
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
    names = ",".join(f"jfc-{doc.uuid}-{doc.index}-{attempt}" for attempt in (1, 2))

    def told() -> list[str]:
        answer = testbed.bed.on("hpca", "sacct", "-nXP", "--name", names, "-o", "State")
        return str(answer.stdout).split()

    wait_until(lambda: told() == ["TIMEOUT", "COMPLETED"], "the accounting of both")
