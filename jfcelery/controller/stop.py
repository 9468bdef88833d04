"""Stopping jobs, and removing them from their queues."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jfcelery.controller.bulk import Move, RefusedError
from jfcelery.controller.fields import halted
from jfcelery.database.chunks import chunks
from jfcelery.flows.insert import generator_token
from jfcelery.flows.release import release_children
from jfcelery.states import JobState, sources_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    from jfcelery.database.documents import JobDoc
    from jfcelery.database.jobs import Jobs

#: Tokens in one query.
BULK = 500


def stop(waited_for: Collection[str]) -> Callable[[JobDoc], Move]:
    """Return the plan to stop jobs; a request to cancel its queue job goes with each.

    Args:
        waited_for: Keys of the jobs that others wait for; see :func:`jobs_waited_for`.
    """

    def plan(doc: JobDoc) -> Move:
        if doc.state in sources_of("stop"):
            fields = halted(doc) | {"release": doc.id in waited_for}
            return Move("stop", JobState.USER_STOPPED, fields)
        remedy = "`jfc job pause` keeps it from starting." if doc.state is JobState.WAITING else ""
        raise RefusedError(
            f"it is {doc.state}: only READY and running jobs can be stopped.", remedy=remedy
        )

    return plan


def jobs_waited_for(jobs: Jobs, docs: Iterable[JobDoc]) -> set[str]:
    """Return the keys of those jobs that others wait for."""
    tokens: dict[str, str] = {}
    for doc in docs:
        tokens |= {doc.uuid: doc.id, generator_token(doc.id): doc.id}
    found: set[str] = set()
    for piece in chunks(tokens, BULK):
        for child in jobs.find({"unmet": {"$in": piece}}):
            found.update(tokens[token] for token in child.unmet if token in tokens)
    uuids = [token for token in tokens if not token.startswith("@")]
    found.update(tokens[edge.parent] for edge in jobs.edges.to(uuids) if not edge.met)
    return found


def let_children_go(jobs: Jobs, ended: Sequence[JobDoc]) -> None:
    """Release the children of jobs that a person stopped, or set to an end."""
    for doc in ended:
        if doc.release:
            release_children(jobs, doc)
