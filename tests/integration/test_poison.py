"""A job that kills real Celery workers is parked and named, and never stops the others."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from jobflow import Flow

from jfcelery.database.connection import open_queue
from jfcelery.database.jobs import Jobs
from jfcelery.states import JobState
from tests.conftest import missing
from tests.support.deadly_store import CRASHES, EATS, DeadlyStore
from tests.support.jobs import identity
from tests.support.memory import NoLimitError, limit
from tests.support.spoiling import takes_all_memory
from tests.support.system import System

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.projects import ProjectFactory

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

#: Leases end soon after a death, what stands still is noticed soon.
RUNNER = {"lock_timeout": 3, "delay_checkout": 1, "delay_advance_status": 1}
#: Seconds for four deaths, however slow the machine.
PATIENCE = 500
#: Deaths after which a job is parked.
DEATHS = 4
#: Memory of all processes of the runner and of their jobs together.
MEGABYTES = 900


@pytest.fixture
def limited() -> Iterator[list[str]]:
    """What starts a process whose memory the kernel limits."""
    try:
        with limit(MEGABYTES) as prefix:
            yield prefix
    except NoLimitError as why:
        missing(why)


def test_killers_are_parked_and_others_complete(
    make_project: ProjectFactory, mongo_url: str, tmp_path: Path, limited: list[str]
) -> None:
    """Jobs that take Celery workers down, by a crash and by their memory, are found out.

    A job that itself takes too much memory costs neither its Celery worker nor its warm server.
    """
    store = {"@module": DeadlyStore.__module__, "@class": DeadlyStore.__name__, "uri": mongo_url}
    place = {"database": f"jfct_poison_{uuid4().hex[:8]}", "collection_name": "outputs"}
    make_project.databases.append(place["database"])
    project = make_project(runner=RUNNER, jobstore={"docs_store": store | place})
    killers = [identity(CRASHES), identity(EATS)]
    hungry = takes_all_memory()
    others = [identity(number) for number in range(6)]
    jobs: list[Any] = [others[0], killers[0], hungry, *others[1:3], killers[1], *others[3:]]
    jobs.append(identity(others[-1].output))
    flow = Flow(jobs)
    with System(project, tmp_path, prefix=limited) as system:
        counts = system.complete(flow, PATIENCE)
    assert counts == {JobState.COMPLETED: len(jobs) - 3, JobState.REMOTE_ERROR: 3}
    assert len(system.ends) > DEATHS
    assert set(system.ends) == {-signal.SIGSEGV, -signal.SIGKILL}
    queue = Jobs(open_queue(project))
    for killer in killers:
        doc = queue.get(killer.uuid, 1)
        assert doc.error_class == "WorkerDiedError"
        assert f"{DEATHS} times a Celery worker died" in (doc.remote.error or "")
        assert doc.previous_state == JobState.DOWNLOADED
    doc = queue.get(hungry.uuid, 1)
    assert doc.error_class == "OutputMissingError"
    assert "SIGKILL" in (doc.remote.error or "")
