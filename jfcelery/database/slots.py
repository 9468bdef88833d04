"""The places (``max_jobs``) that a worker has in its queue, exact over all processes.

A worker without a limit has no record: its jobs take no places. When the first one asks for one, it
is made, with a place for each job that is in the queue by then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jfcelery.database.connection import translated
from jfcelery.database.records import change_record
from jfcelery.states import QUEUED_STATES

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from jfcelery.database.connection import QueueDatabase


class Slots:
    """The places of one worker: a record that names the jobs that hold them.

    Jobs come as lists: as any sequence, a single id would pass for jobs named by its letters.

    Args:
        queue: The project's database.
        worker: The worker's name.
    """

    def __init__(self, queue: QueueDatabase, worker: str) -> None:
        self.queue = queue
        self.worker = worker
        self.key = f"slots:{worker}"

    def acquire(self, jobs: list[str], limit: int | None) -> set[str]:
        """Take places for jobs, the first ones first, and return those that have one now."""
        if limit is None:
            self._forget()
            return set(jobs)
        got: set[str] = set()

        def take(record: Mapping[str, Any]) -> dict[str, Any] | None:
            nonlocal got
            counted = bool(record.get("counted"))
            held: list[str] = record.get("held", [])
            if not counted:
                held = sorted({*held, *self._queued()})
            new = [job for job in jobs if job not in held][: max(limit - len(held), 0)]
            got = {*new, *(job for job in jobs if job in held)}
            return None if counted and not new else {"held": [*held, *new], "counted": True}

        change_record(self.queue, self.key, take)
        return got

    def _queued(self) -> list[str]:
        """Return the jobs that have a queue job on the worker."""
        states = [state.value for state in QUEUED_STATES]
        queries = (
            {"state": {"$in": states}, "worker": self.worker},
            {"cancel.worker": self.worker},
        )
        return [row["_id"] for query in queries for row in self.queue.jobs.find(query, {"_id": 1})]

    def _forget(self) -> None:
        """Drop the record: from now on jobs come into the queue without a place."""
        with translated():
            self.queue.auxiliary.delete_one({"_id": self.key})

    def release(self, jobs: list[str]) -> bool:
        """Give the places of jobs back, and return whether any had one."""
        return self._drop(frozenset(jobs))

    def held(self) -> list[str]:
        """Return the jobs that hold a place."""
        with translated():
            record = self.queue.auxiliary.find_one({"_id": self.key})
        return list(record.get("held", [])) if record else []

    def keep_only(self, seen: Collection[str], entitled: Collection[str]) -> bool:
        """Drop those of the seen holders that are not entitled; return whether any was.

        Holders that came after ``seen`` was read are left alone.
        """
        return self._drop(frozenset(seen) - frozenset(entitled))

    def _drop(self, jobs: frozenset[str]) -> bool:
        def drop(record: Mapping[str, Any]) -> dict[str, Any] | None:
            held: list[str] = record.get("held", [])
            kept = [job for job in held if job not in jobs]
            return {"held": kept} if len(kept) < len(held) else None

        return bool(jobs) and change_record(self.queue, self.key, drop) is not None
