"""Jobs that kill the Celery worker at work on them: parked after a few deaths, and named.

A lease that was neither given back nor renewed tells of a death; the sweep counts those of one
step, unless all slept: a laptop that was closed, a database that was away. Whoever worked beside a
killer has died as well, so from the second death on such jobs are tried one at a time: those that
are innocent get through, and the killer dies alone.
"""

from __future__ import annotations

import contextlib
import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from jfcelery.database.jobs import NO_LEASE
from jfcelery.database.records import change_record
from jfcelery.errors import ConflictError, WorkerDiedError
from jfcelery.states import JobState
from jfcelery.tasks.places import free_place

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from jfcelery.database.documents import JobDoc
    from jfcelery.tasks.runtime import Runtime

logger = logging.getLogger(__name__)

#: Deaths in one step of one attempt after which a job is parked.
MOST_DEATHS = 4
#: Deaths from which on a job is suspected: it is tried alone.
SUSPECT = 2
#: Key of the record of the last sweep.
RECORD = "sweep"
#: Without a sweep for so long, leases ended because nobody was awake to renew them.
SLEEP = timedelta(seconds=45)
#: How long after its message was sent a suspect may take to begin.
BEGIN_TIME = timedelta(seconds=15)


def forgive(runtime: Runtime, standing: Iterable[JobDoc], now: datetime) -> list[JobDoc]:
    """Return jobs that stand still; where no sweep came for a while, nobody's death is counted.

    Args:
        runtime: The project.
        standing: Jobs that stand still, expired leases and all.
        now: The time.
    """
    all_slept = False

    def note(record: Mapping[str, Any]) -> dict[str, Any]:
        nonlocal all_slept
        all_slept = "at" in record and now - record["at"] > SLEEP
        return {"at": now}

    change_record(runtime.queue, RECORD, note)
    if not all_slept:
        return list(standing)
    awake = []
    for doc in standing:
        with contextlib.suppress(ConflictError):
            awake.append(doc if doc.lock_id is None else runtime.jobs.update(doc, NO_LEASE))
    return awake


def deaths_of(doc: JobDoc) -> int:
    """Return how often a Celery worker died at a job's present step, the last time included."""
    before = doc.deaths
    is_same = before is not None and (before.state, before.attempt) == (doc.state, doc.attempt)
    counted = before.number if before is not None and is_same else 0
    return counted + (doc.lock_id is not None)


def death_fields(doc: JobDoc) -> dict[str, Any]:
    """Return the fields that note the death of whoever had a job's lease."""
    if doc.lock_id is None:
        return {}
    number = deaths_of(doc)
    return {"deaths": {"state": doc.state.value, "attempt": doc.attempt, "number": number}}


def tolerable(
    runtime: Runtime, standing: Iterable[JobDoc], under_way: Iterable[JobDoc], now: datetime
) -> list[JobDoc]:
    """Return the jobs that may be sent again; park killers, and hold back all suspects but one.

    Args:
        runtime: The project.
        standing: Jobs that stand still, expired leases and all.
        under_way: All jobs whose next move is a step's.
        now: The time.
    """
    sent: list[JobDoc] = []
    suspects: list[JobDoc] = []
    for doc in standing:
        number = deaths_of(doc)
        if number >= MOST_DEATHS:
            park(runtime, doc, number)
        elif number >= SUSPECT:
            suspects.append(doc)
        else:
            sent.append(doc)
    if suspects and not _is_one_at_work(suspects, under_way, now):
        sent.append(min(suspects, key=lambda doc: (deaths_of(doc), doc.updated_on)))
    return sent


def _is_one_at_work(suspects: Iterable[JobDoc], under_way: Iterable[JobDoc], now: datetime) -> bool:
    """Return whether a suspect is worked on, or will be as soon as its message is read."""
    waiting = {doc.id for doc in suspects}
    for doc in under_way:
        if doc.deaths is None or doc.id in waiting or deaths_of(doc) < SUSPECT:
            continue
        if doc.is_locked(now) or (doc.swept_at is not None and now - doc.swept_at < BEGIN_TIME):
            return True
    return False


def park(runtime: Runtime, doc: JobDoc, number: int) -> None:
    """Take a job that killed too many Celery workers out of everybody's way."""
    error = WorkerDiedError(
        f"{number} times a Celery worker died or hung in this job's step after {doc.state}, "
        f"the last time {doc.lock_id}.",
        remedy="See the Celery workers' logs; once the cause is mended: jfc job retry.",
    )
    logger.error("Job %s (%s) is parked: %s", doc.db_id, doc.job.name, error.message)
    fields = {
        **NO_LEASE,
        "remote.error": str(error),
        "error_class": type(error).__name__,
        "end_time": runtime.jobs.now(),
        "deaths": None,
    }
    with contextlib.suppress(ConflictError):
        changed = runtime.jobs.transition(
            doc, "fail", JobState.REMOTE_ERROR, by="sweep", why=error.message, fields=fields
        )
        free_place(runtime, changed)
