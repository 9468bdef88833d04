"""Checkout: READY jobs are claimed, by priority and age, and set going."""

from __future__ import annotations

import contextlib
import threading
from collections import Counter
from typing import TYPE_CHECKING, Any

from jfcelery.database.connection import translated
from jfcelery.errors import BrokerUnavailableError
from jfcelery.states import JobState
from jfcelery.tasks.dispatch import dispatch_all
from jfcelery.tasks.ready import candidates
from jfcelery.tasks.sending import sender

if TYPE_CHECKING:
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

    Every end of a job asks for one. While one is at work in this process it just looks once more,
    however many others come.

    Returns:
        How many were claimed.
    """
    project = runtime.project.name
    with _lock:
        _wanted.add(project)
        if project in _at_work:
            return 0
        _at_work.add(project)
    claimed = 0
    try:
        while _begin(project):
            claimed += _checkout(runtime)
    except BaseException:
        with _lock:
            _at_work.discard(project)
        raise
    return claimed


_lock = threading.Lock()
_wanted: set[str] = set()
_at_work: set[str] = set()


def _begin(project: str) -> bool:
    """Return whether a checkout is wanted; if not, the one at work is over."""
    with _lock:
        if project in _wanted:
            _wanted.discard(project)
            return True
        _at_work.discard(project)
        return False


def _checkout(runtime: Runtime) -> int:
    claimed = 0
    coming = _coming(runtime)
    for name, worker in runtime.project.workers.items():
        # That of a batch worker bounds its pilots; any number of jobs may wait in the pool.
        most = None if worker.is_batch else worker.max_jobs
        room = _places(runtime, name, most) - coming.get(name, 0)
        if room <= 0 or not runtime.host_records.get(worker.host_key).available:
            continue
        taken = runtime.jobs.transition_many(
            candidates(runtime, name, room),
            "checkout",
            _S.CHECKED_OUT,
            by="checkout",
            fields=_claim,
        )
        claimed += len(taken)
        dispatch_all(runtime, taken)
    return claimed


def send_checkout(runtime: Runtime) -> None:
    """Ask for a checkout; the beat does it a little later where the message cannot be sent."""
    with contextlib.suppress(BrokerUnavailableError):
        sender(runtime.project).checkout()


def _places(runtime: Runtime, worker: str, max_jobs: int | None) -> int:
    """Return how many jobs of a worker may be between checkout and submission."""
    if max_jobs is None:
        return WINDOW
    queued = 0
    for state in (_S.SUBMITTED, _S.RUNNING):
        with translated():
            query = {"state": state.value, "worker": worker}
            queued += runtime.queue.jobs.count_documents(query)
    return min(max(max_jobs - queued, 0) + min(max_jobs, AHEAD), WINDOW)


def _coming(runtime: Runtime) -> dict[str, int]:
    """Return how many jobs of each worker are between checkout and submission.

    Jobs that are tried again later, or wait for an earlier queue job to go, do not count, up to
    another :data:`WINDOW` of them; those that wait for a place in the queue do.
    """
    query = {"state": {"$in": [_S.CHECKED_OUT.value, _S.UPLOADED.value]}}
    fields = {"worker": 1, "state": 1, "retry_at": 1, "remote.waiting": 1}
    now = runtime.jobs.now()
    coming: Counter[str] = Counter()
    later: Counter[str] = Counter()
    with translated():
        for row in runtime.queue.jobs.find(query, fields):
            retry_at = row.get("retry_at")
            waits = row["state"] == _S.UPLOADED and row.get("remote", {}).get("waiting")
            is_later = retry_at is not None and retry_at > now and not waits
            (later if is_later else coming)[row["worker"]] += 1
    return {
        name: coming[name] + max(later[name] - WINDOW, 0) for name in coming.keys() | later.keys()
    }


def _claim(doc: JobDoc) -> dict[str, Any]:
    return {
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
