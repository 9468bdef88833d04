"""Taking queue jobs out of a worker's queue, confirmed."""

from __future__ import annotations

import logging
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from jfcelery.database.chunks import chunks
from jfcelery.errors import BackPressureError, ConflictError, HostError, StepError
from jfcelery.folders import RunFolder
from jfcelery.scheduler_io.schedulers.base import QueueJob
from jfcelery.tasks.places import free_place
from jfcelery.tasks.pool import is_entry, queue_for
from jfcelery.tasks.watch import only_one

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jfcelery.database.documents import CancelRequest, JobDoc
    from jfcelery.tasks.runtime import Runtime

logger = logging.getLogger(__name__)

#: Queue jobs that one command cancels.
AT_ONCE = 100

#: A job, and the request to cancel a queue job of it.
_Asked = tuple["JobDoc", "CancelRequest"]


def cancel_all(runtime: Runtime, host_key: str) -> int:
    """Cancel every queue job of a host whose removal was asked for.

    Jobs that end slowly, or never, cost one thread of a process at most.

    Returns:
        How many are confirmed to be gone.
    """
    confirmed = 0
    with only_one(runtime, f"cancel {host_key}") as alone:
        for worker in runtime.project.hosts.get(host_key, []) if alone else ():
            try:
                confirmed += _cancel_on(runtime, worker)
            except BackPressureError as error:
                logger.info("%s", error)
            except HostError as error:
                runtime.host_records.failed(host_key, error)
                logger.warning("Could not cancel on %s: %s", host_key, error)
                break
    return confirmed


def _cancel_on(runtime: Runtime, worker: str) -> int:
    """Cancel what is to be cancelled on a worker, also what comes meanwhile."""
    tried: set[str] = set()
    confirmed = 0
    while asked := [a for a in _asked(runtime, worker) if a[1].name not in tried]:
        tried |= {request.name for _, request in asked}
        for piece in chunks(asked, AT_ONCE):
            gone = _gone(runtime, worker, piece)
            for doc, request in piece:
                if request.name in gone:
                    confirmed += _confirm(runtime, doc, request)
    return confirmed


def _asked(runtime: Runtime, worker: str) -> list[_Asked]:
    """Return the requests to a worker, but for jobs on which a step is at work: it may submit."""
    now = runtime.jobs.now()
    docs = runtime.jobs.find({"cancel.worker": worker})
    free = [doc for doc in docs if not doc.is_locked(now)]
    return [(doc, request) for doc in free for request in doc.cancel if request.worker == worker]


def cancel_requested(runtime: Runtime, doc: JobDoc) -> None:
    """Cancel the queue jobs whose removal a job's document asks for.

    Nobody can cancel on a worker that was taken out of the project: such a request is given up.

    Raises:
        BackPressureError: They are not gone yet, or their host cannot be asked now.
    """
    for request in doc.cancel:
        if request.worker not in runtime.project.workers:
            logger.warning(
                "Job %s: nobody cancels its queue job %s: the project has no worker %r any more",
                doc.db_id,
                request.queue_id or request.name,
                request.worker,
            )
            _confirm(runtime, doc, request)
            continue
        host_key = runtime.project.workers[request.worker].host_key
        what = f"The queue job {request.queue_id or request.name} of job {doc.db_id}"
        try:
            gone = _gone(runtime, request.worker, [(doc, request)])
        except HostError as error:
            # Charged to the host where it is, which may not be the one where the job is to run.
            runtime.host_records.failed(host_key, error)
            raise BackPressureError(f"{what} cannot be cancelled now: {error.message}") from error
        if not gone:
            raise BackPressureError(f"{what} is not gone yet.")
        _confirm(runtime, doc, request)


def _gone(runtime: Runtime, worker: str, asked: Sequence[_Asked]) -> set[str]:
    """Cancel queue jobs, and return the names of those that are gone for certain.

    Raises:
        HostError: The host cannot be asked.
        BackPressureError: It is too busy to be asked.
    """
    with_id = [(doc, request) for doc, request in asked if request.queue_id]
    in_pool = [a for a in with_id if is_entry(a[1].queue_id)]
    in_queue = [a for a in with_id if not is_entry(a[1].queue_id)]
    groups = [in_pool, in_queue, *([a] for a in asked if not a[1].queue_id)]
    gone: set[str] = set()
    for group in filter(None, groups):
        try:
            gone |= _ask(runtime, worker, group)
        except StepError as error:
            if len(group) > 1:  # one of them makes no sense: which?
                for one in group:
                    gone |= _gone(runtime, worker, [one])
            else:
                logger.error("Job %s: %s", group[0][0].db_id, error)  # noqa: TRY400
        except BackPressureError as error:
            if all(request.queue_id for _, request in asked):
                raise
            logger.info("%s", error)
    return gone


def _ask(runtime: Runtime, worker: str, asked: Sequence[_Asked]) -> set[str]:
    """Let the queue cancel jobs that all have an id, or one that has none."""
    with runtime.hosts.lease(worker) as host:
        queue = queue_for(host, runtime.project.get_worker(worker), asked[0][1].queue_id)
        answers = queue.cancel([_queue_job(doc, request) for doc, request in asked])
    return {request.name for _, request in asked if answers.get(request.queue_id or "")}


def _queue_job(doc: JobDoc, request: CancelRequest) -> QueueJob:
    return QueueJob(
        uuid=doc.uuid,
        index=doc.index,
        attempt=request.attempt,
        queue_id=request.queue_id or "",
        name=request.name,
        folder=RunFolder(PurePosixPath(request.folder)),
    )


def _confirm(runtime: Runtime, doc: JobDoc, request: CancelRequest) -> bool:
    """Take a request off a job, with the place that went with it; somebody may have been faster."""
    current: JobDoc | None = runtime.jobs.again(doc)
    while current is not None and request in current.cancel:
        left = [r.model_dump() for r in current.cancel if r != request]
        try:
            runtime.jobs.update(current, {"cancel": left})
        except ConflictError:
            current = runtime.jobs.again(current)
        else:
            free_place(runtime, doc, request.worker)
            return True
    return False
