"""A job's documents: out of the files that it left, into the JobStore.

Both ways they are plain data: no class that a file names is imported where the runner is.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jfcelery.errors import OutputInvalidError, OutputMissingError
from jfcelery.execution import wire
from jfcelery.folders import RunFolder

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from jobflow import JobStore
    from maggma.core import Store

#: MongoDB's codes for a document that is too large, and for troubles of its own that pass
#: (https://www.mongodb.com/docs/manual/reference/error-codes/).
_TOO_LARGE = frozenset({10334, 17419, 17420})
_PASSING = frozenset(
    {6, 7, 50, 64, 89, 91, 112, 134, 189, 262, 9001, 10107, 11000, 11600, 11602, 13435, 13436}
)


@dataclass(frozen=True)
class Documents:
    """What a job adds to the JobStore.

    Args:
        outputs: Output documents.
        blobs: Documents of the additional stores, by the store's name.
    """

    outputs: list[dict[str, Any]]
    blobs: dict[str, list[dict[str, Any]]] = field(default_factory=dict)


def read_documents(folder: str | Path, stores: Iterable[str] = ()) -> Documents:
    """Read the documents that a job left in its run folder.

    Args:
        folder: The run folder, or a copy of its files.
        stores: Names of the additional stores that the job uses.

    Raises:
        OutputMissingError: There are no output documents.
        OutputInvalidError: A file cannot be read.
    """
    path = Path(folder)
    outputs = _read_list(path / RunFolder.STORE_DATA)
    if outputs is None:
        raise OutputMissingError(f"the job left no {RunFolder.STORE_DATA}")
    blobs = {name: _read_list(path / RunFolder.additional_store(name)) for name in stores}
    return Documents(outputs, {name: found for name, found in blobs.items() if found})


def insert_documents(jobstore: JobStore, documents: Documents) -> None:
    """Write a job's documents as jobflow itself would have.

    Safe to repeat: a document replaces the one of the same uuid and index, and blobs that only the
    replaced one refers to are removed.

    Args:
        jobstore: Where to.
        documents: What.

    Raises:
        OutputInvalidError: The store cannot take them: a document is too large, or a number is.
    """
    jobstore.connect()
    ensure_indexes(jobstore)
    if unknown := set(documents.blobs) - set(additional_stores(jobstore)):
        raise OutputInvalidError(
            f"the JobStore has no additional store named {', '.join(sorted(unknown))}"
        )
    # In this order nothing is lost and nothing left over, wherever the process dies: what the old
    # document refers to is gone before it is, and the new one names its blobs before they come.
    _remove_replaced_blobs(jobstore, documents)
    with _refusals(documents.outputs):
        jobstore.docs_store.update(documents.outputs, key=["uuid", "index"])
    for name, blobs in documents.blobs.items():
        with _refusals(blobs):
            additional_stores(jobstore)[name].update(blobs, key="blob_uuid")


def ensure_indexes(jobstore: JobStore) -> None:
    """Create the indexes by which jobflow and jfcelery find outputs; once for each process.

    Args:
        jobstore: A connected JobStore; stores that are not in MongoDB are left alone.
    """
    stores = [jobstore.docs_store, *additional_stores(jobstore).values()]
    # A store's name may be no more than the server's address.
    key = tuple(str(vars(s).get(n)) for s in stores for n in ("uri", "host", "port", *_PLACE))
    if key in _indexed:
        return
    _create_index(jobstore.docs_store, "uuid", "index")
    for store in additional_stores(jobstore).values():
        _create_index(store, "blob_uuid")
    _indexed.add(key)


_PLACE = ("database", "collection_name")
_indexed: set[tuple[str, ...]] = set()


def _create_index(store: Store, *fields: str) -> None:
    from maggma.stores import GridFSStore, MemoryStore, MongoStore

    if isinstance(store, GridFSStore):
        names = [f"metadata.{name}" for name in fields]
        store._files_collection.create_index([(name, 1) for name in names])  # noqa: SLF001
    elif isinstance(store, MongoStore) and not isinstance(store, MemoryStore):
        store._collection.create_index([(name, 1) for name in fields])  # noqa: SLF001


def additional_stores(jobstore: JobStore) -> dict[str, Store]:
    """Return a JobStore's additional stores by name (jobflow leaves their type open)."""
    return dict(vars(jobstore)["additional_stores"])


def blob_infos(item: object) -> Iterator[dict[str, Any]]:
    """Yield what stands in an output for each value that is in an additional store."""
    if isinstance(item, dict):
        if "blob_uuid" in item and "store" in item:
            yield item
        else:
            for value in item.values():
                yield from blob_infos(value)
    elif isinstance(item, list):
        for value in item:
            yield from blob_infos(value)


def _remove_replaced_blobs(jobstore: JobStore, documents: Documents) -> None:
    if not additional_stores(jobstore):
        return
    kept = {blob["blob_uuid"] for blobs in documents.blobs.values() for blob in blobs}
    for old in _replaced(jobstore, documents.outputs):
        for info in blob_infos(old.get("output")):
            store = additional_stores(jobstore).get(info["store"])
            if store is not None and info["blob_uuid"] not in kept:
                # An output may also mention a blob of another job, which has to stay.
                own = {"job_uuid": old["uuid"], "job_index": old["index"]}
                store.remove_docs({"blob_uuid": info["blob_uuid"], **own})


def _replaced(jobstore: JobStore, outputs: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield the documents whose places others are about to take."""
    keys = {(doc["uuid"], doc["index"]) for doc in outputs}
    uuids, indices = ({key[place] for key in keys} for place in (0, 1))
    query = {"uuid": {"$in": sorted(uuids)}, "index": {"$in": sorted(indices)}}
    for old in jobstore.docs_store.query(query, ["uuid", "index", "output"]):
        if (old["uuid"], old["index"]) in keys:
            yield old


def _read_list(path: Path) -> list[dict[str, Any]] | None:
    try:
        documents = wire.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise OutputInvalidError(f"{path.name} cannot be read: {error}") from error
    if not isinstance(documents, list) or not all(isinstance(doc, dict) for doc in documents):
        raise OutputInvalidError(f"{path.name} is not a list of documents")
    return documents


@contextmanager
def _refusals(documents: list[dict[str, Any]]) -> Iterator[None]:
    """Say in plain words why a store refuses documents."""
    from bson.errors import InvalidDocument
    from pymongo.errors import BulkWriteError, DocumentTooLarge

    try:
        yield
    except DocumentTooLarge as error:
        raise _too_large(documents) from error
    except BulkWriteError as error:
        refused = (error.details or {}).get("writeErrors") or []
        codes = {item.get("code") for item in refused}
        if codes & _TOO_LARGE:
            raise _too_large(documents) from error
        if not codes or codes & _PASSING:
            raise
        message = refused[0].get("errmsg")
        raise OutputInvalidError(f"the job's output cannot be stored: {message}") from error
    except (InvalidDocument, OverflowError, UnicodeEncodeError) as error:
        raise OutputInvalidError(f"the job's output cannot be stored: {error}") from error


def _too_large(documents: list[dict[str, Any]]) -> OutputInvalidError:
    size = max(len(wire.dumps(doc)) for doc in documents)
    return OutputInvalidError(
        f"the job's output document has about {size / 1e6:.0f} MB; MongoDB takes 16 MB",
        remedy='Put its large parts into an additional store, with @job(data="name of the key").',
    )
