"""The outputs that a job refers to, collected for its input."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from jfcelery.errors import ReferenceMissingError
from jfcelery.execution.stores import additional_stores, blob_infos

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from jobflow import JobStore

#: How many documents, or blobs, one query asks for.
CHUNK = 200

#: What a job needs of the documents that it refers to.
FIELDS = ["uuid", "index", "output"]

#: The keys and attributes that lead from an output to what is wanted of it.
Path = tuple[Any, ...]


@dataclass(frozen=True)
class Reference:
    """A reference to an output, as it stands in serialised data.

    Args:
        uuid: The job whose output it is.
        path: Keys and attributes that are applied to the output.
    """

    uuid: str
    path: Path = ()


def references_in(value: object) -> Iterator[Reference]:
    """Yield every output reference in serialised data, in order of appearance."""
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, dict):
            if item.get("@class") == "OutputReference":
                path = tuple(step[1] for step in item.get("attributes") or ())
                yield Reference(item["uuid"], path)
            stack.extend(reversed(list(item.values())))
        elif isinstance(item, list | tuple):
            stack.extend(reversed(item))


def collect_for_job(jobstore: JobStore, job: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what a job needs to have in its JobStore to run.

    Of an output that is a plain dict, only the keys that the job refers to are taken along.

    Args:
        jobstore: Where outputs are.
        job: The serialised job.

    Raises:
        ReferenceMissingError: An output is not there, and the job cannot do without.
    """
    config = job["config"]
    exposed = bool(config.get("expose_store"))
    if not config["resolve_references"] and not exposed:
        return []
    references = references_in([job["function_args"], job["function_kwargs"]])
    wanted = [Reference(r.uuid) if exposed else r for r in references]
    must_exist = config["on_missing_references"] == "error"
    return _Collection(jobstore, must_exist, None if exposed else FIELDS).of(wanted)


@dataclass
class _Collection:
    jobstore: JobStore
    must_exist: bool
    fields: list[str] | None
    found: dict[str, dict[str, Any]] = field(default_factory=dict)
    whole: set[str] = field(default_factory=set)

    def of(self, wanted: list[Reference]) -> list[dict[str, Any]]:
        """Return the documents of all references, and of those in the outputs found."""
        self.jobstore.connect()
        while wanted:
            paths: dict[str, list[Path]] = {}
            for reference in wanted:
                paths.setdefault(reference.uuid, []).append(reference.path)
            outputs = self._fetch(paths)
            inner = {reference.uuid for output in outputs for reference in references_in(output)}
            # References inside outputs are few: their outputs are taken as a whole.
            wanted = [Reference(uuid) for uuid in sorted(inner - self.whole)]
        return list(self.found.values())

    def _fetch(self, paths: dict[str, list[Path]]) -> list[Any]:
        documents = _latest(self.jobstore, list(paths), self.fields)
        missing = paths.keys() - documents.keys()
        if missing and self.must_exist:
            raise ReferenceMissingError(
                f"no output of {', '.join(sorted(missing))} is in the JobStore",
                remedy="Was it removed, or written to another JobStore?",
            )
        for uuid, document in documents.items():
            document["output"] = pruned(document.get("output"), paths[uuid])
        load_blobs(self.jobstore, documents.values())
        self.found.update(documents)
        self.whole.update(uuid for uuid in paths if () in paths[uuid] or uuid in missing)
        return [document["output"] for document in documents.values()]


def pruned(output: Any, paths: Iterable[Path]) -> Any:
    """Return an output without the keys that no path leads through.

    Only plain dicts are pruned: objects need all of their fields, lists their order.
    """
    steps = list(paths)
    if not isinstance(output, dict) or not all(steps) or "blob_uuid" in output:
        return output
    if any(isinstance(key, str) and key.startswith("@") for key in output):
        return output
    heads: dict[Any, list[Path]] = {}
    for head, *rest in steps:
        heads.setdefault(head, []).append(tuple(rest))
    if not all(isinstance(head, str) and head in output for head in heads):
        return output
    return {head: pruned(output[head], rest) for head, rest in heads.items()}


def load_blobs(jobstore: JobStore, documents: Collection[dict[str, Any]]) -> None:
    """Replace, in output documents, what stands for a blob by the blob.

    Raises:
        ReferenceMissingError: A blob, or its store, is not there.
    """
    for document in documents:
        wanted: dict[str, list[str]] = {}
        for info in blob_infos(document.get("output")):
            wanted.setdefault(info["store"], []).append(info["blob_uuid"])
        blobs = {name: _blobs(jobstore, name, ids, document) for name, ids in wanted.items()}
        if blobs:
            document["output"] = _with_blobs(document["output"], blobs)


def _with_blobs(item: Any, blobs: dict[str, dict[str, Any]]) -> Any:
    if isinstance(item, dict):
        if "blob_uuid" in item and "store" in item:
            return blobs[item["store"]][item["blob_uuid"]]
        return {key: _with_blobs(value, blobs) for key, value in item.items()}
    if isinstance(item, list):
        return [_with_blobs(value, blobs) for value in item]
    return item


def _blobs(
    jobstore: JobStore, name: str, ids: list[str], document: dict[str, Any]
) -> dict[str, Any]:
    store = additional_stores(jobstore).get(name)
    found: dict[str, Any] = {}
    for chunk in _chunks(ids):
        query = {"blob_uuid": {"$in": chunk}}
        blobs = store.query(query, ["blob_uuid", "data"]) if store is not None else ()
        found.update((blob["blob_uuid"], blob["data"]) for blob in blobs)
    missing = set(ids) - found.keys()
    if missing:
        raise ReferenceMissingError(
            f"{len(missing)} part(s) of the output of {document['uuid']} are not in the "
            f"additional store {name!r}"
        )
    return found


def _latest(
    jobstore: JobStore, uuids: list[str], fields: list[str] | None
) -> dict[str, dict[str, Any]]:
    """Return the output document with the highest index of each job."""
    latest: dict[str, dict[str, Any]] = {}
    for chunk in _chunks(uuids):
        query = {"uuid": {"$in": chunk}}
        for doc in jobstore.docs_store.query(query, fields and list(fields)):
            known = latest.get(doc["uuid"])
            if known is None or doc["index"] > known["index"]:
                latest[doc["uuid"]] = {k: v for k, v in doc.items() if k != "_id"}
    return latest


def _chunks(items: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(items), CHUNK):
        yield items[start : start + CHUNK]
