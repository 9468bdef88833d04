"""What operations set in a job's document beside its state."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from jfcelery.folders import queue_job_name
from jfcelery.states import QUEUED_STATES, JobState

if TYPE_CHECKING:
    from jfcelery.database.documents import JobDoc

#: States in which a queue job may exist, or a step may be about to make one.
_MAY_BE_QUEUED = QUEUED_STATES | {JobState.UPLOADED}


def fresh(doc: JobDoc) -> dict[str, Any]:
    """Return the fields of a job that starts again from the beginning.

    The earlier attempt stays in the history, in the run folder's archive and, if a queue job of
    it may exist, among the requests to cancel. Messages of the earlier attempt become void.
    """
    return {
        "epoch": doc.epoch + 1,
        "retry_at": None,
        "swept": 0,
        "error": None,
        "error_class": None,
        "start_time": None,
        "end_time": None,
        "stored_data": None,
        "release": False,
        "recovery": None,
        "pilots_lost": 0,
        "remote": {"step_attempts": 0, "prerun_cleanup": doc.remote.prerun_cleanup},
        "cancel": cancel_requests(doc),
    }


def halted(doc: JobDoc) -> dict[str, Any]:
    """Return the fields of a job that a person stops where it is."""
    return {
        "epoch": doc.epoch + 1,
        "retry_at": None,
        "swept": 0,
        "cancel": cancel_requests(doc),
    }


def cancel_requests(doc: JobDoc) -> list[dict[str, Any]]:
    """Return the requests to cancel queue jobs, with one for the queue job under way, if any.

    The queue job is named besides its id, because a step may have died before it wrote the id.
    """
    requests = [request.model_dump(mode="python") for request in doc.cancel]
    state = doc.previous_state if doc.state is JobState.REMOTE_ERROR else doc.state
    if state not in _MAY_BE_QUEUED or not doc.run_dir:
        return requests
    request = {
        "worker": doc.worker,
        "queue_id": doc.remote.process_id,
        "name": queue_job_name(doc.uuid, doc.index, doc.attempt),
        "attempt": doc.attempt,
        "folder": str(PurePosixPath(doc.run_dir)),
    }
    return [*requests, request] if request not in requests else requests
