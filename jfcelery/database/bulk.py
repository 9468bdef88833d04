"""Writing to many documents with few commands.

Each change of a job is a compare-and-set on ``_id`` and ``version`` as everywhere. A hundred
updates of one document each cost the embedded server a hundred commits; one update of a hundred
documents costs a tenth of that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jfcelery.database.chunks import chunks
from jfcelery.database.connection import translated

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pymongo.collection import Collection

    from jfcelery.database.connection import QueueDatabase
    from jfcelery.database.documents import JobDoc

#: Fields of a job's last change that follow from the job's document.
_OF_THE_JOB = ("uuid", "index", "db_id", "flow")
#: Fewer documents than this are not worth a command of their own.
_ALIKE = 3
#: Documents of one deletion.
PIECE = 500
#: The server's code for a document that is there already.
_DUPLICATE = 11000


def insert_new(
    collection: Collection[dict[str, Any]], batch: Sequence[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Insert documents, and return those whose ``_id`` is there already; they stay as they are."""
    from pymongo.errors import BulkWriteError

    try:
        with translated():
            collection.insert_many(batch, ordered=False)
    except BulkWriteError as error:
        failed = error.details["writeErrors"]
        if any(one["code"] != _DUPLICATE for one in failed):
            raise
        return [batch[one["index"]] for one in failed]
    return []


def delete_all(collection: Collection[dict[str, Any]], query: Mapping[str, Any]) -> None:
    """Delete the documents that a query finds, however many, by commands of bounded size."""
    with translated():
        keys = [raw["_id"] for raw in collection.find(query, {"_id": 1})]
        for piece in chunks(keys, PIECE):
            collection.delete_many({"_id": {"$in": piece}})


def write_changes(queue: QueueDatabase, planned: Sequence[tuple[JobDoc, Mapping[str, Any]]]) -> int:
    """Write planned changes.

    Args:
        queue: The project's database.
        planned: Documents as they were read, with the fields to set.

    Returns:
        How many documents had the version that was read, and were changed.
    """
    from pymongo import UpdateMany, UpdateOne

    groups: dict[tuple[Any, ...], list[tuple[JobDoc, Mapping[str, Any]]]] = {}
    for doc, change in planned:
        groups.setdefault(_key(doc, change), []).append((doc, change))
    writes: list[UpdateOne | UpdateMany] = []
    for members in groups.values():
        if len(members) < _ALIKE:
            writes += [
                UpdateOne(
                    {"_id": doc.id, "version": doc.version},
                    {"$set": dict(change), "$inc": {"version": 1}},
                )
                for doc, change in members
            ]
            continue
        first, change = members[0]
        ids = [doc.id for doc, _ in members]
        query = {"_id": {"$in": ids}, "version": first.version}
        writes.append(UpdateMany(query, [{"$set": _alike(first, change)}]))
    with translated():
        return queue.jobs.bulk_write(writes, ordered=False).matched_count


def _key(doc: JobDoc, change: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return what is the same for all documents that change alike."""
    last = change.get("last") or {}
    rest = {name: value for name, value in change.items() if name != "last"}
    same = (last.get(name) for name in ("source", "attempt", "at"))
    return (doc.version, *same, repr(rest))


def _alike(doc: JobDoc, change: Mapping[str, Any]) -> dict[str, Any]:
    """Return a change of one document as one that fits all that change alike."""
    stage: dict[str, Any] = {
        name: {"$literal": value} for name, value in change.items() if name != "last"
    }
    number = doc.version + 1
    if "last" not in change:
        return {**stage, "version": {"$literal": number}}
    last: dict[str, Any] = {n: {"$literal": value} for n, value in change["last"].items()}
    last |= {name: f"${name}" for name in _OF_THE_JOB}
    last["_id"] = {"$concat": ["$_id", f":{number}"]}
    return {**stage, "last": last, "version": {"$literal": number}}
