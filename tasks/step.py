"""The guard around every step: a job is moved on exactly once in effect.

A step may be started twice, late, or never, and die anywhere. It takes the job's lease, does its
work (which is safe to repeat), and commits only while the lease is still its own.
"""

from __future__ import annotations

import os
import socket
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from jfcelery.database.jobs import NO_LEASE
from jfcelery.errors import (
    ConflictError,
    JobNotFoundError,
    JobStoreUnavailableError,
    ServiceError,
)
from jfcelery.logs import bound
from jfcelery.states import JobState
from jfcelery.tasks.lease import kept
from jfcelery.tasks.trouble import handle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime

    from jfcelery.database.documents import JobDoc
    from jfcelery.project import WorkerBase
    from jfcelery.tasks.runtime import Runtime

_S = JobState

#: How far along the pipeline a state is.
RANK: dict[JobState, int] = {
    _S.CHECKED_OUT: 1,
    _S.UPLOADED: 2,
    _S.SUBMITTED: 3,
    _S.BATCH_SUBMITTED: 3,
    _S.RUNNING: 3,
    _S.BATCH_RUNNING: 3,
    _S.RUN_FINISHED: 4,
    _S.DOWNLOADED: 5,
    _S.COMPLETED: 6,
    _S.FAILED: 6,
}


@dataclass(frozen=True)
class Commit:
    """What a step achieved.

    Args:
        event: The row of the state table.
        target: The job's new state.
        why: The reason, in one line.
        fields: More fields to set.
        then: Called after the commit; safe to repeat, done by the sweeper if it is missed.
        by: Who does it, where that is not the step.
    """

    event: str
    target: JobState
    why: str = ""
    fields: Mapping[str, Any] = field(default_factory=dict)
    then: Callable[[JobDoc], None] | None = None
    by: str = ""


@dataclass(frozen=True)
class Work:
    """What a step's body gets: the project, and the job under lease."""

    runtime: Runtime
    doc: JobDoc

    @property
    def worker(self) -> WorkerBase:
        """The worker on which the job runs."""
        return self.runtime.project.get_worker(self.doc.worker)


@dataclass(frozen=True)
class Step:
    """One step of the pipeline.

    Args:
        name: Its name, and its Celery task's.
        source: The state from which it starts.
        body: Does the work; safe to repeat.
    """

    name: str
    source: JobState
    body: Callable[[Work], Commit]

    def run(self, runtime: Runtime, uuid: str, index: int, epoch: int) -> bool:
        """Run the step on a job, if it is the job's turn.

        Returns:
            Whether the chain goes on: the step is done, by this call or an earlier one.
        """
        jobs = runtime.jobs
        try:
            doc = jobs.get(uuid, index)
        except JobNotFoundError:
            return False
        if doc.epoch != epoch:
            return False
        if RANK.get(doc.state, 0) > RANK[self.source]:
            return True
        if not self._may_start(runtime, doc) or not _is_available(runtime, doc):
            return False
        try:
            doc = jobs.acquire(doc, owner(), runtime.lease_term)
        except ConflictError:
            return False
        return self.run_leased(Work(runtime, doc))

    def _may_start(self, runtime: Runtime, doc: JobDoc) -> bool:
        return doc.state == self.source and is_free(doc, runtime.jobs.now())

    def run_leased(self, work: Work) -> bool:
        """Run the step on a job whose lease is held; return whether the chain goes on."""
        jobs, doc = work.runtime.jobs, work.doc
        with charged(work, self.name):
            with kept(jobs, [doc], work.runtime.lease_term):
                commit = self.body(work)
            changed = commit_step(work, self.name, commit)
            if commit.then is not None:
                commit.then(changed)
            return True
        return False


def is_free(doc: JobDoc, now: datetime) -> bool:
    """Return whether nobody has a job's lease, and it waits for nothing."""
    return not doc.is_locked(now) and (doc.retry_at is None or doc.retry_at <= now)


def _is_available(runtime: Runtime, doc: JobDoc) -> bool:
    worker = runtime.project.workers.get(doc.worker)
    return worker is None or runtime.host_records.get(worker.host_key).available


@contextmanager
def charged(work: Work, step: str) -> Iterator[None]:
    """Charge what goes wrong in the block where it belongs: to the job, its host, or nobody.

    Raises:
        ServiceError: The database or broker is away: the lease ends, the sweeper comes back.
    """
    doc = work.doc
    with bound(job=doc.db_id, uuid=doc.uuid, step=step, attempt=doc.attempt):
        try:
            yield
        except ConflictError:
            pass  # fenced off, stopped or rerun meanwhile
        except JobStoreUnavailableError as error:
            handle(work, step, error)
        except ServiceError:
            raise
        except Exception as error:  # noqa: BLE001 - the outermost edge: charged and recorded
            handle(work, step, error)


def commit_step(work: Work, name: str, commit: Commit, *, hold: bool = False) -> JobDoc:
    """Write what a step achieved, while its lease is in force.

    Args:
        work: The job.
        name: The step.
        commit: What it achieved.
        hold: Keep the lease, for the next step.

    Raises:
        ConflictError: The lease was lost.
    """
    jobs, doc = work.runtime.jobs, work.doc
    fields = fields_of(commit, hold=hold)
    while True:
        try:
            return jobs.transition(
                doc,
                commit.event,
                commit.target,
                by=commit.by or name,
                why=commit.why,
                fields=fields,
            )
        except ConflictError:
            doc = jobs.still_ours(doc)


def fields_of(commit: Commit, *, hold: bool) -> dict[str, Any]:
    """Return all fields that a commit sets.

    Args:
        commit: What was achieved.
        hold: Keep the lease, for the next step.
    """
    troubles = {} if "remote" in commit.fields else FRESH  # which are all in there
    lease = {} if hold else NO_LEASE
    return {**lease, **troubles, **commit.fields}


#: Fields that forget the troubles of the step before.
FRESH: dict[str, Any] = {
    "retry_at": None,
    "swept": 0,
    "remote.step_attempts": 0,
    "remote.retry_time_limit": None,
    "remote.error": None,
    "remote.waiting": None,
}


def owner() -> str:
    """Return who takes a lease: host, process and thread."""
    return f"{socket.gethostname()}:{os.getpid()}:{threading.get_native_id()}"
