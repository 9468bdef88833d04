"""What an administrator does with a queue: empty it, index it, end leases, upgrade it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jfcelery.controller.backup import collections
from jfcelery.controller.outputs import connected_store
from jfcelery.database import room
from jfcelery.database.connection import translated
from jfcelery.database.indexes import create_indexes, rebuild_indexes
from jfcelery.database.jobs import NO_LEASE, Jobs
from jfcelery.database.schema import prepare
from jfcelery.errors import ConflictError, InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from jfcelery.database.connection import QueueDatabase
    from jfcelery.database.documents import JobDoc
    from jfcelery.project import Project

#: An index: a field, or fields with their directions.
Index = str | list[tuple[str, int]]
#: Collections on which a person may create indexes.
INDEXED = ("jobs", "flows", "auxiliary")


def reset(project: Project, queue: QueueDatabase, *, outputs: bool = False) -> None:
    """Empty a queue: all jobs, flows, history, payloads.

    Args:
        project: The project.
        queue: Its database.
        outputs: Whether all outputs in the project's JobStores are removed, too.
    """
    if outputs:
        for name in (None, *project.optional_jobstores):
            store = connected_store(project, name)
            try:
                store.remove_docs({})
                for additional in (store.additional_stores or {}).values():  # type: ignore[has-type]
                    additional.remove_docs({})
            finally:
                store.close()
    with translated():
        for collection in collections(queue).values():
            collection.drop()
    prepare(queue)


def build_indexes(
    queue: QueueDatabase,
    *,
    drop: bool = False,
    jobs: Sequence[Index] = (),
    flows: Sequence[Index] = (),
    progress: Callable[[int], object] = lambda _: None,
) -> list[str]:
    """Create the missing indexes of a queue.

    Args:
        queue: The project's database.
        drop: Whether to build all anew, and to drop those of a person's own.
        jobs: Further indexes on jobs.
        flows: Further indexes on flows.
        progress: Is called with the number of those that are done, of :data:`NUMBER`.

    Returns:
        The names of the indexes.

    Raises:
        StateError: There is no room for one (see :mod:`jfcelery.database.room`).
    """
    names = rebuild_indexes(queue, progress) if drop else create_indexes(queue, progress)
    names += create_index(queue, jobs, collection="jobs")
    return names + create_index(queue, flows, collection="flows")


def create_index(
    queue: QueueDatabase,
    indexes: Sequence[Index],
    *,
    collection: str = "jobs",
    unique: bool = False,
) -> list[str]:
    """Create indexes of a person's own, and return their names.

    Raises:
        InputError: There is no such collection.
        StateError: There is no room for one (see :mod:`jfcelery.database.room`).
    """
    if collection not in INDEXED:
        raise InputError(
            f"There is no collection {collection!r}.", remedy=f"Collections: {', '.join(INDEXED)}"
        )
    chosen = getattr(queue, collection)
    if not indexes:
        return []
    room.check_room(queue, [(chosen, indexes)])
    return room.build_indexes(queue, chosen, indexes, unique=unique)


def end_leases(jobs: Jobs, docs: Iterable[JobDoc]) -> list[str]:
    """End the leases of jobs: steps that still work on them are fenced off.

    Leases end by themselves; this is only to have it sooner.

    Returns:
        The short ids of the jobs that had one.
    """
    ended = []
    for found in docs:
        doc = found
        while doc.lock_id is not None:
            try:
                jobs.update(doc, {**NO_LEASE, "fence": doc.fence + 1})
            except ConflictError:
                doc = jobs.get(doc.uuid, doc.index)
                continue
            ended.append(doc.db_id)
            break
    return ended
