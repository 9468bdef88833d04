"""Names of the Celery queues: one for control, one for each host, so that none delays another."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jfcelery.project import Project


def control_queue(project: Project) -> str:
    """Return the queue of checkout, sweep and the beat's ticks."""
    return f"jfc.{project.name}.control"


def host_queue(project: Project, host_key: str) -> str:
    """Return the queue of the steps that use a host."""
    return f"jfc.{project.name}.{host_key}"


def all_queues(project: Project) -> list[str]:
    """Return every queue of a project."""
    hosts = dict.fromkeys(worker.host_key for worker in project.workers.values())
    return [control_queue(project), *(host_queue(project, host) for host in hosts)]
