"""What becomes of jobs and flows of jobflow-remote: pure functions, a document in, one out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jfcelery.database.documents import job_key
from jfcelery.database.edges import is_apart, put_apart
from jfcelery.database.flows import flow_state
from jfcelery.folders import RunFolder, queue_job_name
from jfcelery.states import QUEUED_STATES, JobState

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from jfcelery.migration.records import OldFlow, OldJob

_S = JobState

#: Event under which an imported job begins its history.
EVENT = "import"
#: Nothing of these jobs is on a scheduler's queue yet: they simply start again.
RESTARTED = frozenset({_S.CHECKED_OUT, _S.UPLOADED})
#: Work of these jobs would be lost: they start again only if that is wanted.
ACTIVE = frozenset(QUEUED_STATES | {_S.RUN_FINISHED, _S.DOWNLOADED})
#: States of jobs that run by themselves once their parents are done.
_HELD = frozenset({_S.WAITING, _S.PAUSED, _S.STOPPED, _S.USER_STOPPED})
#: Ends of a parent that satisfy a child whose ``on_missing_references`` is not ``error``.
_TOLERATED = frozenset({_S.FAILED, _S.USER_STOPPED})


@dataclass(frozen=True)
class Planned:
    """A job, and what becomes of it.

    Args:
        old: The job as jobflow-remote has it.
        state: Its state in jfcelery.
        unmet: Parents that it waits for.
        cancel: Requests to cancel its queue job before it starts again.
    """

    old: OldJob
    state: JobState
    unmet: list[str]
    cancel: list[dict[str, Any]]

    @property
    def key(self) -> str:
        """The ``_id`` of its document."""
        return job_key(self.old.uuid, self.old.index)


def is_active(job: OldJob) -> bool:
    """Return whether work of a job is under way, or its result not fetched yet."""
    if job.state is _S.REMOTE_ERROR:
        return job.previous_state in ACTIVE
    return job.state in ACTIVE


def plan_jobs(jobs: Sequence[OldJob], schedulers: Mapping[str, str]) -> list[Planned]:
    """Return what becomes of the jobs of one flow.

    Args:
        jobs: All jobs of the flow.
        schedulers: Kind of the scheduler of each worker.
    """
    latest: dict[str, OldJob] = {}
    for job in jobs:
        if job.uuid not in latest or latest[job.uuid].index < job.index:
            latest[job.uuid] = job
    return [_plan(job, latest, schedulers) for job in jobs]


def _plan(job: OldJob, latest: Mapping[str, OldJob], schedulers: Mapping[str, str]) -> Planned:
    unmet: list[str] = []
    if job.state in _HELD:
        parents = [uuid for uuid in job.parents or () if uuid in latest]
        unmet = [uuid for uuid in parents if not _is_met(latest[uuid], job)]
    state = job.state
    if state in RESTARTED | ACTIVE or (state is _S.WAITING and not unmet):
        state = _S.READY
    return Planned(job, state, unmet, _cancel(job, schedulers))


def _is_met(parent: OldJob, child: OldJob) -> bool:
    if parent.state is _S.COMPLETED:
        return True
    return parent.state in _TOLERATED and child.job.config.on_missing_references != "error"


def _cancel(job: OldJob, schedulers: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return the request to cancel the queue job of an active job, where that can be done.

    Pilots run other jobs too, and the number of a plain process may be another's by now.
    """
    state = job.previous_state if job.state is _S.REMOTE_ERROR else job.state
    queue_id = job.remote.process_id
    if state not in {_S.SUBMITTED, _S.RUNNING} or not queue_id or not job.run_dir:
        return []
    if schedulers.get(job.worker, "shell") == "shell":
        return []
    request = {
        "worker": job.worker,
        "queue_id": queue_id,
        "name": queue_job_name(job.uuid, job.index, 0),
        "attempt": 0,
        "folder": job.run_dir,
    }
    return [request]


