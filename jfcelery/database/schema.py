"""The version of the documents' layout, checked before anything else is read or written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jfcelery.database.connection import translated
from jfcelery.database.documents import SCHEMA_VERSION
from jfcelery.database.identity import belongs_to, refuse_others
from jfcelery.database.indexes import create_indexes
from jfcelery.database.records import change_record
from jfcelery.errors import SchemaVersionError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jfcelery.database.connection import QueueDatabase

_KEY = "jfcelery"


def prepare(queue: QueueDatabase) -> None:
    """Make a new database ready, or check that an old one is ours and of this version.

    Raises:
        SchemaVersionError: It belongs to another project, or another version wrote it.
    """
    with translated():
        record = queue.auxiliary.find_one({"_id": _KEY})
    if record is None:
        _refuse_foreign(queue)
        refuse_others(queue, is_new=True)
        create_indexes(queue)
        first = {"schema": SCHEMA_VERSION, "project": queue.project}

        def create(old: Mapping[str, Any]) -> dict[str, Any] | None:
            return None if old else first

        change_record(queue, _KEY, create)
        return
    if record["schema"] != SCHEMA_VERSION:
        is_newer = record["schema"] > SCHEMA_VERSION
        raise SchemaVersionError(
            f"The database of project {queue.project!r} has layout {record['schema']}, "
            f"this version of jfcelery needs {SCHEMA_VERSION}.",
            remedy="Install the version of jfcelery that wrote it, or a newer one."
            if is_newer
            else "Run: jfc admin upgrade",
        )
    if record["project"] != queue.project:
        raise belongs_to(queue, record["project"])
    refuse_others(queue)


def _refuse_foreign(queue: QueueDatabase) -> None:
    """Refuse a database in which jobflow-remote works: a project file may have been copied."""
    with translated():
        foreign = queue.auxiliary.find_one({"jobflow_remote_version": {"$exists": True}})
    if foreign is not None:
        raise SchemaVersionError(
            f"The database of project {queue.project!r} belongs to jobflow-remote.",
            remedy="Give the project a database of its own (leave 'queue' out, or name another), "
            "then take the queue over: jfc admin import FILE",
        )
