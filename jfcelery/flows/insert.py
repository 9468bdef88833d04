"""Adding the jobs of a flow to the queue, in bulk."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from jfcelery.database.chunks import chunks
from jfcelery.database.connection import translated
from jfcelery.database.documents import JobDoc, job_key
from jfcelery.database.edges import edges_of, is_apart, put_apart
from jfcelery.database.identity import owned
from jfcelery.database.ids import reserve_ids
from jfcelery.database.payloads import payload_document
from jfcelery.errors import ConflictError, InputError
from jfcelery.flows.insertion import inserter, insertion_of, make_way, undo_insertion
from jfcelery.flows.storing import BULK, insert_documents
from jfcelery.states import FlowState, JobState

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from jfcelery.database.connection import QueueDatabase
    from jfcelery.database.edges import Edge
    from jfcelery.flows.entries import FlowEntries
    from jfcelery.flows.entry import JobEntry


@dataclass(frozen=True, kw_only=True)
class Placement:
    """Where and how the jobs of a flow run, where a job itself says nothing else.

    Args:
        worker: Name of the worker.
        exec_config: Name of an execution configuration, or one as a dict.
        resources: Resources for the scheduler.
        priority: Jobs of higher priority are taken first.
    """

    worker: str
    exec_config: str | dict[str, Any] | None = None
    resources: dict[str, Any] | None = None
    priority: int = 0


def add_flow(
    queue: QueueDatabase,
    entries: FlowEntries,
    placement: Placement,
    *,
    jobstore: str | None = None,
    id_prefix: str = "",
) -> list[str]:
    """Add a flow: all of it, or nothing.

    The flow's document comes first and says ``inserting`` until all jobs are in; until then the
    checkout passes its jobs over. What an interrupted insertion leaves is removed by the next one
    of the same jobs on this machine, or by the sweeper.

    Returns:
        The short ids of its jobs.

    Raises:
        InputError: The flow, or one of its jobs, is in the queue already.
        ConflictError: It is being inserted by another process, or took so long that the sweeper
            took it for interrupted, and removed it.
    """
    _refuse_known(queue, entries)
    now = queue.clock.now()
    pasts = _pasts(queue, entries.jobs)
    ids = reserve_ids(queue, len(entries.jobs), id_prefix)
    awaited = {entry.uuid for entry in entries.jobs}
    awaited |= existing({p for e in entries.jobs for p in e.parents} - awaited, queue)
    new = (
        NewJob.of(
            entry,
            placement,
            flow=entries.uuid,
            db_id=db_id,
            now=now,
            unmet=[p for p in entry.parents if p in awaited],
            past=pasts.get(job_key(entry.uuid, entry.index), Past()),
        )
        for entry, db_id in zip(entries.jobs, ids, strict=True)
    )
    counts = _counts(entries, awaited)
    flow: dict[str, Any] = {
        "_id": entries.uuid,
        "uuid": entries.uuid,
        "db_id": ids[0] if ids else None,
        "name": entries.name,
        "state": (FlowState.READY if JobState.READY in counts else FlowState.WAITING).value,
        "metadata": entries.metadata,
        "jobstore": jobstore,
        "counts": counts,
        "created_on": now,
        "updated_on": now,
        "version": 1,
        "inserting": True,
        "inserter": inserter(),
    }
    _insert_flow(queue, flow)
    try:
        _insert(queue, new)
        _end_insertion(queue, flow)
    except BaseException:
        undo_insertion(queue, entries.uuid, flow["inserter"])
        raise
    return ids


def _counts(entries: FlowEntries, awaited: AbstractSet[str]) -> dict[str, int]:
    """Return how many of a flow's jobs are new in each state."""
    waiting = sum(not awaited.isdisjoint(entry.parents) for entry in entries.jobs)
    numbers = {JobState.WAITING: waiting, JobState.READY: len(entries.jobs) - waiting}
    return {state.value: number for state, number in numbers.items() if number}


def _refuse_known(queue: QueueDatabase, entries: FlowEntries) -> None:
    make_way(queue, entries.uuid)
    for piece in chunks((job_key(e.uuid, e.index) for e in entries.jobs), BULK):
        while known := _any_of(queue, piece):
            if not make_way(queue, known["flow"]):
                raise InputError(
                    f"Job {known['job']['name']!r} is in the queue already, as {known['db_id']}.",
                    remedy=f"Make it anew to run it twice; 'jfc job rerun {known['db_id']}' runs "
                    "it again.",
                )


