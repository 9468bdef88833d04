"""What jobs took: time in the queue, time of transfers, run time, core-hours."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from jfcelery.database.chunks import chunks
from jfcelery.database.connection import translated
from jfcelery.states import JobState

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from jfcelery.database.connection import QueueDatabase
    from jfcelery.project.worker import WorkerBase

_S = JobState

#: States of jobs that are uploaded or downloaded, that wait in the queue, that run.
_TRANSFER = (_S.CHECKED_OUT, _S.RUN_FINISHED)
_QUEUE = (_S.SUBMITTED, _S.BATCH_SUBMITTED)
_RUN = (_S.RUNNING, _S.BATCH_RUNNING)
_ENDED = frozenset({_S.COMPLETED.value, _S.FAILED.value})
#: What is read of a job, and of each of its changes.
USAGE_FIELDS = (
    *("uuid", "index", "flow", "worker", "state", "updated_on"),
    *("start_time", "end_time", "attempt", "resources"),
)
_OF_CHANGE = ("uuid", "index", "target", "at", "number", "attempt")
#: Jobs whose histories, or flows whose names, are read at once.
PIECE = 500
#: Seconds in an hour.
HOUR = 3600.0


@dataclass
class Usage:
    """What some jobs took, all attempts within the time looked at.

    Args:
        jobs: Number of jobs that ended.
        queued: Seconds in the queue.
        transferred: Seconds of uploads and downloads.
        run: Seconds of runs: of the last attempt as the job itself measured them, of earlier ones
            from when they were seen to run until they were seen not to.
        core_hours: Hours of runs times the cores that the jobs have now.
    """

    jobs: int = 0
    queued: float = 0.0
    transferred: float = 0.0
    run: float = 0.0
    core_hours: float = 0.0

    def add(self, other: Usage) -> None:
        """Add what other jobs took."""
        self.jobs += other.jobs
        self.queued += other.queued
        self.transferred += other.transferred
        self.run += other.run
        self.core_hours += other.core_hours


@dataclass
class UsageReport:
    """What jobs took, in all and by worker and flow.

    Args:
        total: Of all jobs.
        by_worker: By name of the worker.
        by_flow: By uuid of the flow.
        flow_names: Names of those flows, by uuid.
    """

    total: Usage = field(default_factory=Usage)
    by_worker: dict[str, Usage] = field(default_factory=dict)
    by_flow: dict[str, Usage] = field(default_factory=dict)
    flow_names: dict[str, str] = field(default_factory=dict)


class UsageCount:
    """Adds up what the jobs took that ended since a moment.

    Args:
        queue: The project's database.
        since: The moment.
        workers: The project's workers, whose resources those jobs have that name none.
    """

    def __init__(
        self, queue: QueueDatabase, since: datetime, workers: Mapping[str, WorkerBase]
    ) -> None:
        self._queue = queue
        self._since = since
        self._workers = workers
        self._report = UsageReport()

    def add(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Add jobs, those among them that ended, by :data:`USAGE_FIELDS` of their documents."""
        ended = (r for r in rows if r["state"] in _ENDED and r["updated_on"] >= self._since)
        for piece in chunks(ended, PIECE):
            changes = self._changes({row["uuid"] for row in piece})
            for row in piece:
                self._add(row, changes.get((row["uuid"], row["index"]), ()))

    def report(self) -> UsageReport:
        """Return what they took, with the names of their flows."""
        for piece in chunks(self._report.by_flow, PIECE):
            with translated():
                flows = self._queue.flows.find({"_id": {"$in": piece}}, {"name": 1})
                self._report.flow_names.update((flow["_id"], flow["name"]) for flow in flows)
        return self._report

    def _add(self, row: Mapping[str, Any], changes: Iterable[Mapping[str, Any]]) -> None:
        one = _of_job(row, changes)
        one.core_hours = one.run / HOUR * _cores_of(row, self._workers.get(row["worker"]))
        self._report.total.add(one)
        self._report.by_worker.setdefault(row["worker"], Usage()).add(one)
        self._report.by_flow.setdefault(row["flow"], Usage()).add(one)

    def _changes(self, uuids: Iterable[str]) -> dict[tuple[str, int], list[Mapping[str, Any]]]:
        """Return the entries of the history of jobs since the moment."""
        found: dict[tuple[str, int], list[Mapping[str, Any]]] = {}
        with translated():
            # The time is looked at here: with it in the query the embedded server reads all.
            for entry in self._queue.history.find({"uuid": {"$in": list(uuids)}}, _OF_CHANGE):
                if entry["at"] >= self._since:
                    found.setdefault((entry["uuid"], entry["index"]), []).append(entry)
        return found


def cores(resources: Mapping[str, Any] | None) -> int:
    """Return the number of cores that resources ask for, by the names schedulers have for them."""
    asked = resources or {}
    nodes = _number(asked, "nodes", "select")
    tasks = _number(asked, "ntasks", "processes", "nslots", "np")
    if not tasks:
        tasks = (nodes or 1) * (_number(asked, "ntasks_per_node", "processes_per_node", "ppn") or 1)
    threads = _number(asked, "cpus_per_task", "threads_per_process") or 1
    return tasks * threads


def _cores_of(row: Mapping[str, Any], worker: WorkerBase | None) -> float:
    """Return the cores of a job: of its own resources, else of its worker's, as its script asks."""
    resources = row.get("resources")
    if resources is not None or worker is None:
        return cores(resources)
    # Those of a batch worker are a pilot's, which jobs share.
    together = worker.batch.parallel_jobs if worker.batch else None
    return cores(worker.resources) / (together or 1)


def _of_job(row: Mapping[str, Any], changes: Iterable[Mapping[str, Any]]) -> Usage:
    """Return what a job took, but for its core-hours."""
    run = 0.0
    if row.get("start_time") and row.get("end_time"):
        run = max(0.0, (row["end_time"] - row["start_time"]).total_seconds())
    result = Usage(jobs=1, run=run)
    last: Mapping[str, Any] | None = None
    for change in sorted(changes, key=lambda entry: entry["number"]):
        if last is not None:
            seconds = (change["at"] - last["at"]).total_seconds()
            is_last = last.get("attempt", 0) == row.get("attempt", 0)
            if last["target"] in _TRANSFER:
                result.transferred += seconds
            elif last["target"] in _RUN and not is_last:
                result.run += seconds
            elif last["target"] in _QUEUE:
                if is_last and change["target"] not in _RUN:
                    seconds = max(0.0, seconds - run)  # it was never seen to run
                result.queued += seconds
        last = change
    return result


def _number(resources: Mapping[str, Any], *names: str) -> int:
    for name in names:
        value = resources.get(name)
        if isinstance(value, int) or (isinstance(value, str) and value.isdigit()):
            return int(value)
    return 0
