"""A worker's places (``max_jobs``): taken before submission, given back at the end."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from jfcelery.database.slots import Slots
from jfcelery.errors import BackPressureError, SubmissionBusyError
from jfcelery.states import JobState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from jfcelery.database.documents import JobDoc
    from jfcelery.tasks.runtime import Runtime
    from jfcelery.tasks.step import Work

#: Jobs that are sent on at once, at most, when places become free.
AT_ONCE = 8


def take_places(works: Sequence[Work]) -> Callable[[Work], None]:
    """Take places for jobs of one worker in its queue; a pool has room for any number.

    Returns:
        What raises BackPressureError for a job that got none, since all are taken.
    """
    first = works[0]
    limit, worker = first.worker.max_jobs, first.doc.worker
    if first.worker.is_batch:
        return lambda _: None
    placed = Slots(first.runtime.queue, worker).acquire([w.doc.id for w in works], limit)

    def check(work: Work) -> None:
        if work.doc.id not in placed:
            raise BackPressureError(f"max_jobs of {worker} ({limit}) is reached")

    return check


def take_place(work: Work) -> None:
    """Take a place for one job.

    Raises:
        BackPressureError: All are taken.
    """
    take_places([work])(work)


@contextmanager
def place_if_submitted(work: Work) -> Iterator[None]:
    """Give a job's place back if the block finds that its queue has no room for it now.

    Nobody is sent on for that: the queue has no room for others either. Any other error leaves it
    open whether the job is in the queue.
    """
    try:
        yield
    except SubmissionBusyError:
        raise
    except BackPressureError:
        Slots(work.runtime.queue, work.doc.worker).release([work.doc.id])
        raise


def free_place(runtime: Runtime, doc: JobDoc, worker: str | None = None) -> None:
    """Give a job's place back, and send on the next that waits for one.

    Args:
        runtime: The project.
        doc: The job.
        worker: Where the place is; by default the worker on which the job runs.
    """
    free_places(runtime, [doc], worker or doc.worker)


def free_places(runtime: Runtime, docs: Sequence[JobDoc], worker: str) -> None:
    """Give back the places that jobs have on a worker, and send on as many that wait for one."""
    if Slots(runtime.queue, worker).release([doc.id for doc in docs]):
        send_waiting(runtime, worker)


def send_waiting(runtime: Runtime, worker: str) -> None:
    """Send on as many jobs of a worker that wait as it has free places, by priority and age."""
    from jfcelery.tasks.dispatch import dispatch_all

    described = runtime.project.workers.get(worker)
    if described is None:
        return  # it was taken out of the project
    most = AT_ONCE
    if described.max_jobs is not None:
        most = min(described.max_jobs - len(Slots(runtime.queue, worker).held()), AT_ONCE)
    query = {"state": JobState.UPLOADED.value, "worker": worker}
    order = [("priority", -1), ("created_on", 1)]
    now = runtime.jobs.now()
    waiting = runtime.jobs.find(query, sort=order)
    free = (doc for doc in waiting if not doc.is_locked(now) and doc.remote.waiting)
    chosen = [doc for _, doc in zip(range(most), free, strict=False)]
    late = [doc for doc in chosen if doc.retry_at is not None]
    ready = [doc for doc in chosen if doc.retry_at is None]
    ready += runtime.jobs.update_many(late, lambda _: {"retry_at": None})
    dispatch_all(runtime, ready)
