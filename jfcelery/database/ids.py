"""The short ids (``db_id``) under which people know their jobs."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

from jfcelery.database.connection import translated
from jfcelery.database.records import change_record

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from jfcelery.database.connection import QueueDatabase

#: The record in the auxiliary collection that counts.
_KEY = "next_id"


def reserve_ids(queue: QueueDatabase, number: int, prefix: str = "") -> list[str]:
    """Reserve short ids that nobody else gets.

    Args:
        queue: The project's database.
        number: How many.
        prefix: What stands before each (``db_id_prefix`` of the project file).
    """

    def advance(record: Mapping[str, Any]) -> dict[str, Any]:
        return {"next_id": record.get("next_id", 1) + number}

    record = change_record(queue, _KEY, advance) or {}
    end = int(record["next_id"])
    return [f"{prefix}{i}" for i in range(end - number, end)]


def ids_given(queue: QueueDatabase) -> int:
    """Return how many short ids were reserved; there are no more jobs than that."""
    with translated():
        record = queue.auxiliary.find_one({"_id": _KEY}) or {}
    return int(record.get("next_id", 1)) - 1


def id_number(db_id: str) -> tuple[int, str]:
    """Return what a ``db_id`` sorts by: its number, then its prefix."""
    digits = len(db_id) - len(db_id.rstrip("0123456789"))
    return (int(db_id[-digits:]) if digits else 0, db_id)


def ids_from(db_id: str) -> Iterator[str]:
    """Yield a short id and those that follow it, as jobs that are added together have them."""
    first, _ = id_number(db_id)
    prefix = db_id.removesuffix(str(first))
    return (f"{prefix}{number}" for number in count(first))
