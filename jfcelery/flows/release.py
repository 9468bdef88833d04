"""Letting go of the jobs that waited for another one.

The order keeps it safe against whatever else happens: a child is read, then its parent, then the
child is written as it was read. A rerun writes the parent before its children, so that either
the parent is seen to run again, or the write comes too late.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from jfcelery.database.chunks import chunks
from jfcelery.database.documents import JobDoc, job_key
from jfcelery.database.edges import APART
from jfcelery.database.ids import id_number, ids_from
from jfcelery.database.pieces import in_pieces
from jfcelery.errors import ConflictError
from jfcelery.flows.insert import generator_token
from jfcelery.states import JobState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from jfcelery.database.jobs import Jobs

#: Jobs, and parents, that one query asks for.
PIECE = 500
#: Ends of a parent that satisfy a child whose ``on_missing_references`` is NONE or PASS.
_TOLERATED = frozenset({JobState.FAILED, JobState.USER_STOPPED})
#: Nothing that a child waits for.
_NOTHING: frozenset[str] = frozenset()


class _End:
    """How a job ended, read anew whenever its children were.

    Args:
        jobs: The project's jobs.
        doc: The job at its end.
    """

    def __init__(self, jobs: Jobs, doc: JobDoc) -> None:
        self._jobs = jobs
        self.doc = doc
        self.tokens = frozenset({generator_token(doc.id), doc.uuid})
        self._generator = frozenset({generator_token(doc.id)})
        self._is_over = self._is_done = False

    def look(self) -> None:
        """Look whether the job is still at this end, and whether its uuid got a newer index."""
        keys = [self.doc.id, job_key(self.doc.uuid, self.doc.index + 1)]
        found = {doc.id: doc for doc in self._jobs.find({"_id": {"$in": keys}})}
        now = found.get(self.doc.id, self.doc)  # one that was deleted is over all the same
        self._is_over = now.epoch == self.doc.epoch and now.state == self.doc.state
        self._is_done = self.doc.state == JobState.COMPLETED and keys[1] not in found

    def frees(self, *, tolerant: bool) -> bool:
        """Return whether a child need not wait for the job's output any more."""
        if not self._is_over:
            return False
        return self._is_done or (tolerant and self.doc.state in _TOLERATED)

    def met(self, child: JobDoc) -> frozenset[str]:
        """Return what a child need not wait for any more."""
        if self.frees(tolerant=child.on_missing != "error"):
            return self.tokens
        return self._generator if self._is_over else _NOTHING


def release_children(jobs: Jobs, doc: JobDoc) -> int:
    """Take an ended job off the lists of those that wait for it; free ones become READY.

    Safe to repeat: the sweeper does it where a step died on the way.

    Returns:
        How many jobs became READY.
    """
    end, by = _End(jobs, doc), f"end of {doc.db_id}"

    def met(child: JobDoc) -> frozenset[str]:
        end.look()
        return end.met(child)

    ready = 0
    for children in _waiting(jobs, end.tokens):
        end.look()
        ready += meet(jobs, children, end.met, met, by=by)
    # After these: a child whose parents are put apart meanwhile is found here, or was above.
    ready += _release_apart(jobs, end, by)
    _drop_flag(jobs, doc)
    return ready


def release_all(jobs: Jobs, docs: Sequence[JobDoc]) -> None:
    """Do as :func:`release_children` for many ended jobs; few round trips for those without any."""
    some = jobs_waited_for(jobs, docs)
    childless = [doc for doc in docs if doc.id not in some and doc.release]
    changed = {doc.id for doc in jobs.update_many(childless, lambda _: {"release": False})}
    for doc in docs:
        if doc.id in some:
            release_children(jobs, doc)
        elif doc.release and doc.id not in changed:  # somebody changed it first
            _drop_flag(jobs, doc)


def jobs_waited_for(jobs: Jobs, docs: Iterable[JobDoc]) -> set[str]:
    """Return the keys of the jobs that others wait for; where these are very many, of all jobs."""
    found: set[str] = set()
    for piece in chunks(docs, PIECE):
        tokens: dict[str, set[str]] = {}
        for doc in piece:
            for token in (doc.uuid, generator_token(doc.id)):
                tokens.setdefault(token, set()).add(doc.id)
        children = list(jobs.find({"unmet": {"$in": list(tokens)}}, limit=PIECE + 1))
        if len(children) > PIECE:
            found.update(doc.id for doc in piece)
            continue
        awaited = {token for child in children for token in child.unmet}
        awaited |= {edge.parent for edge in jobs.edges.to({doc.uuid for doc in piece})}
        found.update(*(ids for token, ids in tokens.items() if token in awaited))
    return found


def _waiting(jobs: Jobs, tokens: AbstractSet[str]) -> Iterator[list[JobDoc]]:
    """Yield the jobs that wait for something by their own documents, in pieces of bounded size."""
    query = {"unmet": {"$in": list(tokens)}}
    first = list(jobs.find(query, limit=PIECE + 1))
    if len(first) <= PIECE:
        yield from [first] if first else []
        return
    ids = ids_from(min((doc.db_id for doc in first), key=id_number))
    yield from in_pieces(jobs, query, ids, lambda doc: not tokens.isdisjoint(doc.unmet), PIECE)


