"""The indexes of the queue's collections: one for every query that a step or listing makes.

The embedded server uses an index only if the index's leading fields cover all fields of the
filter, hence the number of them; a field of which a filter names several values must be the last
of these, else it reads the whole collection.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jfcelery.database.connection import translated
from jfcelery.database.room import build_indexes, check_room

if TYPE_CHECKING:
    from collections.abc import Callable

    from pymongo.collection import Collection

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


#: How many there are in all.
NUMBER = sum(map(len, INDEXES.values()))


def create_indexes(
    queue: QueueDatabase, progress: Callable[[int], object] = lambda _: None
) -> list[str]:
    """Create the missing indexes, and return the names of all.

    Args:
        queue: The project's database.
        progress: Is called with the number of those that are there.

    Raises:
        StateError: There is no room for one (see :mod:`jfcelery.database.room`).
    """
    missing = {}
    for attribute, wanted in INDEXES.items():
        there = _names(getattr(queue, attribute))
        if new := [keys for keys in wanted if _name(keys) not in there]:
            missing[attribute] = new
    check_room(queue, [(getattr(queue, attribute), new) for attribute, new in missing.items()])
    done = NUMBER - sum(map(len, missing.values()))
    for attribute, new in missing.items():
        build_indexes(queue, getattr(queue, attribute), new)
        progress(done := done + len(new))
    return [_name(keys) for wanted in INDEXES.values() for keys in wanted]


def rebuild_indexes(
    queue: QueueDatabase, progress: Callable[[int], object] = lambda _: None
) -> list[str]:
    """Drop and create all indexes, one after the other; drop those that are not ours.

    Nothing is dropped before it is known that there is room for all.

    Args:
        queue: The project's database.
        progress: Is called with the number of those that are done.

    Raises:
        StateError: There is no room for one (see :mod:`jfcelery.database.room`).
    """
    check_room(
        queue, [(getattr(queue, attribute), all_of) for attribute, all_of in INDEXES.items()]
    )
    names: list[str] = []
    for attribute, wanted in INDEXES.items():
        collection = getattr(queue, attribute)
        ours = {_name(keys): keys for keys in wanted}
        there = _names(collection)
        for name in there - ours.keys():
            _drop(collection, name)
        for name, keys in ours.items():
            try:
                if name in there:
                    _drop(collection, name)
            finally:  # also where a person does not want to wait
                names += build_indexes(queue, collection, [keys])
            progress(len(names))
    return names


def _drop(collection: Collection[dict[str, Any]], name: str) -> None:
    with translated():
        collection.drop_index(name)


def _names(collection: Collection[dict[str, Any]]) -> set[str]:
    """Return the names of the indexes that a collection has, but for that of the primary key."""
    with translated():
        return set(collection.index_information()) - {"_id_"}


def _name(keys: list[tuple[str, int]]) -> str:
    """Return the name that MongoDB gives an index."""
    return "_".join(f"{field}_{direction}" for field, direction in keys)
