"""The places (``max_jobs``) that a worker has in its queue, exact over all processes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jfcelery.database.connection import translated
from jfcelery.database.records import change_record

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from jfcelery.database.connection import QueueDatabase


class Slots:
    """The places of one worker: a record that names the jobs that hold them.

    Args:
        queue: The project's database.
        worker: The worker's name.
    """

    def __init__(self, queue: QueueDatabase, worker: str) -> None:
        self.queue = queue
        self.key = f"slots:{worker}"

    def acquire(self, job: str, limit: int | None) -> bool:
        """Take a place for a job, and return whether it has one now."""
        if limit is None:
            return True
        got = False

        def take(record: Mapping[str, Any]) -> dict[str, Any] | None:
            nonlocal got
            held: list[str] = record.get("held", [])
            got = job in held or len(held) < limit
            return {"held": [*held, job]} if got and job not in held else None

        change_record(self.queue, self.key, take)
        return got

    def release(self, job: str) -> bool:
        """Give a job's place back, and return whether it had one."""

        def drop(record: Mapping[str, Any]) -> dict[str, Any] | None:
            held: list[str] = record.get("held", [])
            return {"held": [j for j in held if j != job]} if job in held else None

        return change_record(self.queue, self.key, drop) is not None

    def held(self) -> list[str]:
        """Return the jobs that hold a place."""
        with translated():
            record = self.queue.auxiliary.find_one({"_id": self.key})
        return list(record.get("held", [])) if record else []

    def keep_only(self, seen: Collection[str], entitled: Collection[str]) -> bool:
        """Drop those of the seen holders that are not entitled; return whether any was.

        Holders that came after ``seen`` was read are left alone.
        """
        lost = set(seen) - set(entitled)

        def drop(record: Mapping[str, Any]) -> dict[str, Any] | None:
            held: list[str] = record.get("held", [])
            kept = [job for job in held if job not in lost]
            return {"held": kept} if len(kept) < len(held) else None

        return bool(lost) and change_record(self.queue, self.key, drop) is not None
