"""Sweep: whatever stands still although it could move is set going again.

Messages may be lost and processes may die anywhere; nothing but the database knows what is left
to do, and this is where it is read from.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING

from jfcelery.database.connection import translated
from jfcelery.database.slots import Slots
from jfcelery.errors import ConflictError, FlowNotFoundError
from jfcelery.flows.insert import remove_insertion
from jfcelery.flows.release import release_children, settle
from jfcelery.states import QUEUED_STATES, FlowState, JobState
from jfcelery.tasks.checkout import checkout
from jfcelery.tasks.dispatch import dispatch
from jfcelery.tasks.places import send_waiting
from jfcelery.tasks.sending import sender

if TYPE_CHECKING:
    from datetime import datetime

    from jfcelery.database.documents import JobDoc
    from jfcelery.tasks.runtime import Runtime

logger = logging.getLogger(__name__)

_S = JobState

#: States whose next move is a step's; those in the queue are the poll's.
STEP_STATES = (_S.CHECKED_OUT, _S.UPLOADED, _S.RUN_FINISHED, _S.DOWNLOADED)
#: How long a job may stand still before its message counts as lost; doubles each time.
GRACE = timedelta(seconds=10)
#: Longest such time.
LONGEST_GRACE = timedelta(minutes=10)
#: An insertion that is not complete after this long was interrupted.
INSERTION_TIME = timedelta(hours=1)
#: Flows of which nothing moves are looked at again after this long.
STUCK_TIME = timedelta(minutes=1)


def sweep(runtime: Runtime) -> None:
    """Look at everything that may stand still, and set it going again."""
    now = runtime.jobs.now()
    for doc in list(_standing(runtime, now)):
        send_again(runtime, doc)
    _release_pending(runtime)
    _cancel_pending(runtime)
    _free_places(runtime)
    _remove_interrupted(runtime, now)
    _renew_flows(runtime, now)
    checkout(runtime)


def _standing(runtime: Runtime, now: datetime) -> list[JobDoc]:
    query = {"state": {"$in": [state.value for state in STEP_STATES]}}
    available = {
        name: runtime.host_records.get(key).available
        for key, names in runtime.project.hosts.items()
        for name in names
    }
    return [
        doc
        for doc in runtime.jobs.find(query)
        if _stands_still(doc, now) and available.get(doc.worker, True)
    ]


def _stands_still(doc: JobDoc, now: datetime) -> bool:
    """Return whether a job's message must count as lost."""
    if doc.is_locked(now) or (doc.retry_at is not None and doc.retry_at > now):
        return False
    if doc.retry_at is not None or doc.lock_id is not None:
        return True  # its wait is over, or whoever had it died
    since = max(doc.updated_on, doc.swept_at or doc.updated_on)
    return now - since > min(GRACE * (1 << min(doc.swept, 10)), LONGEST_GRACE)


def send_again(runtime: Runtime, doc: JobDoc) -> None:
    """Send a job's message again, with the same epoch: the first may yet be on its way."""
    fields = {"swept": doc.swept + 1, "swept_at": runtime.jobs.now(), "retry_at": None}
    if doc.lock_id is not None:
        fields |= {"lock_id": None, "lock_time": None, "lock_until": None}
    try:
        changed = runtime.jobs.update(doc, fields)
    except ConflictError:
        return
    dispatch(runtime, changed)


def _release_pending(runtime: Runtime) -> None:
    """Release the children of jobs whose finalize died after its commit."""
    for doc in list(runtime.jobs.find({"release": True})):
        release_children(runtime.jobs, doc)


def _cancel_pending(runtime: Runtime) -> None:
    for host_key, names in runtime.project.hosts.items():
        if not runtime.host_records.get(host_key).available:
            continue
        if next(runtime.jobs.find({"cancel.worker": {"$in": names}}, limit=1), None):
            sender(runtime.project).cancel(host_key)


def _free_places(runtime: Runtime) -> None:
    """Take places back from jobs that are no longer in the queue."""
    for name, worker in runtime.project.workers.items():
        if worker.max_jobs is None:
            continue
        slots = Slots(runtime.queue, name)
        seen = slots.held()
        holders = runtime.jobs.find({"_id": {"$in": seen}})
        entitled = {doc.id for doc in holders if _is_entitled(doc, name)}
        if slots.keep_only(seen, entitled):
            send_waiting(runtime, name)


def _is_entitled(doc: JobDoc, worker: str) -> bool:
    """Return whether a job may have a queue job on a worker, or is about to."""
    if any(request.worker == worker for request in doc.cancel):
        return True
    return doc.worker == worker and (doc.state in QUEUED_STATES or doc.state is _S.UPLOADED)


def _remove_interrupted(runtime: Runtime, now: datetime) -> None:
    query = {"inserting": True}
    with translated():
        flows = list(runtime.queue.flows.find(query, {"created_on": 1}))
    for flow in flows:
        if now - flow["created_on"] > INSERTION_TIME:
            logger.warning("Flow %s was not inserted completely; removed.", flow["_id"])
            remove_insertion(runtime.queue, flow["_id"])


def _renew_flows(runtime: Runtime, now: datetime) -> None:
    """Count the jobs of flows that have not ended, and look at those of which nothing moves."""
    moving = [state.value for state in (FlowState.READY, FlowState.WAITING, FlowState.RUNNING)]
    with translated():
        flows = list(runtime.queue.flows.find({"state": {"$in": moving}}))
    for flow in flows:
        if flow.get("inserting") or now - flow["updated_on"] < STUCK_TIME:
            continue
        try:
            runtime.jobs.flows.refresh(flow["_id"], exact=True)
        except FlowNotFoundError:
            continue
        counts = runtime.jobs.flows.count([flow["_id"]]).get(flow["_id"], {})
        if set(counts) <= {_S.WAITING, _S.COMPLETED, _S.FAILED}:
            query = {"flow": flow["_id"], "state": _S.WAITING.value}
            settle(runtime.jobs, runtime.jobs.find(query))
