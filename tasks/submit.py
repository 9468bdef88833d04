"""Step 2: the job's script, in the scheduler's queue."""

from __future__ import annotations

from datetime import timedelta

from jfcelery.folders import RunFolder, queue_job_name
from jfcelery.states import JobState
from jfcelery.tasks.limits import limits_of
from jfcelery.tasks.places import take_place
from jfcelery.tasks.pool import queue_for
from jfcelery.tasks.step import Commit, Step, Work

#: Time after a submission in which its host's queue is asked again.
FIRST_POLL = timedelta(seconds=1)


def submit_body(work: Work) -> Commit:
    """Submit the job, or find the queue job that an earlier try made."""
    runtime, doc, worker = work.runtime, work.doc, work.worker
    take_place(work)
    folder = RunFolder.of(worker.work_dir, doc.uuid, doc.index)
    name = queue_job_name(doc.uuid, doc.index, doc.attempt)
    with runtime.hosts.lease(doc.worker) as host:
        queue = queue_for(host, worker, None)
        limits = limits_of(runtime.project, worker)
        queue_id = queue.submit(folder, name=name, attempt=doc.attempt, limits=limits)
    runtime.host_records.went_well(worker.host_key)
    runtime.host_records.poll_soon(worker.host_key, FIRST_POLL)
    fields = {
        "remote.process_id": queue_id,
        "remote.absent": 0,
        "remote.end": None,
        "remote.batch_uid": None,
        "remote.queue_out": str(folder / RunFolder.QUEUE_OUT),
        "remote.queue_err": str(folder / RunFolder.QUEUE_ERR),
    }
    if worker.is_batch:
        return Commit("submit", JobState.BATCH_SUBMITTED, "put into the pool", fields)
    return Commit("submit", JobState.SUBMITTED, f"queue job {queue_id}", fields)


submit = Step("submit", JobState.UPLOADED, submit_body)
