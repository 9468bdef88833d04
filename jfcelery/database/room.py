"""Building indexes where there is room for them.

The embedded server builds an index in one transaction, all of which must stay in its cache. Where
that is too small it moves pages to and fro without end, and answers nobody meanwhile. With 64 MB
this was seen from 40,000 documents of one entry each on, with 128 MB from 80,000, with 256 MB from
140,000.
"""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING, Any

from jfcelery.database.connection import translated
from jfcelery.errors import StateError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pymongo.collection import Collection

    from jfcelery.database.connection import QueueDatabase

    #: An index: fields with their directions, or a single field.
    Keys = Sequence[tuple[str, int]] | str

#: Seconds in which a server that builds an index may end by itself; it does not while it builds.
END_SECONDS = 2.0
#: Documents for each megabyte of the cache: half of what was seen to do.
PER_MEGABYTE = 250
#: Fields that are lists, and the entries that a document is taken to have in an index of one.
LISTS, ENTRIES = frozenset({"parents", "unmet", "job.hosts"}), 4


def check_room(
    queue: QueueDatabase, planned: Sequence[tuple[Collection[dict[str, Any]], Sequence[Keys]]]
) -> None:
    """Refuse to build indexes that the server could not build.

    Args:
        queue: The database.
        planned: Collections, each with indexes that are to be built.

    Raises:
        StateError: It is the embedded one, and its cache too small for so many documents.
    """
    cache = queue.service and queue.service.cache()
    if not cache or not planned:
        return
    need, number, name = max(_need(collection, indexes) for collection, indexes in planned)
    if need > cache:
        raise StateError(
            f"To index the {number} documents of {name!r} the embedded database needs a cache of "
            f"{need}M; it has {cache}M. All indexes are as they were.",
            remedy="Stop all that uses it (jfc runner stop), then begin this command with "
            f"JFCELERY_DATABASE_CACHE={need}M; or use a MongoDB.",
        )


def _need(collection: Collection[dict[str, Any]], indexes: Sequence[Keys]) -> tuple[int, int, str]:
    """Return the megabytes that indexes need, with the number of documents, and whose they are."""
    with translated():
        number = collection.estimated_document_count()
    lists = any(not LISTS.isdisjoint(_fields(keys)) for keys in indexes)
    return ceil(number * (ENTRIES if lists else 1) / PER_MEGABYTE), number, collection.name


def build_indexes(
    queue: QueueDatabase,
    collection: Collection[dict[str, Any]],
    indexes: Sequence[Keys],
    *,
    unique: bool = False,
) -> list[str]:
    """Build indexes for which there is room, and return their names.

    Raises:
        StateError: The server was not done in the time that a command may take; an embedded one is
            then ended, and starts again when it is needed.
    """
    from pymongo import IndexModel
    from pymongo.errors import NetworkTimeout

    options = {"unique": True} if unique else {}
    models = [IndexModel(keys, **options) for keys in indexes]
    with translated():
        try:
            if not collection.estimated_document_count():
                return collection.create_indexes(models)
            return [name for one in models for name in collection.create_indexes([one])]
        except NetworkTimeout as error:
            raise _too_late(queue, collection) from error


def _too_late(queue: QueueDatabase, collection: Collection[dict[str, Any]]) -> StateError:
    remedy = "It may still be at work: wait, then do the same again."
    if queue.service:
        queue.service.stop(grace=END_SECONDS)
        remedy = (
            "It was ended, which undoes the index; it starts again by itself. Begin this command "
            "with a JFCELERY_DATABASE_CACHE that is larger (jfc runner stop before), or use a "
            "MongoDB."
        )
    return StateError(f"The database did not index {collection.name!r} in time.", remedy=remedy)


def _fields(keys: Keys) -> set[str]:
    return {keys} if isinstance(keys, str) else {field for field, _ in keys}
