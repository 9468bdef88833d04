"""Jobs that kill real Celery workers are parked and named, and never stop the others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from jobflow import Flow

from jfcelery.database.connection import open_queue
from jfcelery.database.jobs import Jobs
from jfcelery.states import JobState
from jfcelery.submission import submit_flow
from jfcelery.wait import wait_for
from tests.support.deadly_store import CRASHES, EATS_MEMORY, DeadlyStore
from tests.support.jobs import identity
from tests.support.system import System

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.projects import ProjectFactory

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

#: Leases end soon after a death, what stands still is noticed soon.
RUNNER = {"lock_timeout": 3, "delay_checkout": 1, "delay_advance_status": 1}
#: Seconds for two killers, four deaths each.
PATIENCE = 400
#: Deaths after which a job is parked.
DEATHS = 4


def test_killers_are_parked_and_others_complete(
    make_project: ProjectFactory, mongo_url: str, tmp_path: Path
) -> None:
    """Of jobs that are stored at once, those that take the process down are found out."""
    store = {"@module": DeadlyStore.__module__, "@class": DeadlyStore.__name__, "uri": mongo_url}
    place = {"database": f"jfct_poison_{uuid4().hex[:8]}", "collection_name": "outputs"}
    make_project.databases.append(place["database"])
    project = make_project(runner=RUNNER, jobstore={"docs_store": store | place})
    killers = {CRASHES: identity(CRASHES), EATS_MEMORY: identity(EATS_MEMORY)}
    others = [identity(number) for number in range(6)]
    jobs: list[Any] = [others[0], *killers.values(), *others[1:]]
    jobs.append(identity(others[-1].output))
    flow = Flow(jobs)
    with System(project, tmp_path) as system:
        submit_flow(flow, project=project)
        system.start_beat()
        system.keep_worker()
        try:
            counts = wait_for(flow, PATIENCE, progress=False, project=project)
        except Exception as error:
            error.add_note(system.logs())
            raise
    assert counts == {JobState.COMPLETED: len(jobs) - 2, JobState.REMOTE_ERROR: 2}
    assert system.deaths >= DEATHS
    for job in killers.values():
        doc = Jobs(open_queue(project)).get(job.uuid, 1)
        assert doc.error_class == "WorkerDiedError"
        assert f"{DEATHS} times a Celery worker died" in (doc.remote.error or "")
        assert doc.previous_state == JobState.DOWNLOADED
