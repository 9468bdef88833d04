"""What happens when a step fails: to whom it is charged, and when it is tried again."""

from __future__ import annotations

import logging
import traceback
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from jfcelery.errors import (
    BackPressureError,
    ConflictError,
    DiskFullError,
    HostError,
    JfceleryError,
    JobStoreUnavailableError,
)
from jfcelery.states import JobState

if TYPE_CHECKING:
    from jfcelery.tasks.step import Work

logger = logging.getLogger(__name__)

#: Seconds before a job that met a limit is tried again; it doubles up to the last.
PRESSURE_WAITS = (5, 10, 20, 40, 60)
#: Characters of an error that a job's document keeps.
ERROR_LENGTH = 1500
#: Innermost frames of a trace that are kept with it.
TRACE_FRAMES = 5


def handle(work: Work, step: str, error: Exception) -> None:
    """Give the lease back and note a step's failure where it belongs.

    Troubles of the host open its breaker and leave the job as it is. Limits, and a JobStore that
    does not answer, make the job wait; so does a full disk where other workers of the host have
    other folders, which may well have room.
    Passing troubles of the job are tried again after ``delta_retry``; those for good, or too
    many, end in REMOTE_ERROR.
    """
    jobs, doc = work.runtime.jobs, work.doc
    told = jobs.queue.redact(str(error))
    try:
        if isinstance(error, DiskFullError) and _has_other_folders(work):
            logger.warning("%s of job %s: a full disk: %s", step, doc.db_id, told)
            jobs.release(doc, _pressure(work, error))
        elif isinstance(error, HostError):
            work.runtime.host_records.failed(work.worker.host_key, error)
            logger.warning("%s of job %s: host trouble: %s", step, doc.db_id, told)
            # No lost message: the sweeper need not wait for one once the host is back.
            jobs.release(doc, {"retry_at": jobs.now()})
        elif isinstance(error, BackPressureError | JobStoreUnavailableError):
            jobs.release(doc, _pressure(work, error))
        elif _may_pass(work, error):
            logger.warning("%s of job %s failed, again later: %s", step, doc.db_id, told)
            jobs.release(doc, _again(work, error))
        else:
            logger.error("%s of job %s failed: %s", step, doc.db_id, told)
            _fail(work, step, error)
    except ConflictError:
        logger.info("%s of job %s was overtaken", step, doc.db_id)


def _has_other_folders(work: Work) -> bool:
    project = work.runtime.project
    names = project.hosts[work.worker.host_key]
    return len({project.get_worker(name).work_dir for name in names}) > 1


def describe(error: BaseException) -> str:
    """Return an error in one or two lines, or with its trace where it is not one of ours."""
    if isinstance(error, JfceleryError):
        return str(error)[:ERROR_LENGTH]
    head = f"Unforeseen, please report it: {type(error).__name__}: {error}\n"
    trace = "".join(traceback.format_tb(error.__traceback__)[-TRACE_FRAMES:])
    return f"{head}Traceback (most recent call last):\n{trace}"[:ERROR_LENGTH]


def _may_pass(work: Work, error: Exception) -> bool:
    """Return whether the step is to be tried again: our own errors say it themselves."""
    passing = error.transient if isinstance(error, JfceleryError) else True
    attempts = work.doc.remote.step_attempts + 1
    return passing and attempts < work.runtime.project.runner.max_step_attempts


def _again(work: Work, error: Exception) -> dict[str, Any]:
    attempts = work.doc.remote.step_attempts + 1
    wait = work.runtime.project.runner.get_delta_retry(attempts)
    when = work.runtime.jobs.now() + timedelta(seconds=wait)
    return {
        "retry_at": when,
        "remote.step_attempts": attempts,
        "remote.retry_time_limit": when,
        "remote.error": describe(error),
        "remote.waiting": None,
        "error_class": type(error).__name__,
    }


def _pressure(work: Work, error: JfceleryError) -> dict[str, Any]:
    turns = work.doc.swept
    wait = PRESSURE_WAITS[min(turns, len(PRESSURE_WAITS) - 1)]
    return {
        "retry_at": work.runtime.jobs.now() + timedelta(seconds=wait),
        "remote.waiting": error.message,
        "swept": turns + 1,
    }


def _fail(work: Work, step: str, error: Exception) -> None:
    from jfcelery.tasks.places import free_place
    from jfcelery.tasks.recovery import recovered
    from jfcelery.tasks.step import Commit, commit_step

    why = str(error).splitlines()[0] if str(error) else type(error).__name__
    recovery = recovered(work, type(error).__name__, why)
    if isinstance(recovery, Commit):
        changed = commit_step(work, step, recovery)
        if recovery.then is not None:
            recovery.then(changed)
        return
    fields = {
        "remote.error": describe(error),
        "remote.step_attempts": work.doc.remote.step_attempts + 1,
        "error_class": type(error).__name__,
        "end_time": work.runtime.jobs.now(),
    }
    why = recovery.after(why)
    changed = commit_step(work, step, Commit("fail", JobState.REMOTE_ERROR, why, fields))
    free_place(work.runtime, changed)
