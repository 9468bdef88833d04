"""What the end of a job changes in its flow: new jobs, stops, the job's own final state.

Every function is safe to repeat; a step that died half-way is simply run again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jfcelery.database.edges import APART, edges_of, is_apart, put_apart
from jfcelery.errors import ConflictError
from jfcelery.flows.insert import Placement, add_dynamic
from jfcelery.states import JobState

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from jfcelery.database.documents import JobDoc
    from jfcelery.database.jobs import Jobs
    from jfcelery.execution.outcome import Outcome
    from jfcelery.flows.entries import FlowEntries

_HALTED = [JobState.WAITING.value, JobState.READY.value]
#: States of children that have not started; a person may hold some of them.
_BEFORE = frozenset({JobState.WAITING, JobState.PAUSED, JobState.STOPPED, JobState.USER_STOPPED})


def add_new_jobs(jobs: Jobs, doc: JobDoc, outcome: Outcome, *, id_prefix: str = "") -> None:
    """Add the jobs of ``replace``, ``detour`` and ``addition``; they wait for the commit.

    Args:
        jobs: The project's jobs.
        doc: The job that made them.
        outcome: What it returned.
        id_prefix: What stands before each short id.
    """
    placement = Placement(
        worker=doc.worker,
        exec_config=doc.exec_config,
        resources=doc.resources,
        priority=doc.priority,
    )
    wait_for_leaves: list[str] = []
    for flow, parents in (
        (outcome.replace, []),
        (outcome.detour, [doc.uuid]),
        (outcome.addition, [doc.uuid]),
    ):
        if flow is None:
            continue
        # A replaced job is done only with its replacement, so a detour waits for its generator
        # (by the token that add_dynamic sets), never for the uuid that is still to come.
        extra = [] if outcome.replace is not None else parents
        number = add_dynamic(
            jobs.queue,
            flow.jobs,
            placement,
            flow=doc.flow,
            generator=doc.id,
            extra_parents=extra,
            id_prefix=id_prefix,
        )
        if number:
            jobs.flows.added(doc.flow, {JobState.WAITING: number})
        if flow is not outcome.addition and not _provides(flow, doc.uuid):
            wait_for_leaves += flow.leaves
    if wait_for_leaves:
        new = {job.uuid for f in (outcome.replace, outcome.detour) if f for job in f.jobs}
        _let_children_wait(jobs, doc, wait_for_leaves, new)


def halt(jobs: Jobs, doc: JobDoc, outcome: Outcome) -> None:
    """Stop the jobs that ``stop_children`` or ``stop_jobflow`` name."""
    if outcome.stop_jobflow:
        query = {"flow": doc.flow, "state": {"$in": _HALTED}}
        _halt_all(jobs, jobs.find(query), f"{doc.db_id} returned stop_jobflow")
    elif outcome.stop_children:
        # As in run_locally, what the job itself adds runs all the same.
        own = {
            job.uuid
            for flow in (outcome.replace, outcome.detour, outcome.addition)
            if flow is not None
            for job in flow.jobs
            if doc.uuid not in job.parents
        }
        below = descendants(jobs, doc, passing=own)
        _halt_all(jobs, below, f"{doc.db_id} returned stop_children")


def descendants(jobs: Jobs, doc: JobDoc, *, passing: Collection[str] = ()) -> Iterable[JobDoc]:
    """Yield the jobs below a job, nearest first, each once, but for those in ``passing``."""
    seen, front = {doc.uuid, *passing}, [doc.uuid]
    while front:
        children = list(jobs.children(front))
        front = []
        for child in children:
            if child.uuid not in seen:
                seen.add(child.uuid)
                front.append(child.uuid)
                yield child


def _provides(flow: FlowEntries, uuid: str) -> bool:
    """Return whether a replacement has a job that takes over the uuid of the replaced one."""
    return any(job.uuid == uuid for job in flow.jobs)


def _let_children_wait(jobs: Jobs, doc: JobDoc, leaves: list[str], new: set[str]) -> None:
    """Make the children of a job wait for the leaves of its detour too."""
    for child in list(jobs.children([doc.uuid])):
        if child.uuid not in new and child.uuid not in leaves:
            _add_parents(jobs, child, doc.uuid, leaves)


def _add_parents(jobs: Jobs, doc: JobDoc, parent: str, leaves: list[str]) -> None:
    child: JobDoc | None = doc
    while child is not None and child.state in _BEFORE and _waits_for(jobs, child, parent):
        try:
            jobs.update(child, _with_more(jobs, child, leaves))
        except ConflictError:
            child = jobs.again(child)
        else:
            return


def _waits_for(jobs: Jobs, child: JobDoc, parent: str) -> bool:
    if child.apart:
        return APART in child.unmet and jobs.edges.waits(child.id, parent)
    return parent in child.unmet


def _with_more(jobs: Jobs, child: JobDoc, leaves: list[str]) -> dict[str, Any]:
    """Return the fields of a job that waits for more; edges are written before it says so."""
    if child.apart:
        known = {edge.parent for edge in jobs.edges.of([child.id])}
        added = [uuid for uuid in leaves if uuid not in known]
        jobs.edges.insert(edges_of(child.raw, added, added, start=len(known)))
        return {"apart": len(known) + len(added)}
    parents = child.parents + [uuid for uuid in leaves if uuid not in child.parents]
    unmet = child.unmet + [uuid for uuid in leaves if uuid not in child.parents]
    if not is_apart(parents):
        return {"parents": parents, "unmet": unmet}
    jobs.edges.replace(edges_of(child.raw, parents, unmet))
    return {"parents": [], "apart": len(parents), "unmet": put_apart(unmet)}


def _halt_all(jobs: Jobs, docs: Iterable[JobDoc], why: str) -> None:
    waiting = [doc for doc in docs if doc.state.value in _HALTED]
    left = waiting
    while left:
        changed = {
            doc.id
            for doc in jobs.transition_many(left, "halt", JobState.STOPPED, by="finalize", why=why)
        }
        again = [jobs.again(doc) for doc in left if doc.id not in changed]
        left = [doc for doc in again if doc is not None and doc.state.value in _HALTED]
