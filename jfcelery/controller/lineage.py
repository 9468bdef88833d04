"""What depends on a job: jobs that use its output, and jobs that it made while it ran."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from jfcelery.database.chunks import chunks
from jfcelery.database.edges import APART

if TYPE_CHECKING:
    from collections.abc import Iterable

    from jfcelery.database.documents import JobDoc
    from jfcelery.database.jobs import Jobs

#: Ids in one query.
BULK = 500


@dataclass(frozen=True)
class Lineage:
    """What depends on a job, directly or through others.

    Args:
        root: The job.
        below: Jobs that use its output and that were there before it ran, nearest first.
        made: Jobs that it, or one of those below, made by replace, detour or addition.
    """

    root: JobDoc
    below: tuple[JobDoc, ...]
    made: tuple[JobDoc, ...]

    @cached_property
    def kept(self) -> frozenset[str]:
        """The uuids of the jobs that stay when those that were made are taken away."""
        return frozenset({self.root.uuid, *(doc.uuid for doc in self.below)})

    @cached_property
    def gone(self) -> frozenset[str]:
        """The uuids of which no job stays when those that were made are taken away."""
        return frozenset(doc.uuid for doc in self.made) - self.kept


def lineage(jobs: Jobs, root: JobDoc) -> Lineage:
    """Return what depends on a job."""
    below: dict[str, JobDoc] = {}
    made: dict[str, JobDoc] = {}
    front = [root]
    while front:
        new: dict[str, JobDoc] = {}
        for doc in _made_by(jobs, [doc.id for doc in front]):
            if doc.id not in made and doc.id != root.id:
                below.pop(doc.id, None)
                made[doc.id] = new[doc.id] = doc
        for doc in jobs.children([doc.uuid for doc in front]):
            if doc.id not in made and doc.id not in below and doc.id != root.id:
                below[doc.id] = new[doc.id] = doc
        front = list(new.values())
    return Lineage(root, tuple(below.values()), tuple(made.values()))


def have_dependents(jobs: Jobs, docs: Iterable[JobDoc]) -> set[str]:
    """Return the ``_id`` of those jobs whose rerun has to touch other jobs.

    It has not where all jobs that use their outputs still wait for them.
    """
    by_uuid = {doc.uuid: doc.id for doc in docs}
    by_id = {doc.id for doc in docs}
    found: set[str] = set()
    for piece in chunks(by_uuid, BULK):
        for child in jobs.find({"parents": {"$in": piece}}):
            met = by_uuid.keys() & (set(child.parents) - set(child.unmet))
            found.update(by_uuid[uuid] for uuid in met)
    edges = list(jobs.edges.to(by_uuid))
    children = {c.id: c for c in jobs.of_keys(dict.fromkeys(edge.child for edge in edges))}
    for edge in edges:
        # An edge whose job is gone, or does not know of it, was left by somebody who died.
        apart = edge.child in children and children[edge.child].apart
        if apart and (edge.met or APART not in children[edge.child].unmet):
            found.add(by_uuid[edge.parent])
    for child in _made_by(jobs, list(by_id)):
        if child.generator:
            found.add(child.generator)
    return found


def _made_by(jobs: Jobs, keys: list[str]) -> Iterable[JobDoc]:
    for piece in chunks(keys, BULK):
        yield from list(jobs.find({"generator": {"$in": piece}}))
