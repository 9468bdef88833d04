"""The parents of jobs that have many, apart from the job's own document.

A job's document names its parents (``parents``) and what it still waits for (``unmet``) as long
as they are few. Of more, each has a small document here, so that the end of a parent writes one of
those, and asks for one that is left, however many there are. The job's document then has their
number (``apart``) and, in ``unmet``, the one token :data:`APART` until all are met.

Nothing here is written blindly: who finds an edge met takes it as it read it (``version``), then
looks at the job, then asks whether an edge is open, then takes the token away by compare-and-set.
Who opens an edge again does so before it writes the job's document, and counts its version up.
The document has the last word: of a job without the token, which a person may have taken away, an
open edge keeps nobody waiting.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from secrets import randbits
from typing import TYPE_CHECKING, Any

from jfcelery.database.bulk import delete_all, insert_new
from jfcelery.database.chunks import chunks
from jfcelery.database.connection import translated
from jfcelery.database.identity import owned

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from jfcelery.database.connection import QueueDatabase
    from jfcelery.database.documents import JobDoc

#: Parents that a job's own document names.
INLINE = 8
#: The entry of ``unmet`` that stands for all edges of a job that are not met.
APART = "#"
#: Edges of one command.
BULK = 500


@dataclass(frozen=True, slots=True)
class Edge:
    """One job waits, or waited, for another.

    Args:
        child: Key of the job that waits.
        parent: uuid of the job that it waits for.
        flow: uuid of the child's flow.
        place: Its place among the child's parents.
        met: Whether the child waits for it no more.
        tolerant: Whether the child runs though this parent failed.
        version: Counts the writes.
    """

    child: str
    parent: str
    flow: str
    place: int
    met: bool
    tolerant: bool
    version: int = 0

    @property
    def id(self) -> str:
        """The ``_id`` of its document."""
        return f"{self.child}:{self.parent}"

    def document(self) -> dict[str, Any]:
        """Return it as the database has it."""
        return {"_id": self.id, **{name: getattr(self, name) for name in _FIELDS}}

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> Edge:
        """Return the edge of a document."""
        return cls(**{name: raw[name] for name in _FIELDS})


_FIELDS = ("child", "parent", "flow", "place", "met", "tolerant", "version")


class _Open:
    """An edge of each job that was open when this process looked last: the first to look at again.

    The embedded server reads all open edges of a job to give one. That of the highest key is as
    good as one drawn at random, since keys end with uuids: of n parents that end one by one, about
    log n are the one that is known here.
    """

    #: Of how many jobs one is known; a job that is forgotten is only searched again.
    SIZE = 1000

    def __init__(self) -> None:
        self._known: OrderedDict[str, str] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, child: str) -> str | None:
        """Return the key of the edge that is known of a job."""
        return self._known.get(child)

    def put(self, child: str, edge: str | None) -> None:
        """Remember an edge of a job, or that it has no open one."""
        with self._lock:
            self._known.pop(child, None)
            if edge is not None:
                self._known[child] = edge
            while len(self._known) > self.SIZE:
                self._known.popitem(last=False)


_open = _Open()


def is_apart(parents: Sequence[str]) -> bool:
    """Return whether so many parents have documents of their own."""
    return len(parents) > INLINE


def put_apart(unmet: Iterable[str]) -> list[str]:
    """Return what a job waits for by its own document, once its parents are apart."""
    tokens = list(unmet)
    kept = [token for token in tokens if token.startswith("@")]
    return kept if len(kept) == len(tokens) else [*kept, APART]


def edges_of(
    document: Mapping[str, Any], parents: Iterable[str], unmet: Collection[str], *, start: int = 0
) -> Iterator[Edge]:
    """Yield the edges from a job to its parents.

    Args:
        document: The document of the job.
        parents: Its parents, each once.
        unmet: Those that it waits for.
        start: Place of the first among all its parents.
    """
    for place, parent in enumerate(parents, start):
        yield Edge(
            child=document["_id"],
            parent=parent,
            flow=document["flow"],
            place=place,
            met=parent not in unmet,
            tolerant=document["on_missing"] != "error",
        )


class Edges:
    """The edges of one project's queue.

    Args:
        queue: The open database of the project.
    """

    def __init__(self, queue: QueueDatabase) -> None:
        self.queue = queue

    # ------------------------------------------------------------------ reading

    def to(self, parents: Iterable[str]) -> Iterator[Edge]:
        """Yield the edges to some parents."""
        yield from self._in_pieces("parent", parents)

    def of(self, children: Iterable[str]) -> Iterator[Edge]:
        """Yield the edges of some jobs."""
        yield from self._in_pieces("child", children)

    def open(self, child: str, limit: int = 0) -> list[Edge]:
        """Return the edges of a job that are not met."""
        with translated():
            found = self.queue.edges.find({"child": child, "met": False}, limit=limit)
            return [Edge.of(raw) for raw in found]

    def is_open(self, child: str) -> bool:
        """Return whether an edge of a job is not met."""
        witness = f"{self.queue.edges.full_name}:{child}"
        known = _open.get(witness)
        with translated():
            if known is not None:
                edge = self.queue.edges.find_one({"_id": known}, {"met": 1})
                if edge is not None and not edge["met"]:
                    return True
            query = {"child": child, "met": False}
            found = self.queue.edges.find_one(query, {"_id": 1}, sort=[("_id", -1)])
        _open.put(witness, found["_id"] if found else None)
        return found is not None

    def waits(self, child: str, parent: str) -> bool:
        """Return whether a job waits for a parent that is kept here."""
        with translated():
            found = self.queue.edges.find_one({"_id": f"{child}:{parent}"}, {"met": 1})
        return found is not None and not found["met"]

    def count(self, child: str) -> int:
        """Return how many parents a job has here."""
        with translated():
            return self.queue.edges.count_documents({"child": child})

    def _in_pieces(self, field: str, values: Iterable[str]) -> Iterator[Edge]:
        for piece in chunks(values, BULK):
            condition = piece[0] if len(piece) == 1 else {"$in": piece}
            with translated():
                for raw in self.queue.edges.find({field: condition}):
                    yield Edge.of(raw)

    # ------------------------------------------------------------------ writing

    def insert(self, edges: Iterable[Edge]) -> None:
        """Insert edges of jobs that are about to be inserted.

        Edges of a job that is in the queue stay as they are: an earlier try inserted them, and
        parents may have ended since. Those that a job of the same key left behind are replaced.
        """
        for piece in chunks(edges, BULK):
            known = insert_new(self.queue.edges, self._new(piece))
            if known:
                self._replace_left_over(known)

    def _replace_left_over(self, documents: Sequence[dict[str, Any]]) -> None:
        children = list({document["child"] for document in documents})
        with translated():
            query = {"_id": {"$in": children}}
            alive = {raw["_id"] for raw in self.queue.jobs.find(query, {"_id": 1})}
        self._put([document for document in documents if document["child"] not in alive])

    def replace(self, edges: Iterable[Edge]) -> None:
        """Write edges, whatever is there; who has read that before comes late."""
        for piece in chunks(edges, BULK):
            self._put(self._new(piece))

    def _new(self, edges: Iterable[Edge]) -> list[dict[str, Any]]:
        """Return the documents of edges, of a version that no earlier ones of their keys had."""
        version = randbits(40)
        return [owned(self.queue, e.document() | {"version": version}) for e in edges]

    def _put(self, documents: Sequence[dict[str, Any]]) -> None:
        from pymongo import ReplaceOne

        if documents:
            with translated():
                self.queue.edges.bulk_write(
                    [ReplaceOne({"_id": d["_id"]}, d, upsert=True) for d in documents],
                    ordered=False,
                )

    def meet(self, edges: Sequence[Edge]) -> int:
        """Note that edges are met, unless somebody wrote to them since they were read.

        Returns:
            How many were as they had been read.
        """
        number = 0
        for version in {edge.version for edge in edges}:
            alike = [edge.id for edge in edges if edge.version == version]
            for piece in chunks(alike, BULK):
                query = {"_id": piece[0] if len(piece) == 1 else {"$in": piece}, "version": version}
                change = {"$set": {"met": True, "version": version + 1}}
                with translated():
                    number += self.queue.edges.update_many(query, change).matched_count
        return number

    def reopen(self, edges: Iterable[Edge]) -> None:
        """Let jobs wait again for some parents; whoever is about to note them as met comes late."""
        for piece in chunks((edge.id for edge in edges), BULK):
            change = {"$set": {"met": False}, "$inc": {"version": 1}}
            with translated():
                self.queue.edges.update_many({"_id": {"$in": piece}}, change)

    def delete(self, edges: Iterable[Edge]) -> None:
        """Delete edges."""
        for piece in chunks((edge.id for edge in edges), BULK):
            with translated():
                self.queue.edges.delete_many({"_id": {"$in": piece}})

    def delete_of(self, docs: Iterable[JobDoc]) -> None:
        """Delete the edges of jobs that are gone."""
        for doc in docs:
            if doc.apart:
                delete_all(self.queue.edges, {"child": doc.id})


def with_parents(queue: QueueDatabase, docs: Sequence[JobDoc]) -> list[JobDoc]:
    """Return jobs with all their parents, wherever these are kept; to be shown, not written."""
    found: dict[str, list[tuple[int, str]]] = {}
    for edge in Edges(queue).of(doc.id for doc in docs if doc.apart):
        found.setdefault(edge.child, []).append((edge.place, edge.parent))
    return [
        doc.model_copy(update={"parents": [parent for _, parent in sorted(found[doc.id])]})
        if doc.id in found
        else doc
        for doc in docs
    ]
