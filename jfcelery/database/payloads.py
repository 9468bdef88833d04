"""The serialised jobs, kept apart from the hot documents."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jfcelery.database.connection import translated
from jfcelery.database.failures import failure_key
from jfcelery.database.identity import owned
from jfcelery.database.packed import Packed
from jfcelery.errors import JobNotFoundError

if TYPE_CHECKING:
    from collections.abc import Collection

    from jfcelery.database.connection import QueueDatabase

#: Compressed payloads above this many bytes go to GridFS (a document may hold 16 MB).
LARGE = 8 * 1024 * 1024


def payload_document(queue: QueueDatabase, key: str, job: Packed) -> dict[str, Any]:
    """Return the document that keeps a serialised job, storing a large one in GridFS."""
    packed = job.packed
    if len(packed) <= LARGE:
        return {"_id": key, "z": packed}
    with translated():
        mark = owned(queue, {})
        return {"_id": key, "file": queue.files.upload_from_stream(key, packed, metadata=mark)}


def load_payload(queue: QueueDatabase, key: str) -> dict[str, Any]:
    """Return the serialised job of a job document.

    Raises:
        JobNotFoundError: It is not there.
    """
    with translated():
        document = queue.payloads.find_one({"_id": key})
        if document is None:
            raise JobNotFoundError(f"The content of job {key} is not in the database.")
        packed = document.get("z")
        if packed is None:
            packed = queue.files.open_download_stream(document["file"]).read()
    return Packed(packed).load()


def load_payloads(queue: QueueDatabase, keys: Collection[str], most: int) -> dict[str, Packed]:
    """Return serialised jobs of job documents, by their keys, with one command.

    Not all of them: one that is large or not there, and what does not come any more, is left to
    :func:`load_payload`.

    Args:
        queue: Where they are.
        keys: Of the documents.
        most: Bytes, compressed, after which no more of them are read.
    """
    found: dict[str, Packed] = {}
    size = 0
    with translated():
        for document in queue.payloads.find({"_id": {"$in": list(keys)}}):
            if packed := document.get("z"):
                found[document["_id"]] = Packed(packed)
                size += len(packed)
            if size > most:
                break
    return found


def delete_payloads(queue: QueueDatabase, keys: list[str]) -> None:
    """Delete serialised jobs, those in GridFS too, and the long errors of the jobs."""
    query = {"_id": {"$in": [*keys, *map(failure_key, keys)]}}
    with translated():
        # The file is looked for here: with it in the query the embedded server reads everything.
        for document in queue.payloads.find(query, {"file": 1}):
            if "file" in document:
                queue.files.delete(document["file"])
        queue.payloads.delete_many(query)
