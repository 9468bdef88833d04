"""Checkout: READY jobs are claimed, by priority and age, and set going."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jfcelery.database.connection import translated
from jfcelery.errors import BrokerUnavailableError, ConflictError
from jfcelery.states import JobState
from jfcelery.tasks.dispatch import dispatch
from jfcelery.tasks.sending import sender

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jfcelery.database.documents import JobDoc
    from jfcelery.tasks.runtime import Runtime

_S = JobState

#: Jobs of a worker that may be between checkout and submission at once. More would only fill
#: Redis and the worker's disk, and make priorities come too late.
WINDOW = 64
#: With ``max_jobs``: jobs that are uploaded ahead, so that a free place is filled at once.
AHEAD = 8


def checkout(runtime: Runtime) -> int:
    """Claim READY jobs of every worker that has room, and send their chains.

    Returns:
        How many were claimed.
    """
    claimed = 0
    for name, worker in runtime.project.workers.items():
        if not runtime.host_records.get(worker.host_key).available:
            continue
        room = _room(runtime, name, worker.max_jobs)
        if room <= 0:
            continue
        for doc in _candidates(runtime, name, room):
            try:
                changed = _claim(runtime, doc)
            except ConflictError:
                continue
            claimed += 1
            dispatch(runtime, changed)
    return claimed


def send_checkout(runtime: Runtime) -> None:
    """Ask for a checkout; the beat does it a little later where the message cannot be sent."""
    import contextlib

    with contextlib.suppress(BrokerUnavailableError):
        sender(runtime.project).checkout()


def _room(runtime: Runtime, worker: str, max_jobs: int | None) -> int:
    def count(*states: JobState) -> int:
        query = {"state": {"$in": [s.value for s in states]}, "worker": worker}
        with translated():
            return runtime.queue.jobs.count_documents(query)

    coming = count(_S.CHECKED_OUT, _S.UPLOADED)
    if max_jobs is None:
        return WINDOW - coming
    queued = count(_S.SUBMITTED, _S.RUNNING)
    return min(max(max_jobs - queued, 0) + min(max_jobs, AHEAD), WINDOW) - coming


def _candidates(runtime: Runtime, worker: str, room: int) -> Iterator[JobDoc]:
    query = {"state": _S.READY.value, "worker": worker}
    order = [("priority", -1), ("created_on", 1)]
    ready = list(runtime.jobs.find(query, sort=order, limit=room))
    partial = _inserting(runtime, {doc.flow for doc in ready})
    if partial:
        query["flow"] = {"$nin": sorted(partial)}  # type: ignore[assignment]
        ready = list(runtime.jobs.find(query, sort=order, limit=room))
        partial = _inserting(runtime, {doc.flow for doc in ready})
    return (doc for doc in ready if doc.flow not in partial)


def _inserting(runtime: Runtime, flows: set[str]) -> set[str]:
    """Return those flows of which not all jobs are in yet."""
    query = {"_id": {"$in": sorted(flows)}, "inserting": True}
    with translated():
        return {raw["_id"] for raw in runtime.queue.flows.find(query, {"_id": 1})}


def _claim(runtime: Runtime, doc: JobDoc) -> JobDoc:
    fields = {
        "epoch": doc.epoch + 1,
        "attempt": doc.attempt + 1,
        "swept": 0,
        "retry_at": None,
        "start_time": None,
        "end_time": None,
        "error": None,
        "error_class": None,
        "remote.error": None,
        "remote.process_id": None,
        "remote.queue_state": None,
        "remote.waiting": None,
        "remote.step_attempts": 0,
        "remote.end": None,
        "remote.absent": 0,
    }
    return runtime.jobs.transition(doc, "checkout", _S.CHECKED_OUT, by="checkout", fields=fields)
