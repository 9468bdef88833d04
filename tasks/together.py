"""Leases and commits of many jobs with few round trips; each stays its job's own.

As in the single steps, a lease is taken and a step committed by compare-and-set, each job for
itself: whatever one of them meets concerns none of the others.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, TypeVar

from jfcelery.database.documents import job_key
from jfcelery.errors import ConflictError, HostError, ServiceError
from jfcelery.tasks.dispatch import dispatch
from jfcelery.tasks.step import Commit, Work, charged, commit_step, fields_of, is_free, owner

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from jfcelery.database.documents import JobDoc
    from jfcelery.states import JobState
    from jfcelery.tasks.runtime import Runtime
    from jfcelery.tasks.step import Step

logger = logging.getLogger(__name__)
T = TypeVar("T")


def whose_turn_it_is(
    runtime: Runtime,
    worker: str,
    entries: Sequence[Sequence[str | int]],
    states: Collection[JobState],
) -> list[JobDoc]:
    """Return those jobs of a message that a step may take, in its order.

    Args:
        runtime: The project.
        worker: Name of the worker on which they run.
        entries: uuid, index and epoch of each job.
        states: From which the step goes on.
    """
    epochs = {job_key(str(uuid), int(index)): epoch for uuid, index, epoch in entries}
    described = runtime.project.workers.get(worker)
    if described is None or not runtime.host_records.get(described.host_key).available:
        return []  # the sweeper sends them once it is back
    now = runtime.jobs.now()
    found = {
        doc.id: doc
        for doc in runtime.jobs.find({"_id": {"$in": list(epochs)}})
        if doc.epoch == epochs[doc.id]
        and doc.worker == worker
        and doc.state in states
        and is_free(doc, now)
    }
    return [found[key] for key in epochs if key in found]


def take_all(runtime: Runtime, docs: Sequence[JobDoc]) -> list[Work]:
    """Take the leases of jobs; those at which somebody else was faster are left out."""
    if not docs:
        return []
    now, who = runtime.jobs.now(), owner()

    def lease(doc: JobDoc) -> dict[str, object]:
        until = now + runtime.lease_term
        fields = {"lock_id": who, "lock_time": now, "lock_until": until}
        return {**fields, "fence": doc.fence + 1}

    taken = {doc.id: doc for doc in runtime.jobs.update_many(docs, lease)}
    return [Work(runtime, taken[doc.id]) for doc in docs if doc.id in taken]


def commit_all(
    achieved: Sequence[tuple[Work, Commit]], name: str, *, hold: bool = False
) -> list[JobDoc]:
    """Write what a step achieved for many jobs, each while its lease is in force.

    Args:
        achieved: The jobs, each with what was achieved.
        name: The step.
        hold: Keep the leases, for the next step.

    Returns:
        The jobs as they are now; those whose lease was lost are left out.
    """
    groups: dict[tuple[str, JobState, str], list[tuple[Work, Commit]]] = {}
    for work, commit in achieved:
        key = (commit.event, commit.target, commit.by or name)
        groups.setdefault(key, []).append((work, commit))
    done: dict[str, JobDoc] = {}
    for (event, target, by), members in groups.items():
        done |= _commit_alike(members, name, event, target, by, hold=hold)
    return [done[work.doc.id] for work, _ in achieved if work.doc.id in done]


def _commit_alike(
    members: Sequence[tuple[Work, Commit]],
    name: str,
    event: str,
    target: JobState,
    by: str,
    *,
    hold: bool,
) -> dict[str, JobDoc]:
    commits = {work.doc.id: commit for work, commit in members}
    changed = members[0][0].runtime.jobs.transition_many(
        [work.doc for work, _ in members],
        event,
        target,
        by=by,
        why=lambda doc: commits[doc.id].why,
        fields=lambda doc: fields_of(commits[doc.id], hold=hold),
    )
    done = {doc.id: doc for doc in changed}
    for work, commit in members:
        if work.doc.id not in done:  # its lease was renewed meanwhile, or is lost
            with charged(work, name):
                done[work.doc.id] = commit_step(work, name, commit, hold=hold)
    return done


def ask_together(step: Step, works: Sequence[Work], ask: Callable[[], list[T]]) -> list[T]:
    """Do for many jobs what fails for all or none of them; the answers are the jobs' own.

    Returns:
        An answer for each job; none at all if it failed.
    """
    if not works:
        return []
    try:
        return ask()
    except ServiceError:
        raise
    except HostError:
        for work in works:
            with charged(work, step.name):
                raise
    except Exception as error:  # noqa: BLE001 - the outermost edge: each job meets it alone
        logger.warning("%s of %d jobs together failed, now alone: %s", step.name, len(works), error)
        for work in works:
            send_alone(work)
    return []


def send_alone(work: Work) -> None:
    """Give a job's lease back, and send the job on by itself if it was still ours."""
    try:
        doc = work.runtime.jobs.release(work.doc)
    except ConflictError:
        return
    dispatch(work.runtime, doc)