def job_document(planned: Planned, *, flow: str, stores: list[str]) -> dict[str, Any]:
    """Return the document of a job in jfcelery."""
    old, key = planned.old, planned.key
    over = planned.state in {_S.COMPLETED, _S.FAILED, _S.REMOTE_ERROR}
    kept = old if over else None
    parents = list(dict.fromkeys(old.parents or ()))
    apart = is_apart(parents)
    return {
        "_id": key,
        "uuid": old.uuid,
        "index": old.index,
        "db_id": old.db_id,
        "flow": flow,
        "generator": job_key(old.uuid, old.index - 1) if old.index > 1 else None,
        "worker": old.worker,
        "state": planned.state.value,
        "previous_state": _previous(planned),
        "parents": [] if apart else parents,
        "apart": len(parents) if apart else 0,
        "unmet": put_apart(planned.unmet) if apart else planned.unmet,
        "on_missing": old.job.config.on_missing_references,
        "priority": old.priority,
        "created_on": old.created_on,
        "updated_on": old.updated_on,
        "start_time": kept.start_time if kept else None,
        "end_time": kept.end_time if kept else None,
        "run_dir": kept.run_dir if kept else None,
        "error": kept.error if kept else None,
        "stored_data": kept.stored_data if kept else None,
        "exec_config": old.exec_config,
        "resources": old.resources,
        "job": {"name": old.job.name, "metadata": old.job.metadata, "hosts": old.job.hosts},
        "stores": stores,
        "remote": _remote(old) if kept else {"step_attempts": 0},
        "version": 1,
        "fence": 0,
        "epoch": 0,
        "attempt": 0,
        "cancel": planned.cancel,
        "release": False,
        "lock_id": None,
        "lock_time": None,
        "last": _change(planned, flow),
    }


def _previous(planned: Planned) -> str | None:
    """Return where a retry goes back to: to the beginning, the old run folder is not ours."""
    return _S.READY.value if planned.state is _S.REMOTE_ERROR else None


def _remote(old: OldJob) -> dict[str, Any]:
    remote: dict[str, Any] = {
        "step_attempts": 0,
        "process_id": old.remote.process_id,
        "error": old.remote.error,
    }
    if old.run_dir:
        remote["queue_out"] = f"{old.run_dir}/{RunFolder.QUEUE_OUT}"
        remote["queue_err"] = f"{old.run_dir}/{RunFolder.QUEUE_ERR}"
    return remote


def _change(planned: Planned, flow: str) -> dict[str, Any]:
    old = planned.old
    was = "" if planned.state is old.state else f", where it was {old.state}"
    return {
        "_id": f"{planned.key}:1",
        "uuid": old.uuid,
        "index": old.index,
        "db_id": old.db_id,
        "flow": flow,
        "number": 1,
        "event": EVENT,
        "source": None,
        "target": planned.state.value,
        "by": EVENT,
        "why": f"from jobflow-remote{was}",
        "attempt": 0,
        # as if it had happened here: reports over time stay true
        "at": old.updated_on,
    }


def flow_document(flow: OldFlow, jobs: Sequence[Planned], *, now: datetime) -> dict[str, Any]:
    """Return the document of a flow in jfcelery, not to be run before it is complete.

    Args:
        flow: The flow as jobflow-remote has it.
        jobs: Its jobs.
        now: Stands for its time of creation until all is in, else it would pass for an insertion
            that was interrupted long ago.
    """
    counts: dict[JobState, int] = {}
    for job in jobs:
        counts[job.state] = counts.get(job.state, 0) + 1
    state = flow_state(counts, leaves_completed=_leaves_completed(jobs))
    return {
        "_id": flow.uuid,
        "uuid": flow.uuid,
        "db_id": jobs[0].old.db_id if jobs else None,
        "name": flow.name,
        "state": state.value,
        "metadata": flow.metadata or {},
        "jobstore": flow.jobstore,
        "counts": {state.value: number for state, number in counts.items()},
        "created_on": now,
        "updated_on": now,
        "version": 1,
        "inserting": True,
        "imported": {"created_on": flow.created_on, "updated_on": flow.updated_on},
    }


def _leaves_completed(jobs: Iterable[Planned]) -> bool:
    """Return whether all jobs without children are COMPLETED, the newest index of each."""
    jobs = list(jobs)
    waited = {uuid for job in jobs for uuid in job.old.parents or ()}
    newest: dict[str, Planned] = {}
    for job in jobs:
        if job.old.uuid not in newest or newest[job.old.uuid].old.index < job.old.index:
            newest[job.old.uuid] = job
    leaves = [job for uuid, job in newest.items() if uuid not in waited]
    return bool(leaves) and all(job.state is _S.COMPLETED for job in leaves)
