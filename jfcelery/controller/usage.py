"""What jobs took: time in the queue, time of transfers, run time, core-hours."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from jfcelery.database.chunks import chunks
from jfcelery.database.connection import translated
from jfcelery.database.documents import JobDoc
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
#: Flows whose names are read at once.
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


def usage(queue: QueueDatabase, since: datetime, workers: Mapping[str, WorkerBase]) -> UsageReport:
    """Return what the jobs took that ended since a moment.

    Args:
        queue: The project's database.
        since: The moment.
        workers: The project's workers, whose resources those jobs have that name none.
    """
    ended = {_S.COMPLETED.value, _S.FAILED.value}
    report = UsageReport()
    with translated():
        # The state is looked at here: with it in the query the embedded server reads all jobs.
        changed = queue.jobs.find({"updated_on": {"$gte": since}})
        docs = [JobDoc.from_mongo(raw) for raw in changed if raw["state"] in ended]
        entries = queue.history.find(
            {"at": {"$gte": since}},
            {"uuid": 1, "index": 1, "target": 1, "at": 1, "number": 1, "attempt": 1},
        )
        changes: dict[tuple[str, int], list[Mapping[str, Any]]] = {}
        for entry in entries:
            changes.setdefault((entry["uuid"], entry["index"]), []).append(entry)
    for doc in docs:
        one = _of_job(doc, changes.get((doc.uuid, doc.index), ()))
        one.core_hours = one.run / HOUR * _cores_of(doc, workers.get(doc.worker))
        report.total.add(one)
        report.by_worker.setdefault(doc.worker, Usage()).add(one)
        report.by_flow.setdefault(doc.flow, Usage()).add(one)
    for piece in chunks(report.by_flow, PIECE):
        with translated():
            flows = queue.flows.find({"_id": {"$in": piece}}, {"name": 1})
            report.flow_names.update((flow["_id"], flow["name"]) for flow in flows)
    return report


def cores(resources: Mapping[str, Any] | None) -> int:
    """Return the number of cores that resources ask for, by the names schedulers have for them."""
    asked = resources or {}
    nodes = _number(asked, "nodes", "select")
    tasks = _number(asked, "ntasks", "processes", "nslots", "np")
    if not tasks:
        tasks = (nodes or 1) * (_number(asked, "ntasks_per_node", "processes_per_node", "ppn") or 1)
    threads = _number(asked, "cpus_per_task", "threads_per_process") or 1
    return tasks * threads


def _cores_of(doc: JobDoc, worker: WorkerBase | None) -> float:
    """Return the cores of a job: of its own resources, else of its worker's, as its script asks."""
    if doc.resources is not None or worker is None:
        return cores(doc.resources)
    # Those of a batch worker are a pilot's, which jobs share.
    together = worker.batch.parallel_jobs if worker.batch else None
    return cores(worker.resources) / (together or 1)


def _of_job(doc: JobDoc, changes: Iterable[Mapping[str, Any]]) -> Usage:
    """Return what a job took, but for its core-hours."""
    run = 0.0
    if doc.start_time and doc.end_time:
        run = max(0.0, (doc.end_time - doc.start_time).total_seconds())
    result = Usage(jobs=1, run=run)
    last: Mapping[str, Any] | None = None
    for change in sorted(changes, key=lambda entry: entry["number"]):
        if last is not None:
            seconds = (change["at"] - last["at"]).total_seconds()
            is_last = last.get("attempt", 0) == doc.attempt
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
