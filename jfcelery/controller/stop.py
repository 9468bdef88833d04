"""Stopping jobs, and removing them from their queues."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jfcelery.controller.bulk import Move, RefusedError
from jfcelery.controller.fields import halted
from jfcelery.flows.release import release_children
from jfcelery.states import JobState, sources_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jfcelery.database.documents import JobDoc
    from jfcelery.database.jobs import Jobs


def stop(doc: JobDoc) -> Move:
    """Plan to stop a job; a request to cancel its queue job goes with it."""
    if doc.state in sources_of("stop"):
        return Move("stop", JobState.USER_STOPPED, halted(doc))
    remedy = "`jfc job pause` keeps it from starting." if doc.state is JobState.WAITING else ""
    raise RefusedError(
        f"it is {doc.state}: only READY and running jobs can be stopped.", remedy=remedy
    )


def let_children_go(jobs: Jobs, stopped: Sequence[JobDoc]) -> None:
    """Release the children of stopped jobs that tolerate a missing parent."""
    uuids = [doc.uuid for doc in stopped]
    waiting = jobs.find({"unmet": {"$in": uuids}, "on_missing": {"$ne": "error"}})
    wanted = {uuid for child in waiting for uuid in child.unmet}
    for doc in stopped:
        if doc.uuid in wanted:
            release_children(jobs, doc)
