"""The JobStore of an execution: it knows the job's references and keeps what the job adds."""

from __future__ import annotations

from copy import deepcopy
from operator import methodcaller
from typing import TYPE_CHECKING, Any, cast

from jobflow.core.store import JobStore
from maggma.stores import MemoryStore

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

#: Fields by which jobflow itself looks documents up.
_PLAIN_FIELDS = frozenset({"uuid", "index", "blob_uuid"})


class FolderStore(MemoryStore):
    """A store in memory that tells what was added to it.

    jobflow's own queries are answered from a list: a MemoryStore copies a document at each
    insertion and query, which takes minutes where outputs are large. Any other query is answered
    by a MemoryStore, which is filled when the first one comes.

    Args:
        name: Name of the store.
        documents: What it holds at the start.
    """

    def __init__(self, name: str = "memory_db", documents: Iterable[dict[str, Any]] = ()) -> None:
        super().__init__(collection_name=name)
        self._known = list(documents)
        self._added: list[dict[str, Any]] = []

    def connect(self, force_reset: bool = False) -> None:
        """Do nothing: the documents are there."""

    def close(self) -> None:
        """Do nothing: the documents stay."""

    @property
    def _collection(self) -> Any:
        if self._coll is None:
            super().connect()
            documents = [deepcopy(doc) for doc in (*self._known, *self._added)]
            if documents:
                vars(self)["_coll"].insert_many(documents)
        return self._coll

    def query(  # type: ignore[override]  # as MongoStore's, which differs from Store's
        self,
        criteria: dict[str, Any] | None = None,
        properties: dict[str, Any] | list[str] | None = None,
        sort: dict[str, Any] | None = None,
        hint: dict[str, Any] | None = None,
        skip: int = 0,
        limit: int = 0,
        **kwargs: Any,
    ) -> Iterator[dict[str, Any]]:
        """Yield documents as a MemoryStore does."""
        if hint or kwargs or not _is_plain(criteria, properties, sort):
            return super().query(criteria, properties, sort, hint, skip, limit, **kwargs)
        found = [doc for doc in self._known if _matches(doc, criteria)]
        # jobflow replaces blobs in what it gets; what was added must stay as it is.
        found += [deepcopy(doc) for doc in self._added if _matches(doc, criteria)]
        for field, direction in reversed((sort or {}).items()):
            descending = getattr(direction, "value", direction) == -1
            found.sort(key=methodcaller("get", field), reverse=descending)
        chosen = found[skip : skip + limit if limit else None]
        return iter([_projected(doc, properties) for doc in chosen])

    def count(
        self, criteria: dict[str, Any] | None = None, hint: dict[str, Any] | None = None
    ) -> int:
        """Return how many documents match."""
        return sum(1 for _ in self.query(criteria, ["uuid"], hint=hint))

    def update(
        self, docs: list[dict[str, Any]] | dict[str, Any], key: list[str] | str | None = None
    ) -> None:
        """Add documents, or replace those with the same key."""
        chosen = key or self.key
        fields = [chosen] if isinstance(chosen, str) else chosen
        for doc in docs if isinstance(docs, list) else [docs]:
            same = {name: doc[name] for name in fields}
            self._discard(same)
            self._added.append(doc)
        if self._coll is not None:
            super().update(docs, key)

    def remove_docs(self, criteria: dict[str, Any]) -> None:
        """Remove the documents that match."""
        gone = list(self.query(criteria, ["uuid", "index", "blob_uuid"]))
        for doc in gone:
            self._discard({name: doc[name] for name in _PLAIN_FIELDS if name in doc})
        if self._coll is not None:
            super().remove_docs(criteria)

    def added(self) -> list[dict[str, Any]]:
        """Return the documents that were added or replaced."""
        return list(self._added)

    def _discard(self, same: dict[str, Any]) -> None:
        self._known = [doc for doc in self._known if not _matches(doc, same)]
        self._added = [doc for doc in self._added if not _matches(doc, same)]


class FolderJobStore(JobStore):
    """The JobStore in which a job runs: what it refers to is loaded already."""

    def query(
        self,
        criteria: Any = None,
        properties: Any = None,
        sort: Any = None,
        skip: int = 0,
        limit: int = 0,
        load: Any = None,
    ) -> Iterator[dict[str, Any]]:
        """Yield documents; only blobs that the job itself has added are loaded."""
        if not any(self.blobs().values()):
            load = False
        return super().query(criteria, properties, sort, skip, limit, load)

    def outputs(self) -> list[dict[str, Any]]:
        """Return the output documents that the job added."""
        return cast("FolderStore", self.docs_store).added()

    def blobs(self) -> dict[str, list[dict[str, Any]]]:
        """Return what the job added to the additional stores, by their names."""
        stores = vars(self)["additional_stores"]
        return {name: store.added() for name, store in stores.items()}


def job_store(references: Iterable[dict[str, Any]], stores: Sequence[str]) -> FolderJobStore:
    """Return the JobStore in which a job runs.

    Args:
        references: Output documents that it can resolve.
        stores: Names of its additional stores.
    """
    return FolderJobStore(
        FolderStore("outputs", references),
        additional_stores={name: FolderStore(name) for name in stores},
    )


def _is_plain(
    criteria: dict[str, Any] | None,
    properties: dict[str, Any] | list[str] | None,
    sort: dict[str, Any] | None,
) -> bool:
    names = list(properties or ())
    if isinstance(properties, dict) and not all(value == 1 for value in properties.values()):
        return False
    return (
        _PLAIN_FIELDS.issuperset(criteria or {})
        and _PLAIN_FIELDS.issuperset(sort or {})
        and not any("." in name for name in names)
        and all(_is_plain_condition(value) for value in (criteria or {}).values())
    )


def _is_plain_condition(value: object) -> bool:
    if isinstance(value, dict):
        return [*value] == ["$in"] and all(isinstance(v, str | int) for v in value["$in"])
    return isinstance(value, str | int)


def _matches(doc: dict[str, Any], criteria: dict[str, Any] | None) -> bool:
    for name, wanted in (criteria or {}).items():
        value = doc.get(name)
        if value not in wanted["$in"] if isinstance(wanted, dict) else value != wanted:
            return False
    return True


def _projected(
    doc: dict[str, Any], properties: dict[str, Any] | list[str] | None
) -> dict[str, Any]:
    if not properties:
        return dict(doc)
    return {name: doc[name] for name in properties if name in doc}
