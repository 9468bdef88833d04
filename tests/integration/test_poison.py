"""A job that kills real Celery workers is parked and named, and never stops the others."""

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
from tests.support.deadly_store import CRASHES, DeadlyStore
from tests.support.jobs import identity
from tests.support.system import System

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.projects import ProjectFactory

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

#: Leases end soon after a death, what stands still is noticed soon.
RUNNER = {"lock_timeout": 3, "delay_checkout": 1, "delay_advance_status": 1}
#: Seconds for four deaths, however slow the machine.
PATIENCE = 500
#: Deaths after which a job is parked.
DEATHS = 4


def test_a_killer_is_parked_and_others_complete(
    make_project: ProjectFactory, mongo_url: str, tmp_path: Path
) -> None:
    """Of jobs that are stored at once, the one that takes the process down is found out."""
    store = {"@module": DeadlyStore.__module__, "@class": DeadlyStore.__name__, "uri": mongo_url}
    place = {"database": f"jfct_poison_{uuid4().hex[:8]}", "collection_name": "outputs"}
    make_project.databases.append(place["database"])
    project = make_project(runner=RUNNER, jobstore={"docs_store": store | place})
    killer = identity(CRASHES)
    others = [identity(number) for number in range(6)]
    jobs: list[Any] = [others[0], killer, *others[1:]]
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
    assert counts == {JobState.COMPLETED: len(jobs) - 1, JobState.REMOTE_ERROR: 1}
    assert system.deaths >= DEATHS
    doc = Jobs(open_queue(project)).get(killer.uuid, 1)
    assert doc.error_class == "WorkerDiedError"
    assert f"{DEATHS} times a Celery worker died" in (doc.remote.error or "")
    assert doc.previous_state == JobState.DOWNLOADED
