"""The documents of pilots; every change is a compare-and-set."""

from __future__ import annotations

from datetime import datetime  # noqa: TC003 - pydantic reads it
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from pydantic import Field

from jfcelery.database.connection import translated
from jfcelery.database.documents import Document
from jfcelery.database.identity import owned
from jfcelery.errors import ConflictError
from jfcelery.states import BatchState

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from jfcelery.database.connection import QueueDatabase

#: What stands before the unique id in the name of a pilot's queue job and of its files.
PREFIX = "jfp-"


class BatchDoc(Document):
    """One pilot: a queue job that runs many jobs.

    ``process_id`` is the id of its queue job, None until it is known to be submitted. ``host``,
    ``slots``, ``running``, ``begun``, ``returned`` and ``passes_over`` are what it said last,
    ``heard_on`` when.
    """

    batch_uid: str = Field(alias="_id")
    worker: str
    state: BatchState
    process_id: str | None = None
    run_dir: str | None = None
    created_on: datetime
    updated_on: datetime
    start_time: datetime | None = None
    end_time: datetime | None = None
    queue_state: str | None = None
    host: str | None = None
    slots: int | None = None
    running: int = 0
    begun: int = 0
    returned: int = 0
    #: Least wall time of the jobs that wait but do not fit into its time, in seconds; 0: there are
    #: none.
    passes_over: int = 0
    heard_on: datetime | None = None
    #: When it was found silent first, None since it was heard of again.
    silent_since: datetime | None = None
    is_draining: bool = False
    #: Whether somebody wants it to take no more jobs.
    drain: bool = False
    #: Why it ended, or why it is not in the queue yet.
    why: str = ""
    #: Whether it ended without having run a job, for a reason of its own.
    failed: bool = False
    #: Successful listings in a row that lacked it, and the time of the first.
    absent: int = 0
    absent_since: datetime | None = None
    version: int = 0

    @property
    def name(self) -> str:
        """The unique name of its queue job."""
        return f"{PREFIX}{self.batch_uid}"


class Batches:
    """The pilots of one project.

    Args:
        queue: The project's database.
    """

    def __init__(self, queue: QueueDatabase) -> None:
        self.queue = queue

    def insert(self, worker: str) -> BatchDoc:
        """Add a pilot of a worker that is about to be submitted."""
        now = self.queue.clock.now()
        new = {
            "_id": str(uuid4()),
            "worker": worker,
            "state": BatchState.SUBMITTED.value,
            "created_on": now,
            "updated_on": now,
            "version": 0,
        }
        raw = owned(self.queue, new)
        with translated():
            self.queue.batches.insert_one(raw)
        return BatchDoc.from_mongo(raw)

    def find(
        self,
        query: Mapping[str, Any],
        *,
        sort: Sequence[tuple[str, int]] | None = None,
        limit: int = 0,
    ) -> Iterator[BatchDoc]:
        """Yield the pilots that match a query."""
        with translated():
            cursor = self.queue.batches.find(dict(query), limit=limit)
            if sort:
                cursor = cursor.sort(list(sort))
            for raw in cursor:
                yield BatchDoc.from_mongo(raw)

    def alive(self, worker: str) -> list[BatchDoc]:
        """Return the pilots of a worker that may have a queue job, or are about to."""
        states = (BatchState.SUBMITTED.value, BatchState.RUNNING.value)
        return [doc for state in states for doc in self.find({"worker": worker, "state": state})]

    def drain(self, query: Mapping[str, Any]) -> list[BatchDoc]:
        """Have the pilots that match a query and have not ended take no more jobs; return them."""
        drained = []
        for doc in self.find(
            {"$and": [dict(query), {"state": {"$ne": BatchState.FINISHED.value}}]}
        ):
            current: BatchDoc | None = doc
            while current is not None and current.state is not BatchState.FINISHED:
                try:
                    drained.append(self.update(current, {"drain": True}))
                    break
                except ConflictError:
                    current = next(self.find({"_id": doc.batch_uid}), None)
        return drained

    def latest(self, worker: str, number: int) -> list[BatchDoc]:
        """Return the pilots of a worker that were added last, the newest first."""
        return list(self.find({"worker": worker}, sort=[("created_on", -1)], limit=number))

    def update(self, doc: BatchDoc, fields: Mapping[str, Any]) -> BatchDoc:
        """Set fields.

        Raises:
            ConflictError: The document was changed since it was read.
        """
        if why := fields.get("why"):
            fields = {**fields, "why": self.queue.redact(why)}
        change = {**fields, "updated_on": self.queue.clock.now(), "version": doc.version + 1}
        with translated():
            result = self.queue.batches.update_one(
                {"_id": doc.batch_uid, "version": doc.version}, {"$set": change}
            )
        if not result.matched_count:
            raise ConflictError(f"Pilot {doc.batch_uid} was changed by somebody else meanwhile.")
        return doc.with_fields(change)

    def drop(self, doc: BatchDoc) -> bool:
        """Remove a pilot that was never submitted; return whether it was still as it was read."""
        with translated():
            found = self.queue.batches.delete_one({"_id": doc.batch_uid, "version": doc.version})
        return bool(found.deleted_count)
