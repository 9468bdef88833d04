"""Backups of the queue: folders in mongodump's format, which mongorestore reads as well."""

from __future__ import annotations

import gzip
import json
import zlib
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import IO, TYPE_CHECKING, Any

from jfcelery.database import identity
from jfcelery.database.chunks import chunks
from jfcelery.database.connection import translated
from jfcelery.database.documents import SCHEMA_VERSION
from jfcelery.database.indexes import create_indexes
from jfcelery.errors import InputError, StateError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pymongo.collection import Collection

    from jfcelery.database.connection import QueueDatabase
    from jfcelery.project import Project

#: File in a backup's folder that says what it is.
MANIFEST = "jfcelery.json"
#: Documents of one insertion.
BULK = 500
#: The collections in the order in which they are restored: no job is there before its content.
RESTORE_ORDER = (
    "payload_files.chunks",
    "payload_files.files",
    "payloads",
    "edges",
    "history",
    "jf_auxiliary",
    "batches",
    "flows",
    "jobs",
)
#: What reading a damaged file, compressed or not, may raise beside InvalidBSON.
_DAMAGES = (EOFError, gzip.BadGzipFile, zlib.error, OSError, ValueError)


@dataclass(frozen=True)
class Manifest:
    """What a backup says of itself.

    Args:
        project: Name of the project.
        schema: Version of the documents' layout.
        created_on: When it was made, ISO 8601 in UTC.
        compressed: Whether the files are compressed with gzip.
        counts: Number of documents of each collection, by its usual name.
    """

    project: str
    schema: int
    created_on: str
    compressed: bool
    counts: dict[str, int]

    def file(self, folder: Path, name: str) -> Path:
        """Return the file of a collection."""
        return folder / (f"{name}.bson" + (".gz" if self.compressed else ""))


def collections(queue: QueueDatabase) -> dict[str, Collection[dict[str, Any]]]:
    """Return the collections of a queue by their usual names, whatever they are called here.

    The order is that of a backup: what refers to other documents comes before those, so that
    in a backup of a running system nothing that is referred to is missing.
    """
    files = queue.files
    return {
        "flows": queue.flows,
        "jobs": queue.jobs,
        "batches": queue.batches,
        "edges": queue.edges,
        "payloads": queue.payloads,
        "payload_files.files": files._files,  # noqa: SLF001 - the bucket shows them nowhere else
        "payload_files.chunks": files._chunks,  # noqa: SLF001
        "history": queue.history,
        "jf_auxiliary": queue.auxiliary,
    }


def dump(
    project: Project,
    queue: QueueDatabase,
    folder: Path,
    *,
    compress: bool = False,
    layout: int = SCHEMA_VERSION,
    progress: Callable[[int], object] = lambda _: None,
) -> dict[str, int]:
    """Write a backup of a queue.

    Args:
        project: The project.
        queue: Its database.
        folder: Where to; made if need be, must hold no backup.
        compress: Whether to compress the files with gzip.
        layout: Version of the documents' layout.
        progress: Called with the number of documents written so far.

    Returns:
        The number of documents of each collection.

    Raises:
        InputError: The folder holds a backup already, or cannot be written.
    """
    if (folder / MANIFEST).exists():
        raise InputError(f"{folder} holds a backup already.", remedy="Choose another folder.")
    counts: dict[str, int] = {}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, collection in collections(queue).items():
            path = folder / (f"{name}.bson" + (".gz" if compress else ""))
            done = sum(counts.values())
            counts[name] = _dump_one(collection, path, _after(done, progress))
        manifest = Manifest(
            project=project.name,
            schema=layout,
            created_on=queue.clock.now().isoformat(timespec="seconds"),
            compressed=compress,
            counts=counts,
        )
        text = json.dumps(asdict(manifest), indent=2) + "\n"
        (folder / MANIFEST).write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(f"The backup cannot be written: {error}") from error
    return counts


def restore(
    project: Project,
    queue: QueueDatabase,
    folder: Path,
    *,
    progress: Callable[[int], object] = lambda _: None,
) -> dict[str, int]:
    """Fill an empty queue from a backup.

    Args:
        project: The project; a backup of another project becomes its own.
        queue: Its database.
        folder: The backup.
        progress: Called with the number of documents read so far.

    Returns:
        The number of documents of each collection.

    Raises:
        StateError: The queue is not empty.
        InputError: The folder holds no backup, or a damaged one, or one of another layout.
    """
    manifest = read_manifest(folder)
    refuse_unless_empty(queue)
    verify(queue, folder, manifest)
    counts: dict[str, int] = {}
    targets = collections(queue)
    for name in RESTORE_ORDER:
        done = sum(counts.values())
        with translated():
            targets[name].delete_many({})
        path = manifest.file(folder, name)
        counts[name] = _restore_one(queue, targets[name], path, _after(done, progress))
    identity.adopt(queue, targets["payload_files.files"])
    adopt(project, queue)
    return {name: counts[name] for name in targets}


