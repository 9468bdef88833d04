"""The append-only record of every change of a job's state."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jfcelery.database.connection import translated
from jfcelery.database.documents import Change, JobDoc

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jfcelery.database.connection import QueueDatabase


#: From so many entries on, those that are there already are looked up first and left alone.
MANY = 10
#: The server's code for a document that is there already.
DUPLICATE = 11000


class History:
    """The history collection of one project's queue.

    A process may die between a job's change and its entry here. The job's document carries its
    last change, so the next writer, or reader, makes the entry up.
    """

    def __init__(self, queue: QueueDatabase) -> None:
        self.queue = queue

    def record(self, pairs: Sequence[tuple[JobDoc, JobDoc]]) -> None:
        """Write the changes between documents before and after, and any missing one before."""
        entries = {
            doc.last.id: _plain(doc.last.model_dump(by_alias=True, mode="python"))
            for pair in pairs
            for doc in pair
            if doc.last is not None
        }
        if len(entries) > MANY:
            with translated():
                there = self.queue.history.find({"_id": {"$in": list(entries)}}, {"_id": 1})
                for row in there:
                    del entries[row["_id"]]
        self._write(list(entries.values()))

    def _write(self, entries: list[dict[str, object]]) -> None:
        """Write entries; what somebody else made up meanwhile is the same."""
        from pymongo import InsertOne, ReplaceOne

        if not entries:
            return
        if len(entries) <= MANY:
            writes = [ReplaceOne({"_id": e["_id"]}, e, upsert=True) for e in entries]
            with translated():
                self.queue.history.bulk_write(writes, ordered=False)
            return
        from pymongo.errors import BulkWriteError

        try:
            with translated():
                self.queue.history.bulk_write([InsertOne(e) for e in entries], ordered=False)
        except BulkWriteError as error:
            if any(e["code"] != DUPLICATE for e in error.details["writeErrors"]):
                raise

    def of(self, doc: JobDoc) -> list[Change]:
        """Return all changes of a job, oldest first."""
        with translated():
            raw = list(self.queue.history.find({"uuid": doc.uuid, "index": doc.index}))
        changes = {entry["_id"]: Change.model_validate(entry) for entry in raw}
        if doc.last is not None:
            changes[doc.last.id] = doc.last
        return sorted(changes.values(), key=lambda change: change.number)


def _plain(entry: dict[str, object]) -> dict[str, object]:
    """Return an entry with its states as strings."""
    return {
        key: str(value) if key in {"source", "target"} and value is not None else value
        for key, value in entry.items()
    }
