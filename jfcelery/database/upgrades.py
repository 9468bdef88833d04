"""Bringing the documents of an older jfcelery to the present layout, one version at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jfcelery.database.chunks import chunks
from jfcelery.database.connection import translated
from jfcelery.database.documents import SCHEMA_VERSION
from jfcelery.database.edges import edges_of, is_apart, put_apart
from jfcelery.database.indexes import INDEXES, create_indexes
from jfcelery.database.jobs import Jobs
from jfcelery.database.records import change_record
from jfcelery.errors import SchemaVersionError
from jfcelery.states import ACTIVE_STATES

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from jfcelery.database.connection import QueueDatabase

#: Documents read at once: an old one may name any number of parents.
PIECE = 50
#: Indexes of layout 1 that others have taken the place of.
_RETIRED = frozenset({"_id_1_version_1", "release_1", "worker_1", "inserting_1"})


def put_parents_apart(queue: QueueDatabase) -> None:
    """Layout 2: of a job with many parents, each is an edge, and no entry of its document."""
    jobs = Jobs(queue)
    create_indexes(queue)  # before others are dropped, as there may be no room for it
    _drop_indexes(queue, _RETIRED)
    with translated():
        found = queue.jobs.find({}, {"parents": 1})
        many = [raw["_id"] for raw in found if is_apart(raw.get("parents") or ())]
    for piece in chunks(many, PIECE):
        for doc in jobs.find({"_id": {"$in": piece}}):
            parents = list(dict.fromkeys(doc.parents))
            jobs.edges.replace(edges_of(doc.raw, parents, frozenset(doc.unmet)))
            fields = {"parents": [], "apart": len(parents), "unmet": put_apart(doc.unmet)}
            jobs.update(doc, fields)


def _drop_indexes(queue: QueueDatabase, names: Collection[str]) -> None:
    for attribute in INDEXES:
        collection = getattr(queue, attribute)
        with translated():
            for name in set(collection.index_information()).intersection(names):
                collection.drop_index(name)


#: What brings a layout to the next one, by the number of the older. Each may be run again after
#: it was interrupted. The first layout has no older one.
STEPS: dict[int, Callable[[QueueDatabase], None]] = {1: put_parents_apart}
#: The record that names the layout (see :mod:`jfcelery.database.schema`).
_KEY = "jfcelery"


def layout_of(queue: QueueDatabase) -> int | None:
    """Return the version of the layout that a queue's documents have; None for an empty one."""
    with translated():
        record: dict[str, Any] | None = queue.auxiliary.find_one({"_id": _KEY})
    return None if record is None else int(record["schema"])


def pending(found: int | None) -> list[int]:
    """Return the layouts that have to be brought to their next, in order.

    Args:
        found: The layout of the database.

    Raises:
        SchemaVersionError: A newer version wrote the database, or one that is too old.
    """
    if found is None or found == SCHEMA_VERSION:
        return []
    if found > SCHEMA_VERSION:
        raise SchemaVersionError(
            f"The database has layout {found}; this version of jfcelery knows {SCHEMA_VERSION}.",
            remedy="Install the version of jfcelery that wrote it, or a newer one.",
        )
    wanted = list(range(found, SCHEMA_VERSION))
    if not STEPS.keys() >= set(wanted):
        raise SchemaVersionError(
            f"The database has layout {found}, which this version cannot bring to "
            f"{SCHEMA_VERSION}.",
            remedy="Upgrade with an earlier version of jfcelery first.",
        )
    return wanted


def upgrade(queue: QueueDatabase, layouts: list[int]) -> None:
    """Bring a database to the present layout.

    Args:
        queue: The database, at which nobody else works.
        layouts: What :func:`pending` said.
    """
    for layout in layouts:
        STEPS[layout](queue)
        change_record(queue, _KEY, _becomes(layout))


def jobs_under_way(queue: QueueDatabase) -> int:
    """Return how many jobs a step, or a queue job, may be at work for."""
    query = {"state": {"$in": [state.value for state in ACTIVE_STATES]}}
    with translated():
        return queue.jobs.count_documents(query)


def _becomes(layout: int) -> Callable[[Mapping[str, Any]], dict[str, Any] | None]:
    def change(record: Mapping[str, Any]) -> dict[str, Any] | None:
        return {"schema": layout + 1} if record.get("schema") == layout else None

    return change
