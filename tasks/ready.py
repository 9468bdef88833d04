"""The READY jobs of a worker, in the order in which they are to be taken."""

from __future__ import annotations

import time
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from jfcelery.database.connection import translated
from jfcelery.states import JobState

if TYPE_CHECKING:
    from jfcelery.database.documents import JobDoc
    from jfcelery.tasks.runtime import Runtime

#: Jobs that one listing names.
LONGEST = 1000
#: From so many jobs on a listing is kept for a while. The embedded database reads all READY jobs
#: to give the first ones: 0.3 s where there are 5,000.
MANY = 200
#: How many times longer than it took a listing is kept.
SHARE = 10

_ORDER = [("priority", -1), ("created_on", 1)]


@dataclass
class _Kept:
    """A listing: ``_id`` of jobs, and until when it holds (on the monotonic clock)."""

    keys: list[str]
    until: float


_kept: dict[tuple[str, str], _Kept] = {}


def candidates(runtime: Runtime, worker: str, room: int) -> list[JobDoc]:
    """Return the READY jobs of a worker that are next, by priority and age.

    Args:
        runtime: The project.
        worker: Name of the worker.
        room: How many at most.
    """
    partial = _partial(runtime)
    kept = _kept.pop((runtime.project.name, worker), None)
    if kept is not None and time.monotonic() < kept.until:
        docs = _take(runtime, worker, kept, room, partial)
        if len(docs) == room:
            return docs
    began = time.monotonic()
    keys = _list(runtime, worker, partial)
    now = time.monotonic()
    return _take(runtime, worker, _Kept(keys, now + SHARE * (now - began)), room, partial)


def _take(runtime: Runtime, worker: str, kept: _Kept, room: int, partial: set[str]) -> list[JobDoc]:
    """Take jobs off a listing; those that are not READY any more are passed over."""
    keys, rest = kept.keys[:room], kept.keys[room:]
    # While flows are being inserted, their jobs are read for each listing.
    if len(rest) >= MANY or partial:
        _kept[runtime.project.name, worker] = _Kept(rest, kept.until)
    found = {doc.id: doc for doc in runtime.jobs.find({"_id": {"$in": keys}})} if keys else {}
    docs = [found[key] for key in keys if key in found]
    return [
        doc
        for doc in docs
        if doc.state is JobState.READY and doc.worker == worker and doc.flow not in partial
    ]


def _list(runtime: Runtime, worker: str, partial: set[str]) -> list[str]:
    query: dict[str, Any] = {"state": JobState.READY.value, "worker": worker}
    with translated():
        rows = runtime.queue.jobs.find(query, {"flow": 1}).sort(_ORDER).batch_size(LONGEST)
        # The flow is looked at here: with it in the query the embedded server reads all jobs.
        rows = rows if partial else rows.limit(LONGEST)
        whole = (row["_id"] for row in rows if row["flow"] not in partial)
        return list(islice(whole, LONGEST))


def _partial(runtime: Runtime) -> set[str]:
    """Return the flows of which not all jobs are in yet."""
    with translated():
        return {raw["_id"] for raw in runtime.queue.flows.find({"inserting": True}, {"_id": 1})}
