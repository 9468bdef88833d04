"""Stopping jobs, and removing them from their queues."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jfcelery.controller.bulk import Move
from jfcelery.controller.fields import halted
from jfcelery.errors import RefusedError
from jfcelery.flows.release import release_all
from jfcelery.states import JobState, sources_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from jfcelery.database.documents import JobDoc
    from jfcelery.database.jobs import Jobs


def stop(waited_for: Collection[str]) -> Callable[[JobDoc], Move]:
    """Return the plan to stop jobs; a request to cancel its queue job goes with each.

    Args:
        waited_for: Keys of the jobs that others wait for; see :func:`.release.jobs_waited_for`.
    """

    def plan(doc: JobDoc) -> Move:
        if doc.state in sources_of("stop"):
            fields = halted(doc) | {"release": doc.id in waited_for}
            return Move("stop", JobState.USER_STOPPED, fields)
        remedy = "`jfc job pause` keeps it from starting." if doc.state is JobState.WAITING else ""
        raise RefusedError(
            f"it is {doc.state}: only READY and running jobs can be stopped.", remedy=remedy
        )

    return plan


def let_children_go(jobs: Jobs, ended: Sequence[JobDoc]) -> None:
    """Release the children of jobs that a person stopped, or set to an end."""
    release_all(jobs, [doc for doc in ended if doc.release])
