"""The append-only record of every change of a job's state."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING

from jfcelery.database.bulk import insert_new
from jfcelery.database.connection import translated
from jfcelery.database.documents import Change, JobDoc
from jfcelery.database.identity import owned

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jfcelery.database.connection import QueueDatabase


#: From so many entries on, those that are there already are looked up first and left alone.
MANY = 10


class _Written:
    """Keys of the entries that this process knows to be written, the newest of them."""

    #: How many are remembered; a forgotten one is only written again.
    SIZE = 20_000

    def __init__(self) -> None:
        self._keys: OrderedDict[str, None] = OrderedDict()
        self._lock = threading.Lock()

    def holds(self, key: str) -> bool:
        """Return whether an entry is known to be written."""
        return key in self._keys

    def add(self, key: str) -> None:
        """Remember that an entry is written."""
        with self._lock:
            self._keys[key] = None
            while len(self._keys) > self.SIZE:
                self._keys.popitem(last=False)


_written = _Written()


class History:
    """The history collection of one project's queue.

    A process may die between a job's change and its entry here. The job's document carries its
    last change until the next, so whoever changes it next, or reads its history, makes the entry
    up first.
    """

    def __init__(self, queue: QueueDatabase) -> None:
        self.queue = queue

    def ensure(self, docs: Sequence[JobDoc]) -> None:
        """Write the last changes of documents that are about to change, where it is not known."""
        self.record([doc for doc in docs if doc.last and not _written.holds(self._key(doc.last))])

    def record(self, docs: Sequence[JobDoc]) -> None:
        """Write the last changes of documents."""
        changes = [doc.last for doc in docs if doc.last is not None]
        if not changes:
            return
        entries = {
            change.id: owned(self.queue, _plain(change.model_dump(by_alias=True, mode="python")))
            for change in changes
        }
        if len(entries) > MANY:
            with translated():
                there = self.queue.history.find({"_id": {"$in": list(entries)}}, {"_id": 1})
                for row in there:
                    del entries[row["_id"]]
        self._write(list(entries.values()))
        for change in changes:
            _written.add(self._key(change))

    def _key(self, change: Change) -> str:
        return f"{self.queue.history.full_name}:{change.id}"

    def _write(self, entries: list[dict[str, object]]) -> None:
        """Write entries; what somebody else made up meanwhile is the same."""
        from pymongo import ReplaceOne

        if not entries:
            return
        if len(entries) <= MANY:
            writes = [ReplaceOne({"_id": e["_id"]}, e, upsert=True) for e in entries]
            with translated():
                self.queue.history.bulk_write(writes, ordered=False)
            return
        insert_new(self.queue.history, entries)

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
