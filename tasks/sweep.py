"""Sweep: whatever stands still although it could move is set going again.

Messages may be lost and processes may die anywhere; nothing but the database knows what is left
to do, and this is where it is read from.
"""

from __future__ import annotations

import contextlib
import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from jfcelery.database.chunks import chunks
from jfcelery.database.connection import translated
from jfcelery.database.flows import flow_state
from jfcelery.database.slots import Slots
from jfcelery.errors import ConflictError, FlowNotFoundError, ServiceError
from jfcelery.flows.insertion import remove_insertion
from jfcelery.flows.release import release_all, settle
from jfcelery.states import ACTIVE_STATES, POOL_STATES, QUEUED_STATES, FlowState, JobState
from jfcelery.tasks.checkout import checkout
from jfcelery.tasks.deaths import death_fields, forgive, tolerable
from jfcelery.tasks.dispatch import dispatch
from jfcelery.tasks.pilots import free_pilot_places
from jfcelery.tasks.places import send_waiting
from jfcelery.tasks.sending import sender
from jfcelery.tasks.watch import only_one

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
#: Flows whose jobs one query counts.
COUNTED = 200
#: States of jobs that will move others on.
_MOVING = ACTIVE_STATES | {_S.READY}


def sweep(runtime: Runtime) -> None:
    """Look at everything that may stand still, and set it going again."""
    parts = (
        _send_standing,
        _release_pending,
        _cancel_pending,
        _free_places,
        _tell_of_lost_pools,
        _remove_interrupted,
        _renew_flows,
        checkout,
    )
    with only_one(runtime, "sweep") as alone:
        for part in parts if alone else ():
            try:
                part(runtime)
            except ServiceError:
                raise  # nothing can be done before it is back
            except Exception:  # the outermost edge: nothing may keep the other parts from theirs
                logger.exception("A part of the sweep failed, the others go on")


def _send_standing(runtime: Runtime) -> None:
    now = runtime.jobs.now()
    query = {"state": {"$in": [state.value for state in STEP_STATES]}}
    under_way = list(runtime.jobs.find(query))
    standing = forgive(runtime, _standing(runtime, under_way, now), now)
    for doc in tolerable(runtime, standing, under_way, now):
        send_again(runtime, doc)


def _standing(runtime: Runtime, under_way: list[JobDoc], now: datetime) -> list[JobDoc]:
    available = {
        name: runtime.host_records.get(key).available
        for key, names in runtime.project.hosts.items()
        for name in names
    }
    return [doc for doc in under_way if _stands_still(doc, now) and available.get(doc.worker, True)]


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
        fields |= death_fields(doc)
    try:
        changed = runtime.jobs.update(doc, fields)
    except ConflictError:
        return
    dispatch(runtime, changed)


def _release_pending(runtime: Runtime) -> None:
    """Release the children of jobs whose finalize died after its commit."""
    release_all(runtime.jobs, list(runtime.jobs.find({"release": True})))


def _cancel_pending(runtime: Runtime) -> None:
    for host_key, names in runtime.project.hosts.items():
        if not runtime.host_records.get(host_key).available:
            continue
        if next(runtime.jobs.find({"cancel.worker": {"$in": names}}, limit=1), None):
            sender(runtime.project).cancel(host_key)


def _free_places(runtime: Runtime) -> None:
    """Take places back from jobs that are no longer in the queue."""
    for name, worker in runtime.project.workers.items():
        if worker.is_batch:
            free_pilot_places(runtime, name)
            continue
        if worker.max_jobs is None:
            continue
        slots = Slots(runtime.queue, name)
        seen = slots.held()
        holders = runtime.jobs.find({"_id": {"$in": seen}})
        entitled = {doc.id for doc in holders if _is_entitled(doc, name)}
        if slots.keep_only(seen, entitled):
            send_waiting(runtime, name)


def _tell_of_lost_pools(runtime: Runtime) -> None:
    """Warn of jobs in the pool of a worker that is no batch worker any more: nobody sees it."""
    plain = [name for name, worker in runtime.project.workers.items() if not worker.is_batch]
    queries = ({"state": s.value, "worker": {"$in": plain}} for s in sorted(POOL_STATES))
    found = (next(runtime.jobs.find(query, limit=1), None) for query in queries)
    if doc := next(filter(None, found), None):
        logger.warning(
            "Job %s, and maybe others, are in the pool of worker %s, which has no 'batch:' any "
            "more: put that back, or rerun them",
            doc.db_id,
            doc.worker,
        )


def _is_entitled(doc: JobDoc, worker: str) -> bool:
    """Return whether a job may have a queue job on a worker, or is about to."""
    if any(request.worker == worker for request in doc.cancel):
        return True
    return doc.worker == worker and (doc.state in QUEUED_STATES or doc.state is _S.UPLOADED)


def _remove_interrupted(runtime: Runtime) -> None:
    query, now = {"inserting": True}, runtime.jobs.now()
    with translated():
        flows = list(runtime.queue.flows.find(query, {"created_on": 1, "inserter": 1}))
    for flow in flows:
        if now - flow["created_on"] > INSERTION_TIME:
            logger.warning("Flow %s was not inserted completely; removed.", flow["_id"])
            remove_insertion(runtime.queue, flow["_id"], flow.get("inserter"))


def _renew_flows(runtime: Runtime) -> None:
    """Count the jobs of flows that have not completed, and look at those of which nothing moves."""
    now, flows = runtime.jobs.now(), runtime.jobs.flows
    open_states = [state.value for state in FlowState if state is not FlowState.COMPLETED]
    fields = dict.fromkeys(("state", "counts", "version", "updated_on", "inserting"), 1)
    with translated():
        found = list(runtime.queue.flows.find({"state": {"$in": open_states}}, fields))
    quiet = [
        flow
        for flow in found
        if not flow.get("inserting")
        and now - flow["updated_on"] >= STUCK_TIME
        and _at_rest.get(_key(runtime, flow)) != flow["version"]
    ]
    for piece in chunks(quiet, COUNTED):
        counts = flows.count([flow["_id"] for flow in piece])
        for flow in piece:
            exact = counts.get(flow["_id"], {})
            stored = {state: number for state, number in flow["counts"].items() if number}
            if (stored, flow["state"]) != (exact, flow_state(exact)):
                with contextlib.suppress(FlowNotFoundError):
                    flows.refresh(flow["_id"], exact=True)
            elif flow["state"] in _ENDED and not exact.keys() & _MOVING:
                _at_rest[_key(runtime, flow)] = flow["version"]
            if _S.WAITING in exact and not exact.keys() & _MOVING:
                _settle_once(runtime, flow)


def _settle_once(runtime: Runtime, flow: dict[str, Any]) -> None:
    """Look for parents that ended unseen in a flow of which nothing moves."""
    key = _key(runtime, flow)
    if _settled.get(key) != flow["version"]:
        query = {"flow": flow["_id"], "state": _S.WAITING.value}
        settle(runtime.jobs, list(runtime.jobs.find(query)))
        _settled[key] = flow["version"]


def _key(runtime: Runtime, flow: dict[str, Any]) -> tuple[str, str]:
    return (runtime.project.name, flow["_id"])


#: States of flows of which usually nothing moves; the last move of one may have been lost.
_ENDED = frozenset({FlowState.FAILED, FlowState.STOPPED, FlowState.PAUSED})
#: Flows that were looked at, and their versions then.
_settled: dict[tuple[str, str], int] = {}
#: Flows that were found at rest, and their versions then: any move of a job changes these.
_at_rest: dict[tuple[str, str], int] = {}
