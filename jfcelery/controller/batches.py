"""The pilots of a project: found, counted, forgotten."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from jfcelery.controller.arguments import several
from jfcelery.controller.filters import JobFilter
from jfcelery.controller.queries import find_jobs
from jfcelery.database.batches import PREFIX, BatchDoc, Batches
from jfcelery.database.connection import translated
from jfcelery.database.hosts import HostRecords

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jfcelery.database.connection import QueueDatabase
    from jfcelery.project import Project
    from jfcelery.states import BatchState

#: Characters of a unique id that name a pilot; fewer may be meant as the id of a queue job.
SHORTEST_UID = 6


class PilotQueries:
    """What the controller knows of pilots; method names as in jobflow-remote."""

    project: Project
    queue: QueueDatabase

    def get_batches(
        self,
        process_id: str | list[str] | None = None,
        batch_uid: str | list[str] | None = None,
        worker: str | list[str] | None = None,
        batch_state: BatchState | list[BatchState] | None = None,
        job_ids: tuple[str, int] | list[tuple[str, int]] | None = None,
        db_ids: str | list[str] | None = None,
        limit: int = 20,
        sort: Sequence[tuple[str, int]] | None = None,
    ) -> list[BatchDoc]:
        """Return pilots; all that is given must hold.

        Args:
            process_id: Ids of their queue jobs.
            batch_uid: Their unique ids.
            worker: Names of workers.
            batch_state: States.
            job_ids: uuid and index of jobs that they have, or had last.
            db_ids: Short ids of such jobs.
            limit: At most so many; 0 for all.
            sort: Fields and directions; by default the newest first.
        """
        query = self._batch_query(process_id, batch_uid, worker, batch_state, job_ids, db_ids)
        order = sort or [("created_on", -1)]
        return list(Batches(self.queue).find(query, sort=order, limit=limit))

    def count_batches(
        self,
        process_id: str | list[str] | None = None,
        batch_uid: str | list[str] | None = None,
        worker: str | list[str] | None = None,
        batch_state: BatchState | list[BatchState] | None = None,
        job_ids: tuple[str, int] | list[tuple[str, int]] | None = None,
        db_ids: str | list[str] | None = None,
    ) -> int:
        """Return how many pilots there are; arguments as for :meth:`get_batches`."""
        query = self._batch_query(process_id, batch_uid, worker, batch_state, job_ids, db_ids)
        with translated():
            return self.queue.batches.count_documents(query)

    def find_batches(self, name: str) -> list[BatchDoc]:
        """Return the pilots that an id of any kind names.

        Args:
            name: Id of the queue job, else the unique id, also with ``jfp-`` before it, or at least
                six characters with which that begins.
        """
        if found := self.get_batches(process_id=name, limit=0):
            return found
        uid = name.removeprefix(PREFIX)
        query = {"_id": {"$gte": uid, "$lt": f"{uid}~"}}
        return list(Batches(self.queue).find(query)) if len(uid) >= SHORTEST_UID else []

    def drain_batches(
        self,
        process_id: str | list[str] | None = None,
        batch_uid: str | list[str] | None = None,
        worker: str | list[str] | None = None,
    ) -> int:
        """Have pilots end the jobs that they have, take no more, and end; return how many.

        One that has not begun is taken out of its queue. While jobs wait in the pool others are
        submitted in their place, as far as ``max_jobs`` lets them.
        """
        query = self._batch_query(process_id, batch_uid, worker)
        docs = Batches(self.queue).drain(query)
        records = HostRecords(self.queue)
        workers = self.project.workers
        for host in {workers[doc.worker].host_key for doc in docs if doc.worker in workers}:
            records.poll_soon(host, timedelta(0))
        return len(docs)

    def delete_batches(
        self,
        process_id: str | list[str] | None = None,
        batch_uid: str | list[str] | None = None,
        worker: str | list[str] | None = None,
        batch_state: BatchState | list[BatchState] | None = None,
    ) -> int:
        """Forget pilots that have ended, and return how many.

        One that has not ended is never forgotten: its jobs could not be given back any more.
        """
        query = self._batch_query(process_id, batch_uid, worker, batch_state)
        ended = {"$and": [query, {"state": "FINISHED"}]}
        with translated():
            return self.queue.batches.delete_many(ended).deleted_count

    def _batch_query(
        self,
        process_id: str | list[str] | None = None,
        batch_uid: str | list[str] | None = None,
        worker: str | list[str] | None = None,
        batch_state: BatchState | list[BatchState] | None = None,
        job_ids: tuple[str, int] | list[tuple[str, int]] | None = None,
        db_ids: str | list[str] | None = None,
    ) -> dict[str, Any]:
        query: dict[str, Any] = {}
        given: dict[str, Any] = {"process_id": process_id, "worker": worker, "state": batch_state}
        for name, value in given.items():
            if values := several(value):
                query[name] = {"$in": [str(one) for one in values]}
        uids = set(several(batch_uid))
        if job_ids or db_ids:
            had = self._pilots_of(job_ids, db_ids)
            uids = uids & had if uids else had
            query["_id"] = {"$in": sorted(uids)}
        elif uids:
            query["_id"] = {"$in": sorted(uids)}
        return query

    def _pilots_of(
        self,
        job_ids: tuple[str, int] | list[tuple[str, int]] | None,
        db_ids: str | list[str] | None,
    ) -> set[str]:
        pairs: Any = (job_ids,) if isinstance(job_ids, tuple) else tuple(job_ids or ())
        docs = [
            doc
            for selected in (JobFilter(job_ids=pairs), JobFilter(db_ids=several(db_ids)))
            if not selected.is_empty
            for doc in find_jobs(self.queue, selected)
        ]
        return {doc.remote.batch_uid for doc in docs if doc.remote.batch_uid}
