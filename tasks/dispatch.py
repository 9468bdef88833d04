"""Setting a job going: the only place where a chain is made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jfcelery.tasks.pipeline import tail
from jfcelery.tasks.queues import control_queue, host_queue
from jfcelery.tasks.sending import sender, task_name

if TYPE_CHECKING:
    from jfcelery.database.documents import JobDoc
    from jfcelery.tasks.runtime import Runtime


def dispatch(runtime: Runtime, doc: JobDoc) -> None:
    """Send the chain of steps that a job has still before it.

    Raises:
        BrokerUnavailableError: It cannot be sent.
    """
    sender(runtime.project).chain(
        [task_name(step.name) for step in tail(doc.state)],
        (doc.uuid, doc.index, doc.epoch),
        queue=queue_of(runtime, doc),
        label=label(doc),
    )


def queue_of(runtime: Runtime, doc: JobDoc) -> str:
    """Return the Celery queue of a job's host."""
    worker = runtime.project.workers.get(doc.worker)
    if worker is None:  # the project file lost it: the step says so
        return control_queue(runtime.project)
    return host_queue(runtime.project, worker.host_key)


def label(doc: JobDoc) -> str:
    """Return how Flower shows a job's tasks."""
    attempt = f" attempt={doc.attempt}" if doc.attempt > 1 else ""
    return f"{doc.job.name} db={doc.db_id} on={doc.worker}{attempt}"
