"""Jobs that failed, and jobs that a recovery rule took care of."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from jfcelery.database.connection import translated
from jfcelery.database.identity import owned
from jfcelery.flows.recovery import causes_of
from jfcelery.states import JobState
from jfcelery.tasks.notifications.notice import Notice, wanted

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from jfcelery.database.documents import JobDoc
    from jfcelery.tasks.runtime import Runtime

#: How far before the last look jobs are looked at again: a change may be written a while after the
#: time that it bears.
OVERLAP = timedelta(seconds=20)
#: Beginning of the ``_id`` of a note that a recovery rule took effect.
NOTE = "notice:"
#: Notes that one look takes in.
MOST_NOTES = 1000

_FAILURES = {JobState.FAILED.value, JobState.REMOTE_ERROR.value}


def job_notices(runtime: Runtime, since: datetime) -> Iterator[Notice]:
    """Yield the jobs that failed."""
    with translated():
        changed = runtime.queue.jobs.find({"updated_on": {"$gte": since}}, {"state": 1})
        failed = [job["_id"] for job in changed if job["state"] in _FAILURES]
    for doc in runtime.jobs.find({"_id": {"$in": failed}}) if failed else ():
        if doc.state.value not in _FAILURES:
            continue
        error = (doc.error or doc.remote.error or "").strip()
        first = error.splitlines()[-1 if doc.error else 0] if error else "no error is known"
        key = f"job_failed:{doc.last.id if doc.last else doc.id}"
        text = f"job {doc.db_id} ({doc.job.name}) {doc.state} on {doc.worker}: "
        causes = causes_of(doc, doc.error_class or "")
        named = first if doc.error else f"{doc.error_class}: {first}"
        yield Notice(key, "job_failed", text + named, doc.updated_on, causes)


def note_recovery(runtime: Runtime, doc: JobDoc, why: str) -> None:
    """Note that a recovery rule took effect on a job; a second time changes nothing."""
    from pymongo.errors import DuplicateKeyError

    if "job_recovered" not in wanted(runtime.project.notifications):
        return
    note = {
        "_id": f"{NOTE}{doc.id}:{doc.attempt}",
        "version": 1,
        "text": f"job {doc.db_id} ({doc.job.name}): {why}",
        "at": runtime.jobs.now(),
    }
    with translated():
        try:
            runtime.queue.auxiliary.insert_one(owned(runtime.queue, note))
        except DuplicateKeyError:
            return


def recovery_notices(runtime: Runtime) -> Iterator[Notice]:
    """Yield what recovery rules did, as it was noted."""
    query = {"_id": {"$gte": NOTE, "$lt": NOTE[:-1] + ";"}}
    with translated():
        notes = list(runtime.queue.auxiliary.find(query, limit=MOST_NOTES))
    for note in notes:
        yield Notice(note["_id"], "job_recovered", note["text"], note["at"])


def forget_notes(runtime: Runtime, keys: list[str]) -> None:
    """Remove notes that are in the outbox."""
    if keys:
        with translated():
            runtime.queue.auxiliary.delete_many({"_id": {"$in": keys}})
