"""Setting a job going: the only place where a chain is made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jfcelery.states import JobState
from jfcelery.tasks.pipeline import tail
from jfcelery.tasks.queues import control_queue, host_queue
from jfcelery.tasks.sending import sender, task_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from jfcelery.database.documents import JobDoc
    from jfcelery.tasks.runtime import Runtime

#: From so many jobs of one worker on they go together.
BUNDLE_FROM = 2
#: So many go together at most: the first is in the queue when the last is, not before.
BUNDLE_MOST = 32

#: Tasks for many jobs in one state.
_TOGETHER = {
    JobState.CHECKED_OUT: "bundle",
    JobState.UPLOADED: "bundle",
    JobState.RUN_FINISHED: "harvest",
    JobState.DOWNLOADED: "harvest",
}


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


def dispatch_all(runtime: Runtime, docs: Sequence[JobDoc]) -> None:
    """Send jobs of one worker that have just come into one state: together where they are many.

    Raises:
        BrokerUnavailableError: They cannot be sent.
    """
    for bundle in _bundles(docs):
        if len(bundle) < BUNDLE_FROM:
            for doc in bundle:
                dispatch(runtime, doc)
            continue
        worker = bundle[0].worker
        numbers = ", ".join(doc.db_id for doc in bundle)
        sender(runtime.project).together(
            _TOGETHER[bundle[0].state],
            worker,
            [(doc.uuid, doc.index, doc.epoch) for doc in bundle],
            queue=queue_of(runtime, bundle[0]),
            label=f"{len(bundle)} jobs db={numbers} on={worker}",
        )


def _bundles(docs: Sequence[JobDoc]) -> Iterator[Sequence[JobDoc]]:
    """Cut jobs into bundles of like size."""
    count = -(-len(docs) // BUNDLE_MOST)
    for number in range(count):
        yield docs[number * len(docs) // count : (number + 1) * len(docs) // count]


def queue_of(runtime: Runtime, doc: JobDoc) -> str:
    """Return the Celery queue of a job's host."""
    worker = runtime.project.workers.get(doc.worker)
    if worker is None:  # the project file lost it: the step says so
        return control_queue(runtime.project)
    return host_queue(runtime.project, worker.host_key)


def label(doc: JobDoc) -> str:
    """Return how Flower shows a job's tasks."""
    return f"{doc.job.name} db={doc.db_id} on={doc.worker} attempt={doc.attempt}"