def verify(queue: QueueDatabase, folder: Path, manifest: Manifest) -> None:
    """Read a whole backup, before anything is written.

    Raises:
        InputError: It is damaged, or not complete.
    """
    for name in collections(queue):
        found, wanted = count_documents(manifest.file(folder, name)), manifest.counts.get(name)
        if found != wanted:
            raise InputError(
                f"The backup in {folder} is damaged: {name} has {found} documents in place of "
                f"{wanted}. Nothing was restored."
            )


def count_documents(path: Path) -> int:
    """Count the documents of a BSON file; 0 for none.

    Raises:
        InputError: It is damaged.
    """
    from bson import InvalidBSON, decode_file_iter

    if not path.exists():
        return 0
    try:
        with _opened(path, "rb") as file:
            return sum(1 for _ in decode_file_iter(file))
    except (InvalidBSON, *_DAMAGES) as error:
        raise InputError(f"The backup is damaged: {path.name}: {error}") from error


def read_manifest(folder: Path) -> Manifest:
    """Return what a backup says of itself.

    Raises:
        InputError: There is no backup, or one that this version cannot read.
    """
    path = folder / MANIFEST
    try:
        manifest = Manifest(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise InputError(
            f"{folder} holds no backup of jfcelery: {error}",
            remedy="Name the folder that holds jfcelery.json.",
        ) from None
    if manifest.schema != SCHEMA_VERSION:
        raise InputError(
            f"The backup has layout {manifest.schema}, this version needs {SCHEMA_VERSION}.",
            remedy="Restore it with the version of jfcelery that wrote it, then upgrade.",
        )
    return manifest


def refuse_unless_empty(queue: QueueDatabase) -> None:
    """Refuse to go on with a queue that holds jobs or flows.

    Raises:
        StateError: It holds some.
    """
    with translated():
        jobs, flows = queue.jobs.count_documents({}), queue.flows.count_documents({})
    if jobs or flows:
        raise StateError(
            f"The queue is not empty: it holds {jobs} jobs in {flows} flows.",
            remedy="Use a project with an empty queue, or empty this one: jfc admin reset",
        )


def adopt(project: Project, queue: QueueDatabase) -> None:
    """Make restored documents the project's own, and create the indexes."""
    record = {"schema": SCHEMA_VERSION, "project": project.name, "version": 1}
    with translated():
        queue.auxiliary.replace_one({"_id": "jfcelery"}, record, upsert=True)
        queue.auxiliary.delete_many({"_id": {"$regex": "^host:"}})
    create_indexes(queue)


def _dump_one(
    collection: Collection[dict[str, Any]], path: Path, progress: Callable[[int], object]
) -> int:
    """Write one collection to a file that appears only when it is complete."""
    from bson.raw_bson import RawBSONDocument

    raw = collection.with_options(
        codec_options=collection.codec_options.with_options(document_class=RawBSONDocument)
    )
    partial = path.with_name(f"{path.name}.partial")
    number = 0
    with _opened(partial, "wb") as file, translated():
        for document in raw.find({}):
            file.write(document.raw)
            number += 1
            if number % BULK == 0:
                progress(number)
    partial.replace(path)
    progress(number)
    return number


def _restore_one(
    queue: QueueDatabase,
    collection: Collection[dict[str, Any]],
    path: Path,
    progress: Callable[[int], object],
) -> int:
    """Insert the documents of a file as the project's own, whosever they were."""
    from bson import InvalidBSON, decode_file_iter

    number = 0
    if not path.exists():
        return 0
    try:
        with _opened(path, "rb") as file:
            found = decode_file_iter(file, collection.codec_options)
            if not collection.full_name.endswith((".files", ".chunks")):  # of GridFS
                found = (identity.owned(queue, document) for document in found)
            for piece in chunks(found, BULK):
                with translated():
                    collection.insert_many(piece, ordered=False)
                number += len(piece)
                progress(number)
    except (InvalidBSON, *_DAMAGES) as error:
        raise InputError(f"The backup is damaged: {path.name}: {error}") from error
    return number


@contextmanager
def _opened(path: Path, mode: str) -> Iterator[IO[bytes]]:
    compressed = ".gz" in path.suffixes
    with gzip.open(path, mode) if compressed else path.open(mode) as file:
        yield file  # type: ignore[misc]


def _after(done: int, progress: Callable[[int], object]) -> Callable[[int], object]:
    """Return a progress function for what comes after a number of documents."""
    return lambda number: progress(done + number)
