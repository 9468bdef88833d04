"""The limits of jobs in a queue, with those started by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jfcelery.project import Project, WorkerBase
    from jfcelery.project.options import QueueLimit


def limits_of(project: Project, worker: WorkerBase) -> list[QueueLimit]:
    """Return the limits that hold on a worker's host."""
    return [
        limit
        for limit in project.limits.queue_jobs
        if limit.worker is None or project.get_worker(limit.worker).host_key == worker.host_key
    ]
