"""The files that a job left, on this machine, or the true reason why they are not there."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from jfcelery.database.documents import job_key
from jfcelery.database.payloads import load_payload
from jfcelery.errors import OutputInvalidError, OutputMissingError
from jfcelery.execution.outcome import Outcome, read_outcome
from jfcelery.execution.reason import why_no_output
from jfcelery.execution.stores import Documents, read_documents
from jfcelery.folders import RunFolder
from jfcelery.scheduler_io.hosts.parcels import Retrieval

if TYPE_CHECKING:
    from jfcelery.tasks.step import Work


def local_folder(work: Work) -> Path:
    """Return where the job's files are on this machine."""
    doc, worker = work.doc, work.worker
    if worker.is_local:
        return Path(RunFolder.of(worker.work_dir, doc.uuid, doc.index).path)
    key = job_key(doc.uuid, doc.index)
    return Path(work.runtime.project.tmp_dir) / f"{key}.{doc.attempt}"


def fetch(work: Work) -> Path:
    """Bring the files that a job left to this machine, in one round trip."""
    doc, worker = work.doc, work.worker
    one = retrieval(work)
    if not worker.is_local:
        with work.runtime.hosts.transfer(doc.worker) as host:
            host.fetch(one.folder, one.patterns, one.into)
    return one.into


def retrieval(work: Work) -> Retrieval:
    """Return which files of a job are to be brought to this machine, and where to."""
    doc = work.doc
    patterns = (
        RunFolder.OUTPUT,
        RunFolder.STORE_DATA,
        RunFolder.additional_store("*"),
        RunFolder.status(doc.attempt),
        RunFolder.end(doc.attempt),
        RunFolder.QUEUE_ERR,
        RunFolder.QUEUE_OUT,
    )
    # The local folder must not exist before: then the files come into place all at once.
    folder = RunFolder.of(work.worker.work_dir, doc.uuid, doc.index)
    return Retrieval(folder, patterns, local_folder(work))


def fetched(work: Work) -> Path:
    """Return the local folder, fetching again what another machine may have fetched."""
    folder = local_folder(work)
    return folder if (folder / RunFolder.OUTPUT).exists() else fetch(work)


def outcome_of(work: Work, folder: Path) -> Outcome:
    """Return what the job returned or raised.

    Raises:
        OutputMissingError: It left nothing; the message says why, with the tail of stderr.
        OutputInvalidError: What it left cannot be read.
    """
    try:
        return read_outcome(folder / RunFolder.OUTPUT)
    except OutputMissingError as error:
        doc = work.doc
        end = doc.remote.end.model_dump() if doc.remote.end else None
        raise OutputMissingError(why_no_output(folder, attempt=doc.attempt, end=end)) from error


def documents_of(work: Work, folder: Path) -> Documents:
    """Return the documents that a job left.

    Raises:
        OutputMissingError: There are none.
        OutputInvalidError: They cannot be read, or one is another job's, whose output it would
            replace; only a job that jobflow gives the store (``expose_store``) may do that.
    """
    doc = work.doc
    documents = read_documents(folder, doc.stores)
    owners = [(one.get("uuid"), one.get("index")) for one in documents.outputs]
    other = next((owner for owner in owners if owner != (doc.uuid, doc.index)), None)
    if other and not load_payload(work.runtime.queue, doc.id)["config"]["expose_store"]:
        named = f"{other[0]} {other[1]}"[:100]
        raise OutputInvalidError(f"{RunFolder.STORE_DATA} holds the output of another job, {named}")
    return documents
