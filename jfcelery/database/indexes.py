"""The indexes of the queue's collections: one for every query that a step or listing makes.

The embedded server uses an index only if the index's leading fields cover all fields of the
filter, hence the number of them; a field of which a filter names several values must be the last
of these, else it reads the whole collection.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from jfcelery.database.connection import translated

if TYPE_CHECKING:
    from jfcelery.database.connection import QueueDatabase

#: collection attribute: its indexes, each a list of (field, direction).
INDEXES: dict[str, list[list[tuple[str, int]]]] = {
    "jobs": [
        [("version", 1), ("_id", 1)],
        [("uuid", 1), ("index", -1)],
        [("db_id", 1)],
        [("flow", 1), ("state", 1)],
        [("state", 1), ("worker", 1), ("priority", -1), ("created_on", 1)],
        [("worker", 1), ("state", 1)],
        [("unmet", 1)],
        [("parents", 1)],
        [("generator", 1)],
        [("release", 1), ("flow", 1)],
        [("cancel.worker", 1)],
        [("updated_on", -1)],
        [("created_on", -1)],
        [("job.name", 1)],
        [("job.hosts", 1)],
        [("error_class", 1)],
        [("remote.process_id", 1)],
    ],
    "flows": [
        [("version", 1), ("_id", 1)],
        [("inserting", 1), ("_id", 1)],
        [("state", 1)],
        [("updated_on", -1)],
        [("created_on", -1)],
        [("name", 1)],
    ],
    "history": [[("uuid", 1), ("index", 1)], [("flow", 1)], [("at", -1)]],
    "edges": [
        [("version", 1), ("_id", 1)],
        [("child", 1), ("met", 1), ("_id", 1)],
        [("parent", 1)],
        [("flow", 1)],
    ],
    "batches": [
        [("version", 1), ("_id", 1)],
        [("worker", 1), ("state", 1)],
        [("worker", 1), ("created_on", -1)],
    ],
    "auxiliary": [[("version", 1), ("_id", 1)]],
}


def create_indexes(queue: QueueDatabase) -> list[str]:
    """Create the missing indexes, and return the names of all."""
    from pymongo import IndexModel

    names: list[str] = []
    with translated():
        for attribute, keys in INDEXES.items():
            collection = getattr(queue, attribute)
            names += collection.create_indexes([IndexModel(key) for key in keys])
    return names


def rebuild_indexes(queue: QueueDatabase) -> list[str]:
    """Drop and create all indexes."""
    with translated():
        for attribute in INDEXES:
            getattr(queue, attribute).drop_indexes()
    return create_indexes(queue)