def _any_of(queue: QueueDatabase, keys: Sequence[str]) -> dict[str, Any] | None:
    """Return what is known of one of some jobs, if one of them is in the queue."""
    fields = {"db_id": 1, "job.name": 1, "flow": 1}
    with translated():
        return queue.jobs.find_one({"_id": {"$in": keys}}, fields)


def _insert_flow(queue: QueueDatabase, flow: dict[str, Any]) -> None:
    from pymongo.errors import DuplicateKeyError

    try:
        with translated():
            queue.flows.insert_one(owned(queue, flow))
    except DuplicateKeyError:
        raise InputError(f"Flow {flow['name']!r} is in the queue already.") from None


def _end_insertion(queue: QueueDatabase, flow: Mapping[str, Any]) -> None:
    with translated():
        result = queue.flows.update_one(
            insertion_of(flow["_id"], flow["inserter"]),
            {"$set": {"inserting": False, "version": 2}, "$unset": {"inserter": ""}},
        )
    if not result.matched_count:
        raise ConflictError(
            f"Flow {flow['name']!r} took so long to be added that it was removed as interrupted.",
            remedy="Submit it again.",
        )


@dataclass(frozen=True)
class Past:
    """What is left of a job of the same uuid and index that was in the queue before.

    Args:
        number: Number of the new job's first change: its history is carried on.
        attempt: The last attempt of the earlier job: the new one must not take over its run
            folder, its queue job or its messages.
    """

    number: int = 1
    attempt: int = 0


def _pasts(queue: QueueDatabase, entries: Iterable[JobEntry]) -> dict[str, Past]:
    """Return the past of those jobs that were in the queue before, by key.

    A job is made again, with the uuid and index of one that was deleted or archived, when that
    one's flow is submitted again, or the job that made it is rerun.
    """
    last: dict[str, tuple[int, str]] = {}
    attempts: dict[str, int] = {}
    for piece in chunks({entry.uuid for entry in entries}, BULK):
        with translated():
            for change in queue.history.find({"uuid": {"$in": piece}}):
                key = job_key(change["uuid"], change["index"])
                last[key] = max(last.get(key, (0, "")), (change["number"], change["event"]))
                attempts[key] = max(attempts.get(key, 0), change.get("attempt", 0))
    # An interrupted insertion may have noted itself already.
    return {
        key: Past(number if event == "insert" else number + 1, attempts[key])
        for key, (number, event) in last.items()
    }


def add_dynamic(
    queue: QueueDatabase,
    entries: Iterable[JobEntry],
    placement: Placement,
    *,
    flow: str,
    generator: str,
    extra_parents: Sequence[str] = (),
    id_prefix: str = "",
) -> int:
    """Add jobs that a running job made; adding them again changes nothing.

    Args:
        queue: The project's database.
        entries: The new jobs.
        placement: Where they run unless they say otherwise.
        flow: The flow that they join.
        generator: Key of the job that made them; they stay WAITING until its end is committed.
        extra_parents: uuids that jobs without a parent among the new ones have to wait for.
        id_prefix: What stands before each short id.

    Returns:
        How many were new.
    """
    entries = list(entries)
    keys = {job_key(e.uuid, e.index): e for e in entries}
    known: set[str] = set()
    for piece in chunks(keys, BULK):
        with translated():
            found = queue.jobs.find({"_id": {"$in": piece}}, {"_id": 1})
            known.update(raw["_id"] for raw in found)
    new = [entry for key, entry in keys.items() if key not in known]
    if not new:
        return 0
    internal = {entry.uuid for entry in entries}
    awaited = internal | existing({p for e in new for p in e.parents} - internal, queue)
    awaited.update(extra_parents)
    now = queue.clock.now()
    ids = reserve_ids(queue, len(new), id_prefix)
    pasts = _pasts(queue, new)

    def documents() -> Iterator[NewJob]:
        for entry, db_id in zip(new, ids, strict=True):
            parents = [p for p in entry.parents if p != entry.uuid]
            if internal.isdisjoint(parents):
                parents += [p for p in extra_parents if p not in parents]
            yield NewJob.of(
                replace(entry, parents=parents),
                placement,
                flow=flow,
                db_id=db_id,
                now=now,
                unmet=[generator_token(generator), *(p for p in parents if p in awaited)],
                past=pasts.get(job_key(entry.uuid, entry.index), Past()),
            )

    _insert(queue, documents())
    return len(new)


def generator_token(key: str) -> str:
    """Return the entry of ``unmet`` that stands for a generating job's commit."""
    return f"@{key}"


