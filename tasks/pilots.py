"""The pilots of a batch worker: as many as are useful, and never more than ``max_jobs``.

A pilot's document comes first, then its place, then its queue job; a task that dies in between
leaves what the next one completes. The place is taken by compare-and-set under a limit, so that any
number of Celery workers together never have more.
"""

from __future__ import annotations

import logging
import math
from contextlib import suppress
from datetime import timedelta
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from jfcelery.database.batches import Batches
from jfcelery.database.connection import translated
from jfcelery.database.slots import Slots
from jfcelery.errors import BackPressureError, ConflictError, StepError
from jfcelery.states import BatchState, JobState
from jfcelery.tasks.pilot_queue import PilotQueue

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jfcelery.database.batches import BatchDoc
    from jfcelery.project import WorkerBase
    from jfcelery.tasks.runtime import Runtime

logger = logging.getLogger(__name__)

#: Time after which a pilot that is not submitted yet is taken on by whoever comes.
ADOPTION = timedelta(seconds=10)
#: Pilots that one poll submits at most.
AT_ONCE = 8
#: Time that passes after a pilot that ended without having run a job; it doubles each time.
PAUSE = timedelta(seconds=30)
#: Longest such time.
LONGEST_PAUSE = timedelta(minutes=30)
#: Pilots that are looked at to see how many failed in a row.
LOOKED_AT = 7


def pilot_places(runtime: Runtime, worker: str) -> Slots:
    """Return the places of a worker's pilots."""
    return Slots(runtime.queue, f"{worker}.pilots")


def submit_needed(runtime: Runtime, name: str) -> None:
    """Submit the pilots that a worker's jobs need.

    Raises:
        HostError: The host does not answer.
    """
    worker = runtime.project.get_worker(name)
    alive = Batches(runtime.queue).alive(name)
    limit = _useful(runtime, worker, name, alive)
    if worker.max_jobs is not None:
        limit = min(limit, worker.max_jobs)
    now = runtime.queue.clock.now()
    standing = [doc for doc in alive if doc.process_id is None and now - doc.updated_on > ADOPTION]
    for doc in standing:
        with suppress(ConflictError):
            _place_and_submit(runtime, Batches(runtime.queue).update(doc, {}), limit)
    if len(alive) >= limit or _pauses(runtime, name):
        return
    for _ in range(min(limit - len(alive), AT_ONCE)):
        if not _place_and_submit(runtime, Batches(runtime.queue).insert(name), limit):
            return


def parallel_of(worker: WorkerBase) -> int:
    """Return how many jobs a pilot of a worker runs at once."""
    return (worker.batch.parallel_jobs if worker.batch else None) or 1


def free_pilot_places(runtime: Runtime, worker: str) -> None:
    """Take back places of pilots that ended; of one that is being added, the document is there."""
    places = pilot_places(runtime, worker)
    if seen := places.held():
        alive = {doc.batch_uid for doc in Batches(runtime.queue).alive(worker)}
        places.keep_only(seen, alive)


def _useful(runtime: Runtime, worker: WorkerBase, name: str, alive: Sequence[BatchDoc]) -> int:
    """Return how many pilots are useful, those that drain included.

    Where each that takes jobs passes one over, one more is, as room in the others is of no use.
    """
    draining = [doc for doc in alive if doc.is_draining or doc.drain]
    passing = [doc.passes_over > 0 for doc in alive if not (doc.is_draining or doc.drain)]
    waiting = _count(runtime, name, JobState.BATCH_SUBMITTED)
    running = _count(runtime, name, JobState.BATCH_RUNNING) - sum(doc.running for doc in draining)
    useful = math.ceil(max(waiting + running, 0) / parallel_of(worker))
    if waiting and passing and all(passing):
        useful = max(useful, len(passing) + 1)
    return useful + len(draining)


def _count(runtime: Runtime, worker: str, state: JobState) -> int:
    with translated():
        return runtime.queue.jobs.count_documents({"state": state.value, "worker": worker})


