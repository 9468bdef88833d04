"""What is known of a project's workers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jfcelery.database.connection import translated
from jfcelery.database.hosts import HostRecords, HostStatus
from jfcelery.states import ACTIVE_STATES, QUEUED_STATES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from jfcelery.database.connection import QueueDatabase
    from jfcelery.project import Project
    from jfcelery.states import JobState


@dataclass(frozen=True)
class WorkerInfo:
    """A worker as listings show it.

    Args:
        name: Its name.
        type: ``local``, ``remote`` or ``separated_transfer``.
        scheduler: Name of its scheduler.
        host: Key of its host, which other workers may share.
        active: Jobs under way on it.
        queued: Those of them in its queue, or in its pool.
        max_jobs: Jobs, of a batch worker pilots, that may be in its queue at once; None for no
            limit.
        is_batch: Whether its jobs go into a pool, from which pilots take them.
        state: ``ok``, or why its steps are held back.
        details: What else its configuration says, without secrets.
    """

    name: str
    type: str
    scheduler: str
    host: str
    active: int
    queued: int
    max_jobs: int | None
    is_batch: bool
    state: str
    details: dict[str, Any]

    @property
    def in_queue(self) -> str:
        """How many jobs are in its queue, with the limit where that counts jobs."""
        limit = "" if self.max_jobs is None or self.is_batch else f" of {self.max_jobs}"
        return f"{self.queued}{limit}"


def worker_infos(project: Project, queue: QueueDatabase) -> list[WorkerInfo]:
    """Return what is known of a project's workers, in the order of the project file."""
    records = HostRecords(queue)
    active, queued = _number(queue, ACTIVE_STATES), _number(queue, QUEUED_STATES)
    return [
        WorkerInfo(
            name=name,
            type=worker.type,
            scheduler=worker.scheduler_name,
            host=worker.host_key,
            active=active.get(name, 0),
            queued=queued.get(name, 0),
            max_jobs=worker.max_jobs,
            is_batch=worker.batch is not None,
            state=_state(records.get(worker.host_key), str(worker.cli_info.get("host"))),
            details=worker.cli_info,
        )
        for name, worker in project.workers.items()
    ]


def _number(queue: QueueDatabase, states: Iterable[JobState]) -> dict[str, int]:
    """Return how many jobs of each worker are in some states."""
    pipeline: list[dict[str, Any]] = [
        {"$match": {"state": {"$in": [state.value for state in states]}}},
        {"$group": {"_id": "$worker", "number": {"$sum": 1}}},
    ]
    with translated():
        return {row["_id"]: row["number"] for row in queue.jobs.aggregate(pipeline)}


def _state(host: HostStatus, name: str) -> str:
    reason = host.reason.removeprefix(f"{name}: ")  # which stands beside it wherever it is shown
    if host.paused:
        return f"paused: {reason}{_since(host)}"
    if host.open:
        when = f", tried again at {host.next_try:%H:%M:%S} UTC" if host.next_try else ""
        return f"held back: {reason}{_since(host)}{when}"
    return "ok"


def _since(host: HostStatus) -> str:
    return f", since {host.since:%Y-%m-%d %H:%M:%S} UTC" if host.since else ""
