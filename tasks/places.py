"""A worker's places (``max_jobs``): taken before submission, given back at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jfcelery.database.slots import Slots
from jfcelery.errors import BackPressureError
from jfcelery.states import JobState

if TYPE_CHECKING:
    from jfcelery.database.documents import JobDoc
    from jfcelery.tasks.runtime import Runtime
    from jfcelery.tasks.step import Work

#: Jobs that are sent on at once when places become free.
AT_ONCE = 8


def take_place(work: Work) -> None:
    """Take a place for a job in its worker's queue; a pool has room for any number.

    Raises:
        BackPressureError: All are taken.
    """
    if work.worker.is_batch:
        return
    limit = work.worker.max_jobs
    if not Slots(work.runtime.queue, work.doc.worker).acquire(work.doc.id, limit):
        raise BackPressureError(f"max_jobs of {work.doc.worker} ({limit}) is reached")


def free_place(runtime: Runtime, doc: JobDoc, worker: str | None = None) -> None:
    """Give a job's place back, and send on the next that waits for one.

    Args:
        runtime: The project.
        doc: The job.
        worker: Where the place is; by default the worker on which the job runs.
    """
    name = worker or doc.worker
    if Slots(runtime.queue, name).release(doc.id):
        send_waiting(runtime, name)


def send_waiting(runtime: Runtime, worker: str) -> None:
    """Send on the jobs of a worker that wait for a place, by priority and age."""
    from jfcelery.tasks.dispatch import dispatch

    query = {"state": JobState.UPLOADED.value, "worker": worker}
    order = [("priority", -1), ("created_on", 1)]
    now = runtime.jobs.now()
    waiting = runtime.jobs.find(query, sort=order)
    free = (doc for doc in waiting if not doc.is_locked(now) and doc.remote.waiting)
    for _, doc in zip(range(AT_ONCE), free, strict=False):
        if doc.retry_at is not None:
            doc = _without_wait(runtime, doc)  # noqa: PLW2901
        dispatch(runtime, doc)


def _without_wait(runtime: Runtime, doc: JobDoc) -> JobDoc:
    from jfcelery.errors import ConflictError

    try:
        return runtime.jobs.update(doc, {"retry_at": None})
    except ConflictError:
        return doc
