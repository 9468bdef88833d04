"""Step 2: the job's script, in the scheduler's queue."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from jfcelery.folders import RunFolder, queue_job_name
from jfcelery.scheduler_io.queue import Submission
from jfcelery.states import JobState
from jfcelery.tasks.limits import limits_of
from jfcelery.tasks.places import place_if_submitted, take_place
from jfcelery.tasks.pool import queue_for
from jfcelery.tasks.step import Commit, Step, Work
from jfcelery.tasks.watch import watch_soon

if TYPE_CHECKING:
    from jfcelery.database.documents import JobDoc
    from jfcelery.project import WorkerBase
    from jfcelery.tasks.runtime import Runtime

#: Time after a submission in which its host's queue is asked again.
FIRST_POLL = timedelta(seconds=1)


def submit_body(work: Work) -> Commit:
    """Submit the job, or find the queue job that an earlier try made."""
    runtime, doc, worker = work.runtime, work.doc, work.worker
    take_place(work)
    one = submission(work)
    with runtime.hosts.lease(doc.worker) as host, place_if_submitted(work):
        queue = queue_for(host, worker, None)
        limits = limits_of(runtime.project, worker)
        queue_id = queue.submit(one.folder, name=one.name, attempt=one.attempt, limits=limits)
    noted(runtime, worker)
    return submitted(work, queue_id)


def submission(work: Work) -> Submission:
    """Return a job as its queue is to get it."""
    doc = work.doc
    folder = RunFolder.of(work.worker.work_dir, doc.uuid, doc.index)
    return Submission(folder, queue_job_name(doc.uuid, doc.index, doc.attempt), doc.attempt)


def noted(runtime: Runtime, worker: WorkerBase) -> None:
    """Note that a host took what was submitted, and have its queue asked soon."""
    runtime.host_records.took(worker.host_key, FIRST_POLL)


def submitted(work: Work, queue_id: str) -> Commit:
    """Return what the step achieved once the queue has the job."""
    folder = submission(work).folder
    fields = {
        "remote.process_id": queue_id,
        "remote.absent": 0,
        "remote.end": None,
        "remote.batch_uid": None,
        "remote.queue_out": str(folder / RunFolder.QUEUE_OUT),
        "remote.queue_err": str(folder / RunFolder.QUEUE_ERR),
    }
    if work.worker.is_batch:
        return Commit("submit", JobState.BATCH_SUBMITTED, "put into the pool", fields)

    def then(_doc: JobDoc) -> None:
        watch_soon(work.runtime, work.worker)

    return Commit("submit", JobState.SUBMITTED, f"queue job {queue_id}", fields, then)


submit = Step("submit", JobState.UPLOADED, submit_body)
