"""Jobs whose end in the queue is proven: each gets a new epoch, and the way back before it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from jfcelery.states import JobState
from jfcelery.tasks.dispatch import dispatch_all
from jfcelery.tasks.places import free_places

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jfcelery.database.documents import JobDoc
    from jfcelery.project import WorkerBase
    from jfcelery.scheduler_io.schedulers.base import EndReport
    from jfcelery.tasks.runtime import Runtime


def end_all(
    runtime: Runtime, worker: WorkerBase, ended: Sequence[tuple[JobDoc, EndReport]]
) -> list[JobDoc]:
    """Write down how jobs of a worker ended in its queue, and send them on.

    Args:
        runtime: The project.
        worker: The worker.
        ended: The jobs as they were read, each with its end.

    Returns:
        The jobs that were changed; those that somebody else changed first are left out.
    """
    ends = {doc.id: end for doc, end in ended}
    changed = runtime.jobs.transition_many(
        [doc for doc, _ in ended],
        "end",
        JobState.DOWNLOADED if worker.is_local else JobState.RUN_FINISHED,
        by="poll",
        why=lambda doc: _words(ends[doc.id]),
        fields=lambda doc: _fields(runtime, worker, doc, ends[doc.id]),
    )
    dispatch_all(runtime, changed)
    if changed:
        free_places(runtime, changed, changed[0].worker)
    return changed


def _words(end: EndReport) -> str:
    return " ".join(part for part in (end.reason.value, end.words) if part)


def _fields(runtime: Runtime, worker: WorkerBase, doc: JobDoc, end: EndReport) -> dict[str, Any]:
    now = runtime.jobs.now()
    fields: dict[str, Any] = {
        "epoch": doc.epoch + 1,
        "swept": 0,
        "end_time": now,
        "remote.queue_state": end.reason.value,
        "remote.end": {
            "reason": end.reason.value,
            "exit_code": end.exit_code,
            "signal": end.signal,
            "words": end.words,
            "by": end.by,
        },
    }
    if worker.delay_download and not worker.is_local:
        fields["retry_at"] = now + timedelta(seconds=worker.delay_download)
    return fields
