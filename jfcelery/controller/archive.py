"""Taking jobs out of the queue; their history stays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jfcelery.controller.bulk import user_name
from jfcelery.database.bulk import insert_new
from jfcelery.database.chunks import chunks
from jfcelery.database.connection import translated
from jfcelery.database.identity import owned
from jfcelery.database.payloads import delete_payloads

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jfcelery.database.documents import JobDoc
    from jfcelery.database.jobs import Jobs

#: Jobs in one bulk write.
BULK = 500
#: The last event of a job's history.
ARCHIVE = "archive"


def archive(
    jobs: Jobs,
    docs: Sequence[JobDoc],
    *,
    why: str,
    keep_document: bool = True,
    renew_flows: bool = True,
) -> list[JobDoc]:
    """Move jobs from the queue into the history.

    Args:
        jobs: The project's jobs.
        docs: The jobs as they were read.
        why: The reason that the history keeps.
        keep_document: Whether the history keeps the whole documents, too.
        renew_flows: Whether the state of their flows is renewed, which counts all jobs of each.

    Returns:
        The jobs that are gone; those that somebody else changed first are left out.
    """
    gone: list[JobDoc] = []
    for piece in chunks(docs, BULK):
        gone += _archive_piece(jobs, piece, why, keep_document=keep_document)
    for flow in dict.fromkeys(doc.flow for doc in gone if renew_flows):
        jobs.flows.refresh(flow, exact=True)
    return gone


def _archive_piece(
    jobs: Jobs, docs: Sequence[JobDoc], why: str, *, keep_document: bool
) -> list[JobDoc]:
    from pymongo import DeleteMany

    queue = jobs.queue
    jobs.history.ensure(docs)
    entries = [owned(queue, _entry(jobs, doc, why)) for doc in docs]
    if keep_document:
        for entry, doc in zip(entries, docs, strict=True):
            entry["document"] = doc.raw
    versions: dict[int, list[str]] = {}
    for doc in docs:
        versions.setdefault(doc.version, []).append(doc.id)
    with translated():
        insert_new(queue.history, entries)
        # One command for all of a version: the embedded server commits each command by itself.
        queue.jobs.bulk_write(
            [DeleteMany({"_id": {"$in": ids}, "version": v}) for v, ids in versions.items()],
            ordered=False,
        )
        query = {"_id": {"$in": [doc.id for doc in docs]}}
        left = {raw["_id"] for raw in queue.jobs.find(query, {"_id": 1})}
        if left:
            keys = [_key(doc) for doc in docs if doc.id in left]
            queue.history.delete_many({"_id": {"$in": keys}, "event": ARCHIVE})
    gone = [doc for doc in docs if doc.id not in left]
    jobs.edges.delete_of(gone)
    delete_payloads(queue, [doc.id for doc in gone])
    return gone


def _key(doc: JobDoc) -> str:
    return f"{doc.id}:{doc.version + 1}"


def _entry(jobs: Jobs, doc: JobDoc, why: str) -> dict[str, Any]:
    """Return the last entry of a job's history."""
    return {
        "_id": _key(doc),
        "uuid": doc.uuid,
        "index": doc.index,
        "db_id": doc.db_id,
        "flow": doc.flow,
        "number": doc.version + 1,
        "event": ARCHIVE,
        "source": doc.state.value,
        "target": doc.state.value,
        "by": user_name(),
        "why": why,
        "attempt": doc.attempt,
        "at": jobs.now(),
    }