def _pauses(runtime: Runtime, worker: str) -> bool:
    """Return whether a pilot that failed a short while ago would but fail again.

    Pilots that still wait in the queue, or run, say nothing about that.
    """
    query = {"worker": worker, "state": BatchState.FINISHED.value}
    ended = Batches(runtime.queue).find(query, sort=[("end_time", -1)], limit=LOOKED_AT)
    failed = list(takewhile(lambda doc: doc.failed, ended))
    if not failed or failed[0].end_time is None:
        return False
    pause = min(PAUSE * (1 << (len(failed) - 1)), LONGEST_PAUSE)
    return runtime.queue.clock.now() - failed[0].end_time < pause


def _place_and_submit(runtime: Runtime, doc: BatchDoc, limit: int) -> bool:
    """Submit a pilot if there is a place for it; return whether the next may be tried."""
    batches = Batches(runtime.queue)
    if not pilot_places(runtime, doc.worker).acquire([doc.batch_uid], limit):
        batches.drop(doc)
        return False
    with suppress(ConflictError):
        doc = batches.update(doc, {})  # nobody has given it up meanwhile
        try:
            fields = PilotQueue(runtime, doc.worker).submit(doc)
        except BackPressureError as error:
            batches.update(doc, {"why": error.message})
            return False
        except StepError as error:
            logger.error("No pilot for worker %s: %s", doc.worker, error)  # noqa: TRY400
            finish(runtime, doc, error.message, failed=True)
            return False
        try:
            batches.update(doc, fields)
        except ConflictError:
            _cancel_if_unknown(runtime, doc, fields)
            raise
    return True


def _cancel_if_unknown(runtime: Runtime, doc: BatchDoc, fields: Mapping[str, Any]) -> None:
    """Cancel the queue job of a pilot that was given up while it was being submitted.

    Whoever stood still for so long that another one took the pilot on may submit it after that one
    found no place for it: then nobody would ever ask for the queue job, nor give back its jobs.
    """
    known = next(Batches(runtime.queue).find({"_id": doc.batch_uid}), None)
    if known is None or known.state is BatchState.FINISHED:
        logger.warning("Pilot %s was given up before it was submitted: cancelled.", doc.batch_uid)
        PilotQueue(runtime, doc.worker).cancel(doc.with_fields(dict(fields)))


def finish(
    runtime: Runtime,
    doc: BatchDoc,
    why: str,
    *,
    failed: bool = False,
    seen: Mapping[str, Any] | None = None,
) -> None:
    """Write down that a pilot is no more, and give its place back.

    Args:
        runtime: The project.
        doc: The pilot.
        why: How it ended.
        failed: Whether it ended without having run a job, for a reason of its own.
        seen: What else was seen of it.

    Raises:
        ConflictError: Somebody else changed the document.
    """
    fields = {
        **(seen or {}),
        "state": BatchState.FINISHED.value,
        "end_time": runtime.queue.clock.now(),
        "why": why,
        "failed": failed,
        "running": 0,
    }
    Batches(runtime.queue).update(doc, fields)
    pilot_places(runtime, doc.worker).release([doc.batch_uid])


def tend(runtime: Runtime, name: str) -> bool:
    """Ask for a worker's pilots; give back what those have that are dead for certain.

    Returns:
        Whether there are pilots that live.

    Raises:
        HostError: The host does not answer.
    """
    docs = [doc for doc in Batches(runtime.queue).alive(name) if doc.process_id]
    if not docs:
        return False
    looks = PilotQueue(runtime, name).look(docs)
    ended = [look for look in looks if look.is_over]
    for look in looks:
        with suppress(ConflictError):
            if look.is_over:
                finish(runtime, look.doc, look.why, failed=look.has_failed, seen=look.changes)
            elif look.changes:
                Batches(runtime.queue).update(look.doc, look.changes)
    return len(ended) < len(looks)
