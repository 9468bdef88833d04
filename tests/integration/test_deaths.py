"""A Celery worker killed in any step costs nothing but time: each job runs exactly once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from jobflow import Flow

from jfcelery.database.connection import open_queue
from jfcelery.database.jobs import Jobs
from jfcelery.states import JobState
from jfcelery.submission import submit_flow
from jfcelery.wait import wait_for
from tests.support.system import System
from tests.support.traces import starts, traced

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.projects import ProjectFactory

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

#: Seconds for a chain of two jobs whose worker dies up to three times.
PATIENCE = 400
#: Leases end soon after a death, lost messages are noticed soon.
RUNNER = {"lock_timeout": 4, "delay_checkout": 2, "delay_advance_status": 2}


@pytest.mark.parametrize(
    "deaths",
    [
        "upload:before upload:after upload:committed",
        "submit:before submit:after submit:committed",
        "check_run_status:committed",
        "finalize:before finalize:after finalize:committed",
    ],
)
def test_a_killed_worker_loses_and_doubles_nothing(
    deaths: str, make_project: ProjectFactory, tmp_path: Path
) -> None:
    """After kill -9 before, in and after a step the flow completes, each job started once."""
    project = make_project(runner=RUNNER)
    first = traced(str(tmp_path), 1)
    second = traced(str(tmp_path), 1, [first.output])
    flow = Flow([first, second])
    env = {"DIE_AT": deaths, "DIE_FOLDER": str(tmp_path / "deaths")}
    (tmp_path / "deaths").mkdir()
    with System(project, tmp_path, app="tests.support.dying_app:app", env=env) as system:
        submit_flow(flow, project=project)
        system.start_beat()
        system.keep_worker()
        try:
            counts = wait_for(flow, PATIENCE, progress=False, project=project)
        except Exception as error:
            error.add_note(system.logs())
            raise
    died = {path.name for path in (tmp_path / "deaths").iterdir()}
    assert died == set(deaths.split())
    assert counts == {JobState.COMPLETED: 2}
    assert sorted(starts(tmp_path)) == sorted(f"{job.uuid}_1 1" for job in flow.jobs)
    store = project.get_jobstore()
    store.connect()
    assert store.get_output(second.uuid) == 2
    store.close()
    jobs = Jobs(open_queue(project))
    for job in flow.jobs:
        doc = jobs.get(job.uuid, 1)
        events = [change.event for change in jobs.history.of(doc)]
        assert events.count("submit") == 1
        assert events[-1] == "finalize"
