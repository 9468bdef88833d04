"""Trying again the step that failed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jfcelery.controller.bulk import Move
from jfcelery.errors import RefusedError
from jfcelery.states import ACTIVE_STATES, JobState

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from jfcelery.database.documents import JobDoc

#: Fields that forget the failure of a step.
_FORGET: dict[str, Any] = {
    "swept": 0,
    "swept_at": None,
    "error_class": None,
    "remote.step_attempts": 0,
    "remote.retry_time_limit": None,
    "remote.error": None,
    "remote.waiting": None,
    "remote.absent": 0,
}


def retry(now: datetime) -> Callable[[JobDoc], Move]:
    """Return the plan to go back to the state before a REMOTE_ERROR, or not to wait any longer.

    Args:
        now: The time by the database's clock; a wait that is over makes the sweeper act at once.
    """

    def plan(doc: JobDoc) -> Move:
        if doc.state is JobState.REMOTE_ERROR:
            target = doc.previous_state or JobState.READY
            if target not in ACTIVE_STATES | {JobState.READY}:
                raise RefusedError(
                    f"it was set to REMOTE_ERROR by hand, from {target}: no step of it failed.",
                    remedy="`jfc job rerun` runs it from its beginning.",
                )
            fields = {**_FORGET, "epoch": doc.epoch + 1, "error": None, "end_time": None}
            return Move("retry", target, {**fields, "retry_at": now})
        if doc.state in ACTIVE_STATES and (doc.retry_at or doc.remote.step_attempts):
            return Move(fields={**_FORGET, "retry_at": now})
        raise RefusedError(
            f"it is {doc.state} and no step of it failed: nothing is to be tried again.",
            remedy="`jfc job rerun` runs it again." if doc.state is JobState.FAILED else "",
        )

    return plan
