"""Bringing the documents of an older jfcelery to the present layout, one version at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jfcelery.database.connection import translated
from jfcelery.database.documents import SCHEMA_VERSION
from jfcelery.database.records import change_record
from jfcelery.errors import SchemaVersionError
from jfcelery.states import ACTIVE_STATES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from jfcelery.database.connection import QueueDatabase

#: What brings a layout to the next one, by the number of the older. Each may be run again after
#: it was interrupted. The first layout has no older one.
STEPS: dict[int, Callable[[QueueDatabase], None]] = {}
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
