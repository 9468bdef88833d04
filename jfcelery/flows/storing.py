"""Writing new jobs to the queue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jfcelery.database.bulk import insert_new
from jfcelery.database.connection import translated
from jfcelery.database.edges import Edges
from jfcelery.database.identity import owned

if TYPE_CHECKING:
    from collections.abc import Iterable

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
