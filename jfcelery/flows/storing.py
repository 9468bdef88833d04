"""Writing new jobs to the queue, and removing what an interrupted insertion left."""

from __future__ import annotations

import os
import platform
from typing import TYPE_CHECKING, Any

from jfcelery.database.bulk import delete_all, insert_new
from jfcelery.database.chunks import chunks
from jfcelery.database.connection import translated
from jfcelery.database.edges import Edges
from jfcelery.database.identity import owned
from jfcelery.database.payloads import delete_payloads
from jfcelery.errors import ConflictError
from jfcelery.services.processes import ProcessIdentity, machine, start_token

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from jfcelery.database.connection import QueueDatabase
    from jfcelery.database.edges import Edge

#: Documents of one insertion.
BULK = 500


def insert_documents(
    queue: QueueDatabase,
    payloads: list[dict[str, Any]],
    documents: list[dict[str, Any]],
    edges: Iterable[Edge] = (),
) -> None:
    """Insert payloads, edges, history and documents, in this order: a job that is seen is complete.

    What an earlier try inserted is left as it is.
    """
    left_over = insert_new(queue.payloads, [owned(queue, payload) for payload in payloads])
    if left_over:
        _replace_left_over(queue, left_over)
    Edges(queue).insert(edges)
    insert_new(queue.history, [owned(queue, document["last"]) for document in documents])
    insert_new(queue.jobs, [owned(queue, document) for document in documents])


def _replace_left_over(queue: QueueDatabase, payloads: list[dict[str, Any]]) -> None:
    """Replace payloads of jobs that are gone: whoever removed these died before it was done."""
    keys = [payload["_id"] for payload in payloads]
    with translated():
        alive = {raw["_id"] for raw in queue.jobs.find({"_id": {"$in": keys}}, {"_id": 1})}
        for payload in payloads:
            if payload["_id"] not in alive:
                queue.payloads.replace_one({"_id": payload["_id"]}, payload)


def inserter() -> dict[str, Any]:
    """Return what a flow says of the process that inserts it, while it does."""
    pid = os.getpid()
    return {
        "pid": pid,
        "started": start_token(pid),
        "machine": machine(),
        "host": platform.node(),
    }


def make_way(queue: QueueDatabase, flow: str) -> bool:
    """Remove what an insertion of a flow left that was interrupted; return whether there was one.

    It is one of this process, which so tries again, or of one of this machine that has died.

    Raises:
        ConflictError: Another process is at work on it, or may be.
    """
    with translated():
        found = queue.flows.find_one(
            {"_id": flow, "inserting": True}, {"name": 1, "inserter": 1, "_id": 0}
        )
    if found is None:
        return False
    by = found.get("inserter")
    if by is None or not _was_interrupted(by):
        who = f"process {by['pid']} on {by['host']}" if by else "another process"
        raise ConflictError(
            f"Flow {found['name']!r} is being added to the queue by {who}, if that still runs.",
            remedy="See 'jfc flow list'. Of an interrupted one nothing runs, and after an hour the "
            "runner removes it: submit it again then.",
        )
    remove_insertion(queue, flow)
    return True


def _was_interrupted(by: Mapping[str, Any]) -> bool:
    if by["machine"] != machine():
        return False
    identity = ProcessIdentity(by["pid"], by["started"], by["machine"])
    return identity.pid == os.getpid() or not identity.alive


def remove_insertion(queue: QueueDatabase, flow: str) -> None:
    """Remove what an interrupted insertion of a flow left; one that came to its end stays."""
    with translated():
        # From here on it cannot come to its end any more; its end may also have been written
        # already, and only the database's answer been lost.
        marked = queue.flows.update_one(
            {"_id": flow, "inserting": True}, {"$set": {"removing": True}}
        )
        if not marked.matched_count and queue.flows.find_one({"_id": flow}, {"_id": 1}):
            return
        keys = [raw["_id"] for raw in queue.jobs.find({"flow": flow}, {"_id": 1})]
        for piece in chunks(keys, BULK):
            delete_payloads(queue, piece)
            queue.jobs.delete_many({"_id": {"$in": piece}})
    delete_all(queue.edges, {"flow": flow})
    delete_all(queue.history, {"flow": flow})
    with translated():
        queue.flows.delete_one({"_id": flow, "inserting": True})
