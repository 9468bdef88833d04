"""Small shared records of a project, each changed by compare-and-set until it holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jfcelery.database.connection import translated
from jfcelery.database.identity import owned

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pymongo.collection import Collection

    from jfcelery.database.connection import QueueDatabase


def change_record(
    queue: QueueDatabase,
    key: str,
    change: Callable[[Mapping[str, Any]], Mapping[str, Any] | None],
    *,
    collection: Collection[dict[str, Any]] | None = None,
) -> dict[str, Any] | None:
    """Read a record, compute its new fields, and write them unless it changed meanwhile.

    Args:
        queue: The project's database.
        key: Its ``_id``.
        change: Gets the record (empty where it is missing), returns the fields to set, or None
            to leave it. May be called several times.
        collection: Where it lies; by default among the small records.

    Returns:
        The record as written, or None where ``change`` left it.
    """
    from pymongo.errors import DuplicateKeyError

    records = queue.auxiliary if collection is None else collection
    while True:
        with translated():
            before = records.find_one({"_id": key})
            fields = change(before or {})
            if fields is None:
                return None
            if before is None:
                new = owned(queue, {"_id": key, "version": 1, **fields})
                try:
                    records.insert_one(new)
                except DuplicateKeyError:
                    continue
                return new
            version = before.get("version", 0)
            result = records.update_one(
                {"_id": key, "version": version},
                {"$set": {**fields, "version": version + 1}},
            )
            if result.matched_count:
                return {**before, **fields, "version": version + 1}
