"""Step 5: the outputs in the JobStore, new jobs in the flow, children released."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

from jfcelery.database.documents import job_key
from jfcelery.execution.stores import insert_documents
from jfcelery.flows.finish import add_new_jobs, halt
from jfcelery.flows.release import release_children, settle
from jfcelery.states import JobState
from jfcelery.tasks.outputs import documents_of, fetched, local_folder, outcome_of
from jfcelery.tasks.recovery import recovered
from jfcelery.tasks.runtime import jobstore_outages
from jfcelery.tasks.step import Commit, Step, Work

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from jfcelery.database.documents import JobDoc
    from jfcelery.execution.outcome import Outcome


def finalize_body(work: Work) -> Commit:
    """Take in what the job returned; safe to repeat, since all of it is upserted."""
    folder, outcome = came_of(work)

    def then(doc: JobDoc) -> None:
        _after(work, doc, outcome)

    if outcome.error is not None:
        fields: dict[str, Any] = {
            "start_time": outcome.start_time,
            "end_time": outcome.end_time,
            "error": outcome.error.text,
            "error_class": outcome.error.name,
            "release": True,
        }
        recovery = recovered(work, outcome.error.name, outcome.error.summary)
        if isinstance(recovery, Commit):
            return recovery
        why = recovery.after(outcome.error.summary)
        return Commit("finalize", JobState.FAILED, why, fields, then)
    _insert(work, folder, outcome)
    return completed(outcome, then)


def came_of(work: Work) -> tuple[Path, Outcome]:
    """Return where the files of an ended job are on this machine, and what it returned."""
    folder = fetched(work)
    return folder, outcome_of(work, folder)


def completed(outcome: Outcome, then: Callable[[JobDoc], None] | None = None) -> Commit:
    """Return the commit of a job that returned, once what it returned is taken in."""
    fields = {
        "start_time": outcome.start_time,
        "end_time": outcome.end_time,
        "stored_data": outcome.stored_data,
        "error": None,
        "error_class": None,
    }
    return Commit("finalize", JobState.COMPLETED, "", {**fields, "release": True}, then)


def _insert(work: Work, folder: Path, outcome: Outcome) -> None:
    runtime, doc = work.runtime, work.doc
    store = runtime.jobstore(runtime.jobs.flows.get(doc.flow).jobstore)
    documents = documents_of(work, folder)
    with jobstore_outages():
        insert_documents(store, documents)
    halt(runtime.jobs, doc, outcome)
    if not outcome.stop_jobflow:
        add_new_jobs(runtime.jobs, doc, outcome, id_prefix=_prefix(work))


def _after(work: Work, doc: JobDoc, outcome: Outcome) -> None:
    from jfcelery.tasks.checkout import send_checkout

    runtime = work.runtime
    release_children(runtime.jobs, doc)
    new = [
        job_key(job.uuid, job.index)
        for flow in (outcome.replace, outcome.detour, outcome.addition)
        if flow is not None
        for job in flow.jobs
    ]
    if new and doc.state == JobState.COMPLETED:
        settle(runtime.jobs, runtime.jobs.of_keys(new, JobState.WAITING))
    send_checkout(runtime)
    remove_copy(work)


def remove_copy(work: Work) -> None:
    """Remove the copy of a remote job's files, unless it is to be kept."""
    if work.runtime.project.runner.delete_tmp_folder and not work.worker.is_local:
        shutil.rmtree(local_folder(work), ignore_errors=True)


def _prefix(work: Work) -> str:
    queue = work.runtime.project.queue
    return (queue.db_id_prefix if queue else None) or ""


finalize = Step("finalize", JobState.DOWNLOADED, finalize_body)
