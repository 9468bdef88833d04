"""The pool of a batch worker: its queue, in place of the scheduler's, as far as jobs go."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Any

from jfcelery.controller.fields import fresh
from jfcelery.database.batches import PREFIX
from jfcelery.database.ids import id_number
from jfcelery.errors import ResourcesError
from jfcelery.project.walltime import clock, wall_time
from jfcelery.scheduler_io.queue import WorkerQueue
from jfcelery.scheduler_io.schedulers.pool import ENTRY, Pool, order_of
from jfcelery.states import JobState

if TYPE_CHECKING:
    from jfcelery.database.documents import JobDoc
    from jfcelery.project import Project, WorkerBase
    from jfcelery.scheduler_io.hosts.base import Host
    from jfcelery.tasks.runtime import Runtime

logger = logging.getLogger(__name__)

#: Pilots that may end under a job before it is taken to be the cause, and parked.
MOST_PILOTS = 3
#: Runs a job of a pilot where its script leaves the environment as the pilot's own script made it.
AS_PILOT_SAYS = "$JFC_RUN {}"


def pool_of(worker: WorkerBase, doc: JobDoc | None = None) -> Pool:
    """Return the pool of a batch worker, with the place of a job in it."""
    from qtoolkit.io import ShellIO

    if worker.batch is None:
        raise AssertionError("no batch worker")
    order = ""
    if doc is not None:
        number, _ = id_number(doc.db_id)
        limit = time_limit(worker, doc)
        order = order_of(doc.priority, doc.created_on.timestamp(), number, limit=limit)
    return Pool(ShellIO(), worker.batch.jobs_handle_dir, order)


def time_limit(worker: WorkerBase, doc: JobDoc) -> int | None:
    """Return the seconds that a job says to take at most; None if it does not.

    Raises:
        ResourcesError: No pilot of its worker has as many.
    """
    limit, most = wall_time(doc.resources), wall_time(worker.resources)
    if limit is None or most is None or limit <= most:
        return limit
    raise ResourcesError(
        f"it asks for {clock(limit)}, and pilots of worker {doc.worker} end after {clock(most)}",
        remedy="Give the job less (jfc job set resources) or another worker (jfc job set worker), "
        f"or pilots more: `time` or `walltime` in the `resources` of {doc.worker}.",
    )


def pool_queue(host: Host, worker: WorkerBase) -> WorkerQueue:
    """Return the pool of a batch worker as the queue of its jobs."""
    return WorkerQueue(host, worker, timeout=worker.timeout_execute, scheduler=pool_of(worker))


def is_entry(queue_id: str | None) -> bool:
    """Return whether an id is that of an entry in a pool."""
    return bool(queue_id and ENTRY.match(queue_id))


def queue_for(host: Host, worker: WorkerBase, queue_id: str | None) -> WorkerQueue:
    """Return the queue that gave an id, or that would give the next: scheduler's or pool."""
    if worker.is_batch and (not queue_id or is_entry(queue_id)):
        return pool_queue(host, worker)
    return WorkerQueue(host, worker, timeout=worker.timeout_execute)


def pilot_in(words: str) -> str | None:
    """Return the unique id of the pilot that a pool's listing names for a job."""
    found = re.search(rf"{PREFIX}(\S+)", words)
    return found[1] if found else None


def pilot_command(project: Project, doc: JobDoc) -> str | None:
    """Return the command that runs a job in a pilot, None for what the worker says.

    What changes the environment of a job may change its Python, too: such a job starts cold.
    """
    worker = project.get_worker(doc.worker)
    if worker.execution_cmd is not None or doc.exec_config is not None:
        return None
    return AS_PILOT_SAYS


def requeue(runtime: Runtime, doc: JobDoc, why: str, *, has_begun: bool) -> JobDoc:
    """Have a job run again whose pilot ended under it; park it if that was so too often.

    Args:
        runtime: The project.
        doc: The job.
        why: What is known of the pilot.
        has_begun: Whether the job had; of another it cannot be the cause.

    Raises:
        ConflictError: Somebody else changed the job.
    """
    from jfcelery.tasks.checkout import send_checkout

    lost = doc.pilots_lost + has_begun
    fields: dict[str, Any] = {
        **fresh(doc),
        "recovery": None if doc.recovery is None else doc.recovery.model_dump(),
        "cancel": [request.model_dump() for request in doc.cancel],
        "pilots_lost": lost,
    }
    if lost < MOST_PILOTS or not has_begun:
        changed = runtime.jobs.transition(
            doc, "requeue", JobState.READY, by="poll", why=why, fields=fields
        )
        send_checkout(runtime)
        return changed
    why = f"{lost} pilots in a row ended under it, the last: {why}"
    logger.warning("Job %s is parked: %s", doc.db_id, why)
    fields["pilots_lost"] = 0
    return runtime.jobs.transition(
        doc, "requeue", JobState.PAUSED, by="poll", why=why, fields=fields
    )
