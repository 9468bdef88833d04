"""A Celery worker killed in any step costs nothing but time: each job runs exactly once."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from jobflow import Flow

from jfcelery.database.connection import open_queue
from jfcelery.database.jobs import Jobs
from jfcelery.states import JobState
from tests.support.system import ROOT, System
from tests.support.traces import starts, traced

if TYPE_CHECKING:
    from jfcelery.project import Project
    from tests.support.projects import ProjectFactory

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

#: Seconds for a chain of two jobs whose worker dies up to three times.
PATIENCE = 400
#: Leases end soon after a death, lost messages are noticed soon.
RUNNER = {"lock_timeout": 4, "delay_checkout": 2, "delay_advance_status": 2}
#: A host is asked for its jobs soon, and again soon.
POLL = {"min_interval": 1, "max_interval": 2}


@pytest.mark.parametrize(
    "deaths",
    [
        "upload:before upload:after upload:committed",
        "submit:before submit:after submit:committed",
        "check_run_status:before check_run_status:committed",
        "finalize:before finalize:after finalize:committed",
    ],
)
def test_a_killed_worker_loses_and_doubles_nothing(
    deaths: str, make_project: ProjectFactory, tmp_path: Path
) -> None:
    """After kill -9 before, in and after a step the flow completes, each job started once."""
    events = completed(make_project(runner=RUNNER), tmp_path, DIE_AT=deaths)
    assert "download" not in events


def test_a_killed_download_loses_and_doubles_nothing(
    make_project: ProjectFactory, tmp_path: Path
) -> None:
    """Nor does the step that only jobs of a remote worker have; this machine plays its host."""
    far = {
        "type": "remote",
        "host": "far.example.org",
        "scheduler_type": "shell",
        "work_dir": str(tmp_path / "far"),
        "pre_run": f"export PYTHONPATH={ROOT} PATH={Path(sys.executable).parent}:$PATH",
    }
    project = make_project(runner=RUNNER, poll=POLL, workers={"far": far})
    deaths = "download:before download:after download:committed"
    events = completed(project, tmp_path, DIE_AT=deaths, FAR="1")
    assert events.count("download") == 1


def completed(project: Project, folder: Path, **env: str) -> list[str]:
    """Run a chain of two jobs in spite of all deaths, and return what happened to its last job."""
    first = traced(str(folder), 1)
    second = traced(str(folder), 1, [first.output])
    flow = Flow([first, second])
    died = folder / "deaths"
    died.mkdir()
    env |= {"DIE_FOLDER": str(died)}
    with System(project, folder, app="tests.support.dying_app:app", env=env) as system:
        counts = system.complete(flow, PATIENCE)
    assert counts == {JobState.COMPLETED: 2}
    assert {path.name for path in died.iterdir()} == set(env["DIE_AT"].split())
    assert sorted(starts(folder)) == sorted(f"{job.uuid}_1 1" for job in flow.jobs)
    store = project.get_jobstore()
    store.connect()
    assert store.get_output(second.uuid) == 2
    store.close()
    jobs = Jobs(open_queue(project))
    events: list[str] = []
    for job in flow.jobs:
        events = [change.event for change in jobs.history.of(jobs.get(job.uuid, 1))]
        assert events.count("submit") == 1
        assert events[-1] == "finalize"
    return events
