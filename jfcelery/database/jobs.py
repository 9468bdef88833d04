"""Every change of a job document: a compare-and-set on ``_id`` and ``version``.

Nothing else in jfcelery writes to the jobs. A write that finds another version than it read
raises :class:`~jfcelery.errors.ConflictError` and has changed nothing.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from pydantic import ValidationError

from jfcelery.database.bulk import write_changes
from jfcelery.database.chunks import chunks
from jfcelery.database.connection import translated
from jfcelery.database.documents import JobDoc, job_key
from jfcelery.database.edges import Edges
from jfcelery.database.failures import reason, with_short_errors
from jfcelery.database.flows import Flows
from jfcelery.database.history import History
from jfcelery.errors import ConflictError, JobNotFoundError, TransitionError
from jfcelery.states import JobState, transition

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from datetime import datetime, timedelta

    from jfcelery.database.connection import QueueDatabase

logger = logging.getLogger(__name__)

#: Documents of one bulk write.
BULK = 500
#: Fields that end a lease.
NO_LEASE: dict[str, Any] = {"lock_id": None, "lock_time": None, "lock_until": None}


class Jobs:
    """The job documents of one project's queue.

    Args:
        queue: The open database of the project.
    """

    def __init__(self, queue: QueueDatabase) -> None:
        self.queue = queue
        self.flows = Flows(queue)
        self.edges = Edges(queue)
        self.history = History(queue)

    # ------------------------------------------------------------------ reading

    def get(self, uuid: str, index: int | None = None) -> JobDoc:
        """Return a job by uuid and index, or the newest index of a uuid.

        Raises:
            JobNotFoundError: There is none.
        """
        with translated():
            if index is not None:
                raw = self.queue.jobs.find_one({"_id": job_key(uuid, index)})
            else:
                raw = self.queue.jobs.find_one({"uuid": uuid}, sort=[("index", -1)])
        if raw is None:
            number = "" if index is None else f" (index {index})"
            raise JobNotFoundError(f"No job has the uuid {uuid}{number}.")
        return JobDoc.from_mongo(raw)

    def again(self, doc: JobDoc) -> JobDoc | None:
        """Return a job as it is now, None if it was deleted."""
        return next(self.find({"_id": doc.id}), None)

    def find(
        self,
        query: Mapping[str, Any],
        *,
        sort: Sequence[tuple[str, int]] | None = None,
        limit: int = 0,
    ) -> Iterator[JobDoc]:
        """Yield the jobs that match a query; a damaged document is logged, and passed over."""
        with translated():
            cursor = self.queue.jobs.find(dict(query), limit=limit)
            if sort:
                cursor = cursor.sort(list(sort))
            for raw in cursor:
                if (doc := _readable(raw)) is not None:
                    yield doc

    def keys(self, query: Mapping[str, Any]) -> list[str]:
        """Return the ``_id`` of all jobs that match a query."""
        with translated():
            return [raw["_id"] for raw in self.queue.jobs.find(dict(query), {"_id": 1})]

    def of_keys(self, keys: Iterable[str], state: JobState | None = None) -> Iterator[JobDoc]:
        """Yield the jobs of some ``_id``, in one state or in any."""
        # The state is looked at here: with it in the query the embedded server reads all jobs.
        for piece in chunks(keys, BULK):
            for doc in self.find({"_id": {"$in": piece}}):
                if state is None or doc.state is state:
                    yield doc

    def children(self, uuids: Iterable[str]) -> Iterator[JobDoc]:
        """Yield the jobs that have one of some uuids among their parents; some may come twice."""
        for piece in chunks(uuids, BULK):
            yield from list(self.find({"parents": {"$in": piece}}))
            apart = dict.fromkeys(edge.child for edge in self.edges.to(piece))
            for keys in chunks(apart, BULK):
                # An edge whose job does not know of it was left by somebody who died.
                yield from [doc for doc in self.find({"_id": {"$in": keys}}) if doc.apart]

    def of_worker(self, worker: str, states: Iterable[JobState]) -> Iterator[JobDoc]:
        """Yield the jobs of a worker in some states.

        One query a state: with ``$in`` beside another field the embedded server reads all jobs.
        """
        for state in states:
            yield from self.find({"state": state.value, "worker": worker})

    def now(self) -> datetime:
        """Return the time by the database's clock."""
        return self.queue.clock.now()

    # ------------------------------------------------------------------ writing

    def update(self, doc: JobDoc, fields: Mapping[str, Any]) -> JobDoc:
        """Set fields, dotted ones too, without a change of state.

        Raises:
            ConflictError: The document was changed since it was read.
        """
        if "state" in fields:
            raise TransitionError("a job's state changes by a transition only")
        return self._compare_and_set(doc, fields)

    def update_many(
        self, docs: Sequence[JobDoc], fields: Callable[[JobDoc], Mapping[str, Any]]
    ) -> list[JobDoc]:
        """Set fields of many jobs without a change of state, with few round trips.

        Returns:
            The jobs that were changed; those that somebody else changed first are left out.
        """
        done: list[JobDoc] = []
        for piece in chunks(docs, BULK):
            token = uuid4().hex
            planned = {doc.id: (doc, {**fields(doc), "token": token}) for doc in piece}
            if any("state" in change for _, change in planned.values()):
                raise TransitionError("a job's state changes by a transition only")
            done += self._written(planned, token)
        return done

    def transition(
        self,
        doc: JobDoc,
        event: str,
        target: JobState,
        *,
        by: str,
        why: str = "",
        fields: Mapping[str, Any] | None = None,
    ) -> JobDoc:
        """Change a job's state by a row of the state table, and note it in the history.

        Args:
            doc: The job as it was read.
            event: The row of the state table.
            target: The new state.
            by: Who does it.
            why: The reason, in one line.
            fields: More fields to set, dotted ones too.

        Raises:
            TransitionError: The state table has no such row.
            ConflictError: The document was changed since it was read.
        """
        change = self._change(doc, event, target, by, why, fields)
        self.history.ensure([doc])
        changed = self._compare_and_set(doc, change)
        self.history.record([changed])
        self.flows.moved(doc.flow, {(doc.state, target): 1})
        return changed

    def transition_many(
        self,
        docs: Sequence[JobDoc],
        event: str,
        target: JobState,
        *,
        by: str,
        why: str | Callable[[JobDoc], str] = "",
        fields: Mapping[str, Any] | Callable[[JobDoc], Mapping[str, Any]] | None = None,
    ) -> list[JobDoc]:
        """Change the state of many jobs alike, with few round trips.

        Args:
            docs: The jobs as they were read.
            event: The row of the state table.
            target: The new state.
            by: Who does it.
            why: The reason, in one line, or what returns that of one job.
            fields: More fields to set, or what returns those of one job.

        Returns:
            The jobs that were changed; those that somebody else changed first are left out.

        Raises:
            TransitionError: For one of the jobs the state table has no such row; none is changed.
        """
        for doc in docs:
            transition(event, doc.state, target)
        done: list[JobDoc] = []
        for piece in chunks(docs, BULK):
            done += self._transition_piece(piece, event, target, by, why, fields)
        return done

    def _transition_piece(
        self,
        docs: list[JobDoc],
        event: str,
        target: JobState,
        by: str,
        why: str | Callable[[JobDoc], str],
        fields: Mapping[str, Any] | Callable[[JobDoc], Mapping[str, Any]] | None,
    ) -> list[JobDoc]:
        token, now = uuid4().hex, self.now()
        planned = {}
        for doc in docs:
            extra = fields(doc) if callable(fields) else fields
            reason_of = why(doc) if callable(why) else why
            change = self._change(doc, event, target, by, reason_of, extra, now=now)
            planned[doc.id] = (doc, change | {"token": token})
        self.history.ensure(docs)
        changed = self._written(planned, token)
        moved: dict[str, dict[tuple[JobState, JobState], int]] = {}
        for after in changed:
            doc, _ = planned[after.id]
            step = moved.setdefault(doc.flow, {})
            step[doc.state, target] = step.get((doc.state, target), 0) + 1
        self.history.record(changed)
        for flow, step in moved.items():
            self.flows.moved(flow, step)
        return changed

    def _written(
        self, planned: Mapping[str, tuple[JobDoc, dict[str, Any]]], token: str
    ) -> list[JobDoc]:
        """Write planned changes, and return the jobs that we changed; the token tells which."""
        ours = list(planned)
        if write_changes(self.queue, list(planned.values())) < len(planned):
            with translated():
                written = self.queue.jobs.find({"_id": {"$in": ours}}, {"token": 1})
                ours = [raw["_id"] for raw in written if raw.get("token") == token]
        changed = []
        for doc, change in map(planned.__getitem__, ours):
            changed.append(doc.with_fields(change | {"version": doc.version + 1}))
        return changed

    def _change(
        self,
        doc: JobDoc,
        event: str,
        target: JobState,
        by: str,
        why: str,
        fields: Mapping[str, Any] | None,
        *,
        now: datetime | None = None,
    ) -> dict[str, Any]:
        transition(event, doc.state, target)
        extra = dict(fields or {})
        now = now or self.now()
        if doc.last:  # written by another process, to whom the database's time seemed to be later
            now = max(now, doc.last.at)
        last = {
            "_id": f"{doc.id}:{doc.version + 1}",
            "uuid": doc.uuid,
            "index": doc.index,
            "db_id": doc.db_id,
            "flow": doc.flow,
            "number": doc.version + 1,
            "event": event,
            "source": doc.state.value,
            "target": target.value,
            "by": by,
            "why": reason(self.queue.redact(why)),
            "attempt": extra.get("attempt", doc.attempt),
            "at": now,
        }
        return {
            "state": target.value,
            "previous_state": doc.state.value,
            "updated_on": now,
            "last": last,
            **extra,
        }

    def _compare_and_set(self, doc: JobDoc, fields: Mapping[str, Any]) -> JobDoc:
        # The token tells our own write, acknowledged or not, from somebody else's.
        change = with_short_errors(self.queue, doc, fields) | {"token": uuid4().hex}
        with translated():
            result = self.queue.jobs.update_one(
                {"_id": doc.id, "version": doc.version},
                {"$set": change, "$inc": {"version": 1}},
            )
            if not result.matched_count:
                found = self.queue.jobs.find_one({"_id": doc.id}, {"token": 1})
                if found is None or found.get("token") != change["token"]:
                    raise ConflictError(f"Job {doc.db_id} was changed by somebody else meanwhile.")
        return doc.with_fields({**change, "version": doc.version + 1})

    # ------------------------------------------------------------------ leases

    def acquire(self, doc: JobDoc, owner: str, term: timedelta) -> JobDoc:
        """Take the lease of a job.

        Raises:
            ConflictError: Somebody else holds it, or was faster.
        """
        now = self.now()
        if doc.is_locked(now):
            raise ConflictError(f"Job {doc.db_id} is in the hands of {doc.lock_id}.")
        fields = {
            "lock_id": owner,
            "lock_time": now,
            "lock_until": now + term,
            "fence": doc.fence + 1,
        }
        return self._compare_and_set(doc, fields)

    def renew(self, doc: JobDoc, term: timedelta) -> JobDoc:
        """Prolong a lease that is still ours.

        Raises:
            ConflictError: It is not ours any more.
        """
        return self.while_ours(doc, {"lock_until": self.now() + term})

    def release(self, doc: JobDoc, fields: Mapping[str, Any] | None = None) -> JobDoc:
        """Give the lease back, setting other fields with it.

        Raises:
            ConflictError: It is not ours any more.
        """
        return self.while_ours(doc, {**NO_LEASE, **(fields or {})})

    def while_ours(self, doc: JobDoc, fields: Mapping[str, Any]) -> JobDoc:
        """Set fields as long as the lease under which the document was read is in force.

        Raises:
            ConflictError: The lease was fenced off, or the job got a new epoch.
        """
        while True:
            try:
                return self._compare_and_set(doc, fields)
            except ConflictError:
                doc = self.still_ours(doc)

    def still_ours(self, doc: JobDoc) -> JobDoc:
        """Return the job as it is now, if the lease under which it was read is in force.

        Raises:
            ConflictError: The lease was fenced off, or the job got a new epoch or state.
        """
        now = self.again(doc)
        if now is None:
            raise ConflictError(f"Job {doc.db_id} was deleted.")
        mine = (doc.lock_id, doc.fence, doc.epoch, doc.state)
        if (now.lock_id, now.fence, now.epoch, now.state) != mine:
            raise ConflictError(f"Job {doc.db_id} was taken over by {now.lock_id or 'a user'}.")
        return now


def _readable(raw: Mapping[str, Any]) -> JobDoc | None:
    """Return a job, or None where its document is damaged: it must not stand in others' way."""
    try:
        return JobDoc.from_mongo(raw)
    except ValidationError as error:
        logger.error("The document of job %s cannot be read: %s", raw.get("_id"), error)  # noqa: TRY400 - the trace says nothing
        return None
