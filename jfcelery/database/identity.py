"""Whose a document is: each carries the name of its project, for databases may be shared."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jfcelery.database.connection import translated
from jfcelery.errors import SchemaVersionError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pymongo.collection import Collection

    from jfcelery.database.connection import QueueDatabase

#: The field with the project's name. Documents of older versions lack it.
PROJECT = "project"


def owned(queue: QueueDatabase, document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a new document with the name of the project that it belongs to."""
    return {**document, PROJECT: queue.project}


def refuse_others(queue: QueueDatabase, *, is_new: bool = False) -> None:
    """Refuse collections that another project, or another program, uses.

    Where the auxiliary collections of two projects differ, only the documents tell that they
    share the others.

    Args:
        queue: The project's database.
        is_new: Whether nothing of the project can be there yet.

    Raises:
        SchemaVersionError: They hold documents of another.
    """
    with translated():
        flow = queue.flows.find_one({}, {PROJECT: 1, "db_id": 1})
        # By a number, of which there is an index: the embedded database looks at all jobs for any.
        number = {"db_id": flow["db_id"]} if flow and flow.get("db_id") else {}
        job = queue.jobs.find_one(number, {PROJECT: 1})
        batch = queue.batches.find_one({}, {PROJECT: 1})
    for collection, found in ((queue.jobs, job), (queue.flows, flow), (queue.batches, batch)):
        if found is None:
            continue
        what = f"Collection {collection.full_name}"
        if PROJECT not in found and is_new:
            raise SchemaVersionError(
                f"{what} of project {queue.project!r} holds documents of another program.",
                remedy="Give the project a database or collections of its own ('queue' in its "
                "file).",
            )
        if (owner := found.get(PROJECT, queue.project)) != queue.project:
            raise belongs_to(queue, str(owner), what)


def adopt(queue: QueueDatabase, collection: Collection[dict[str, Any]]) -> None:
    """Make the documents of a collection, from a backup of another project, the project's own."""
    in_files = collection.full_name.endswith(".files")  # GridFS has its own place for it
    name = f"metadata.{PROJECT}" if in_files else PROJECT
    with translated():
        collection.update_many(
            {name: {"$exists": True, "$ne": queue.project}}, {"$set": {name: queue.project}}
        )


def belongs_to(queue: QueueDatabase, owner: str, what: str = "The database") -> SchemaVersionError:
    """Return the error that something belongs to another project."""
    return SchemaVersionError(
        f"{what} of project {queue.project!r} belongs to project {owner!r}.",
        remedy="Give each project its own database or collections ('queue' in its file). A project "
        "that was renamed: give it its old name, or take its queue along with 'jfc backup'.",
    )
