"""Pausing jobs that have not started, and letting paused or stopped ones go on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jfcelery.controller.bulk import Move
from jfcelery.controller.fields import fresh
from jfcelery.errors import RefusedError
from jfcelery.states import ACTIVE_STATES, JobState, sources_of

if TYPE_CHECKING:
    from jfcelery.database.documents import JobDoc


def pause(doc: JobDoc) -> Move:
    """Plan to pause a READY or WAITING job."""
    if doc.state in sources_of("pause"):
        return Move("pause", JobState.PAUSED)
    if doc.state in ACTIVE_STATES:
        raise RefusedError(
            f"it is {doc.state}: only READY and WAITING jobs can be paused.",
            remedy="`jfc job stop` stops it.",
        )
    raise RefusedError(f"it is {doc.state}: only READY and WAITING jobs can be paused.")


def resume(doc: JobDoc) -> Move:
    """Plan to let a PAUSED, STOPPED or USER_STOPPED job go on, from its beginning."""
    if doc.state in sources_of("resume"):
        fields = fresh(doc) if doc.state is not JobState.PAUSED else {}
        return Move("resume", start_state(doc), fields)
    remedies = {
        JobState.REMOTE_ERROR: "`jfc job retry` tries the failed step again.",
        JobState.FAILED: "`jfc job rerun` runs it again.",
    }
    raise RefusedError(
        f"it is {doc.state}: only PAUSED, STOPPED and USER_STOPPED jobs can be resumed.",
        remedy=remedies.get(doc.state, ""),
    )


def start_state(doc: JobDoc) -> JobState:
    """Return the state of a job that is to start: READY, or WAITING for its parents."""
    return JobState.WAITING if doc.unmet else JobState.READY
