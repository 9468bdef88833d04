"""The append-only record of every change of a job's state."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jfcelery.database.connection import translated
from jfcelery.database.documents import Change, JobDoc

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jfcelery.database.connection import QueueDatabase


class History:
    """The history collection of one project's queue.

    A process may die between a job's change and its entry here. The job's document carries its
    last change, so the next writer, or reader, makes the entry up.
    """

    def __init__(self, queue: QueueDatabase) -> None:
        self.queue = queue

    def record(self, pairs: Sequence[tuple[JobDoc, JobDoc]]) -> None:
        """Write the changes between documents before and after, and any missing one before."""
        from pymongo import ReplaceOne

        entries = [
            doc.last.model_dump(by_alias=True, mode="python")
            for pair in pairs
            for doc in pair
            if doc.last is not None
        ]
        if not entries:
            return
        writes = [
            ReplaceOne({"_id": e["_id"]}, _plain(e), upsert=True) for e in entries
        ]
        with translated():
            self.queue.history.bulk_write(writes, ordered=False)

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