def _release_apart(jobs: Jobs, end: _End, by: str) -> int:
    """Meet the edges to an ended job, and let those go that wait for nothing more."""
    while True:
        edges = list(jobs.edges.to([end.doc.uuid]))
        if not edges:
            return 0
        end.look()
        due = [edge for edge in edges if not edge.met and end.frees(tolerant=edge.tolerant)]
        if jobs.edges.meet(due) == len(due):
            break
    # All of them, not only those: an earlier try may have died here.
    children = [edge.child for edge in edges if end.frees(tolerant=edge.tolerant)]
    return let_go_apart(jobs, children, by=by)


def let_go_apart(jobs: Jobs, keys: Iterable[str], *, by: str) -> int:
    """Let those jobs go on of which no edge is open.

    Returns:
        How many became READY.
    """

    def met(child: JobDoc) -> frozenset[str]:
        is_open = APART in child.unmet and jobs.edges.is_open(child.id)
        return _NOTHING if is_open else frozenset({APART})

    ready = 0
    for piece in chunks((key for key in keys if not jobs.edges.is_open(key)), PIECE):
        for child in list(jobs.find({"_id": {"$in": piece}})):
            ready += _meet_one(jobs, child, met, by)
    return ready


def meet(
    jobs: Jobs,
    children: Iterable[JobDoc],
    met: Callable[[JobDoc], frozenset[str]],
    again: Callable[[JobDoc], frozenset[str]],
    *,
    by: str,
) -> int:
    """Remove tokens from ``unmet``; jobs that wait for nothing more become READY.

    Args:
        jobs: The project's jobs.
        children: Jobs that wait, as they were read.
        met: Returns what one of these waits for no more.
        again: The same for one that somebody else changed first, as it was read then.
        by: What has happened.

    Returns:
        How many became READY.
    """
    free: list[JobDoc] = []
    others: dict[str, tuple[JobDoc, list[str]]] = {}
    for child in children:
        tokens = met(child)
        left = [token for token in child.unmet if token not in tokens]
        if child.state == JobState.WAITING and not left:
            free.append(child)
        elif len(left) < len(child.unmet):
            others[child.id] = (child, left)
    released = jobs.transition_many(free, "release", JobState.READY, by=by, fields={"unmet": []})
    shorter = jobs.update_many(
        [child for child, _ in others.values()], lambda child: {"unmet": others[child.id][1]}
    )
    written = {child.id for child in (*released, *shorter)}
    missed = [c for c in (*free, *(c for c, _ in others.values())) if c.id not in written]
    return len(released) + sum(_meet_again(jobs, child, again, by) for child in missed)


def _meet_again(jobs: Jobs, doc: JobDoc, met: Callable[[JobDoc], frozenset[str]], by: str) -> int:
    child = jobs.again(doc)
    return 0 if child is None else _meet_one(jobs, child, met, by)


def settle(jobs: Jobs, waiting: Iterable[JobDoc]) -> int:
    """Take parents that ended before their children were inserted off the children's lists.

    Returns:
        How many jobs became READY.
    """
    ready = 0
    by = "its parents had ended"

    def again(child: JobDoc) -> frozenset[str]:
        return _met_tokens(child, _parents(jobs, child.unmet))

    for children in chunks(waiting, PIECE):
        known = _parents(jobs, {token for child in children for token in child.unmet})
        ready += meet(jobs, children, partial(_met_tokens, known=known), again, by=by)
        apart = [child for child in children if APART in child.unmet]
        _settle_edges(jobs, apart)
        ready += let_go_apart(jobs, (child.id for child in apart), by=by)
    return ready


def _settle_edges(jobs: Jobs, children: Iterable[JobDoc]) -> None:
    by_id = {child.id: child for child in children}
    still_open = (edge for key in by_id for edge in jobs.edges.open(key))
    for edges in chunks(still_open, PIECE):
        known = _parents(jobs, {edge.parent for edge in edges})
        jobs.edges.meet(
            [e for e in edges if _is_met(by_id[e.child], e.parent, known.get(e.parent))]
        )


def _met_tokens(child: JobDoc, known: Mapping[str, JobDoc]) -> frozenset[str]:
    return frozenset(t for t in child.unmet if _is_met(child, t, known.get(t)))


def _parents(jobs: Jobs, tokens: Iterable[str]) -> dict[str, JobDoc]:
    """Return by token the job that it stands for: the newest of a uuid, or a generator."""
    found: dict[str, JobDoc] = {}
    for piece in chunks(tokens, PIECE):
        keys = [token[1:] for token in piece if token.startswith("@")]
        uuids = [token for token in piece if not token.startswith(("@", APART))]
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
    if token == APART:
        return False  # its edges tell
    if parent is None:
        return not token.startswith("@")
    if parent.state == JobState.COMPLETED or token.startswith("@"):
        return parent.state == JobState.COMPLETED
    return parent.state in _TOLERATED and child.on_missing != "error"


def _meet_one(jobs: Jobs, doc: JobDoc, met: Callable[[JobDoc], frozenset[str]], by: str) -> int:
    child: JobDoc | None = doc
    while child is not None:
        tokens = met(child)
        left = [token for token in child.unmet if token not in tokens]
        try:
            if len(left) == len(child.unmet):
                return 0
            if child.state == JobState.WAITING and not left:
                jobs.transition(child, "release", JobState.READY, by=by, fields={"unmet": left})
                return 1
            jobs.update(child, {"unmet": left})
        except ConflictError:
            child = jobs.again(child)
        else:
            return 0
    return 0


def _drop_flag(jobs: Jobs, doc: JobDoc) -> None:
    ended: JobDoc | None = doc
    while ended is not None and ended.release and ended.epoch == doc.epoch:
        try:
            ended = jobs.update(ended, {"release": False})
        except ConflictError:
            ended = jobs.again(ended)