def job_document(
    entry: JobEntry,
    placement: Placement,
    *,
    flow: str,
    db_id: str,
    now: datetime,
    unmet: list[str],
    past: Past,
) -> dict[str, Any]:
    """Return the hot document of a new job; it carries on from its past, if it has one."""
    state = JobState.WAITING if unmet else JobState.READY
    generator = unmet[0][1:] if unmet and unmet[0].startswith("@") else None
    apart = is_apart(entry.parents)
    identity = {
        "uuid": entry.uuid,
        "index": entry.index,
        "db_id": db_id,
        "flow": flow,
    }
    return {
        "_id": job_key(entry.uuid, entry.index),
        **identity,
        "generator": generator,
        "worker": entry.worker or placement.worker,
        "state": state.value,
        "previous_state": None,
        "parents": [] if apart else entry.parents,
        "apart": len(entry.parents) if apart else 0,
        "unmet": put_apart(unmet) if apart else unmet,
        "on_missing": entry.on_missing,
        "priority": placement.priority if entry.priority is None else entry.priority,
        "created_on": now,
        "updated_on": now,
        "exec_config": placement.exec_config if entry.exec_config is None else entry.exec_config,
        "resources": placement.resources if entry.resources is None else entry.resources,
        "job": {"name": entry.name, "metadata": entry.metadata, "hosts": entry.hosts},
        "stores": entry.stores,
        "remote": {"step_attempts": 0},
        "version": past.number,
        "fence": 0,
        # No less than the earlier job's: each of its epochs took a change.
        "epoch": past.number - 1,
        "attempt": past.attempt,
        "cancel": [],
        "release": False,
        "lock_id": None,
        "lock_time": None,
        "last": _insertion(identity, state, past, by=generator or "submission", at=now),
    }


def planned_jobs(entries: FlowEntries, placement: Placement) -> list[JobDoc]:
    """Return the documents that the jobs of a flow would have at their first attempt."""
    now = datetime.now(UTC)
    documents = [
        job_document(
            entry,
            placement,
            flow=entries.uuid,
            db_id="",
            now=now,
            unmet=list(entry.parents),
            past=Past(attempt=1),
        )
        for entry in entries.jobs
    ]
    return [JobDoc.from_mongo(document) for document in documents]


def _insertion(
    identity: Mapping[str, Any], state: JobState, past: Past, *, by: str, at: datetime
) -> dict[str, Any]:
    """Return the first entry of a job's history."""
    return {
        "_id": f"{job_key(identity['uuid'], identity['index'])}:{past.number}",
        **identity,
        "number": past.number,
        "event": "insert",
        "source": None,
        "target": state.value,
        "by": by,
        "why": "",
        "attempt": past.attempt,
        "at": at,
    }


def existing(uuids: Iterable[str], queue: QueueDatabase) -> set[str]:
    """Return those uuids of which the queue has a job that is not COMPLETED.

    Outputs of other jobs, even of other projects, come straight from the JobStore.
    """
    found: set[str] = set()
    for piece in chunks(uuids, BULK):
        # The state is looked at here: with it in the query the embedded server reads all jobs.
        with translated():
            rows = queue.jobs.find({"uuid": {"$in": piece}}, {"uuid": 1, "state": 1})
            found |= {row["uuid"] for row in rows if row["state"] != JobState.COMPLETED}
    return found


@dataclass(frozen=True)
class NewJob:
    """A job that is to be inserted.

    Args:
        entry: What it is.
        document: Its document.
        unmet: Those of its parents that it waits for.
    """

    entry: JobEntry
    document: dict[str, Any]
    unmet: Sequence[str]

    @classmethod
    def of(cls, entry: JobEntry, placement: Placement, *, unmet: list[str], **known: Any) -> NewJob:
        """Return a new job; arguments are those of :func:`job_document`."""
        return cls(entry, job_document(entry, placement, unmet=unmet, **known), unmet)

    def edges(self) -> Iterator[Edge]:
        """Yield its edges, if its parents are kept apart."""
        if self.document["apart"]:
            yield from edges_of(self.document, self.entry.parents, frozenset(self.unmet))


def _insert(queue: QueueDatabase, new: Iterable[NewJob]) -> None:
    """Insert new jobs in bulk."""
    for piece in chunks(new, BULK):
        payloads = [payload_document(queue, n.document["_id"], n.entry.payload) for n in piece]
        edges = (edge for one in piece for edge in one.edges())
        insert_documents(queue, payloads, [one.document for one in piece], edges)
