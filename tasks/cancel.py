"""Taking queue jobs out of a worker's queue, confirmed."""

from __future__ import annotations

import logging
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from jfcelery.errors import BackPressureError, ConflictError, HostError
from jfcelery.folders import RunFolder
from jfcelery.scheduler_io.queue import WorkerQueue
from jfcelery.scheduler_io.schedulers.base import QueueJob
from jfcelery.tasks.places import free_place

if TYPE_CHECKING:
    from jfcelery.database.documents import CancelRequest, JobDoc
    from jfcelery.tasks.runtime import Runtime

logger = logging.getLogger(__name__)


def cancel_all(runtime: Runtime, host_key: str) -> int:
    """Cancel every queue job of a host whose removal was asked for.

    Returns:
        How many are confirmed to be gone.
    """
    workers = [n for n, w in runtime.project.workers.items() if w.host_key == host_key]
    confirmed = 0
    for doc in list(runtime.jobs.find({"cancel.worker": {"$in": workers}})):
        if doc.is_locked(runtime.jobs.now()):
            continue  # a step is at work on it, and may submit yet; the sweeper comes back
        try:
            cancel_requested(runtime, doc)
            confirmed += 1
        except BackPressureError as error:
            logger.info("%s", error)
        except HostError as error:
            runtime.host_records.failed(host_key, error)
            logger.warning("Could not cancel on %s: %s", host_key, error)
            break
    return confirmed


def cancel_requested(runtime: Runtime, doc: JobDoc) -> JobDoc:
    """Cancel the queue jobs whose removal a job's document asks for.

    Raises:
        HostError: The host cannot be asked.
        BackPressureError: They are not gone yet.
    """
    for request in doc.cancel:
        _cancel(runtime, doc, request)
    gone = [request.model_dump() for request in doc.cancel]
    current = doc
    while True:
        left = [r.model_dump() for r in current.cancel if r.model_dump() not in gone]
        try:
            changed = runtime.jobs.update(current, {"cancel": left})
        except ConflictError:
            current = runtime.jobs.get(doc.uuid, doc.index)
            continue
        free_place(runtime, changed)
        return changed


def _cancel(runtime: Runtime, doc: JobDoc, request: CancelRequest) -> None:
    worker = runtime.project.get_worker(request.worker)
    job = QueueJob(
        uuid=doc.uuid,
        index=doc.index,
        attempt=request.attempt,
        queue_id=request.queue_id or "",
        name=request.name,
        folder=RunFolder(PurePosixPath(request.folder)),
    )
    with runtime.hosts.lease(request.worker) as host:
        answer = WorkerQueue(host, worker, timeout=worker.timeout_execute).cancel([job])
    if not all(answer.values()) or not answer:
        raise BackPressureError(
            f"The queue job {request.queue_id or request.name} of job {doc.db_id} is not gone yet."
        )
