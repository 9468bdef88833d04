"""Letting go of the jobs that waited for another one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jfcelery.database.chunks import chunks
from jfcelery.database.documents import JobDoc, job_key
from jfcelery.errors import ConflictError
from jfcelery.flows.insert import generator_token
from jfcelery.states import JobState

if TYPE_CHECKING:
    from collections.abc import Iterable

    from jfcelery.database.jobs import Jobs

#: Jobs, and parents, that one query asks for.
PIECE = 500
#: Ends of a parent that satisfy a child whose ``on_missing_references`` is NONE or PASS.
_TOLERATED = frozenset({JobState.FAILED, JobState.USER_STOPPED})


def release_children(jobs: Jobs, doc: JobDoc) -> int:
    """Take an ended job off the lists of those that wait for it; free ones become READY.

    Safe to repeat: the sweeper does it where a step died on the way.

    Returns:
        How many jobs became READY.
    """
    ready = 0
    tokens = [generator_token(doc.id)]
    if done(jobs, doc) or doc.state in _TOLERATED:
        tokens.append(doc.uuid)
    for token in tokens:
        waiting = list(jobs.find({"unmet": token}))
        if token == doc.uuid and doc.state in _TOLERATED:
            waiting = [child for child in waiting if child.on_missing != "error"]
        ready += meet(jobs, waiting, {token}, by=f"end of {doc.db_id}")
    _drop_flag(jobs, doc)
    return ready


def meet(jobs: Jobs, waiting: Iterable[JobDoc], tokens: set[str], *, by: str) -> int:
    """Remove tokens from ``unmet``; jobs that wait for nothing more become READY.

    Returns:
        How many became READY.
    """
    free: list[JobDoc] = []
    others: list[JobDoc] = []
    for child in waiting:
        alone = child.state == JobState.WAITING and set(child.unmet) <= tokens
        (free if alone else others).append(child)
    changed = jobs.transition_many(free, "release", JobState.READY, by=by, fields={"unmet": []})
    unchanged = {c.id for c in free} - {c.id for c in changed}
    others += [child for child in free if child.id in unchanged]
    return len(changed) + sum(_meet_one(jobs, child, tokens, by) for child in others)


def settle(jobs: Jobs, waiting: Iterable[JobDoc]) -> int:
    """Take parents that ended before their children were inserted off the children's lists.

    Returns:
        How many jobs became READY.
    """
    ready = 0
    for children in chunks(waiting, PIECE):
        known = _parents(jobs, {token for child in children for token in child.unmet})
        for child in children:
            met = {token for token in child.unmet if _is_met(child, token, known.get(token))}
            if met:
                ready += meet(jobs, [child], met, by="its parents had ended")
    return ready


def _parents(jobs: Jobs, tokens: Iterable[str]) -> dict[str, JobDoc]:
    """Return by token the job that it stands for: the newest of a uuid, or a generator."""
    found: dict[str, JobDoc] = {}
    for piece in chunks(tokens, PIECE):
        keys = [token[1:] for token in piece if token.startswith("@")]
        uuids = [token for token in piece if not token.startswith("@")]
        if keys:
            found |= {f"@{doc.id}": doc for doc in jobs.find({"_id": {"$in": keys}})}
        if uuids:
            docs = jobs.find({"uuid": {"$in": uuids}}, sort=[("index", 1)])
            found |= {doc.uuid: doc for doc in docs}
    return found


def done(jobs: Jobs, doc: JobDoc) -> bool:
    """Return whether a job is COMPLETED and was not replaced by a newer index."""
    if doc.state != JobState.COMPLETED:
        return False
    return next(jobs.find({"_id": job_key(doc.uuid, doc.index + 1)}), None) is None


def _is_met(child: JobDoc, token: str, parent: JobDoc | None) -> bool:
    if parent is None:
        return not token.startswith("@")
    if parent.state == JobState.COMPLETED or token.startswith("@"):
        return parent.state == JobState.COMPLETED
    return parent.state in _TOLERATED and child.on_missing != "error"


def _meet_one(jobs: Jobs, doc: JobDoc, tokens: set[str], by: str) -> int:
    child: JobDoc | None = doc
    while child is not None:
        left = [token for token in child.unmet if token not in tokens]
        try:
            if child.state == JobState.WAITING and not left:
                jobs.transition(child, "release", JobState.READY, by=by, fields={"unmet": left})
                return 1
            if len(left) < len(child.unmet):
                jobs.update(child, {"unmet": left})
        except ConflictError:
            child = jobs.again(child)
        else:
            return 0
    return 0


def _drop_flag(jobs: Jobs, doc: JobDoc) -> None:
    ended: JobDoc | None = doc
    while ended is not None and ended.release:
        try:
            ended = jobs.update(ended, {"release": False})
        except ConflictError:
            ended = jobs.again(ended)
