"""Backups by MongoDB's own tools, faster for large queues."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from jfcelery.controller.backup import (
    MANIFEST,
    RESTORE_ORDER,
    Manifest,
    adopt,
    collections,
    count_documents,
    read_manifest,
    refuse_unless_empty,
    verify,
)
from jfcelery.database import identity
from jfcelery.database.documents import SCHEMA_VERSION
from jfcelery.errors import InputError
from jfcelery.services import database_endpoint

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from jfcelery.database.connection import QueueDatabase
    from jfcelery.project import Project

#: The part that is done, as the tools write it behind their bars:
#: https://github.com/mongodb/mongo-tools/blob/master/common/progress/progress_bar.go
PERCENT = re.compile(r"\((\d+(?:\.\d+)?)%\)\s*$")


def find_tool(name: str, folder: Path | None) -> str:
    """Return the path of ``mongodump`` or ``mongorestore``.

    Args:
        name: The program.
        folder: Where it lies; None for the PATH.

    Raises:
        InputError: It is not there.
    """
    found = shutil.which(name, path=None if folder is None else str(folder))
    if found is None:
        raise InputError(
            f"There is no {name} {'on the PATH' if folder is None else f'in {folder}'}.",
            remedy="Install MongoDB's database tools, or use --python.",
        )
    return found


def dump(
    project: Project,
    queue: QueueDatabase,
    folder: Path,
    *,
    compress: bool = False,
    tools: Path | None = None,
    progress: Callable[[int], object] = lambda _: None,
) -> dict[str, int]:
    """Write a backup of a queue with mongodump; the folder is as with Python.

    Args:
        project: The project.
        queue: Its database.
        folder: Where to; made if need be, must hold no backup.
        compress: Whether to compress the files with gzip.
        tools: Folder of mongodump; None for the PATH.
        progress: Called with the number of documents written so far.
    """
    if (folder / MANIFEST).exists():
        raise InputError(f"{folder} holds a backup already.", remedy="Choose another folder.")
    tool = find_tool("mongodump", tools)
    folder.mkdir(parents=True, exist_ok=True)
    counts: dict[str, int] = {}
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        for name, collection in collections(queue).items():
            arguments = ["--db", queue.database.name, "--collection", collection.name]
            arguments += ["--out", temporary, *(["--gzip"] if compress else [])]
            expected = collection.estimated_document_count()
            _run(project, [tool, *arguments], _part(sum(counts.values()), expected, progress))
            for path in Path(temporary, queue.database.name).glob(f"{collection.name}.*"):
                path.replace(folder / path.name.replace(collection.name, name, 1))
            # what the file holds: the collection may have got more meanwhile
            suffix = ".bson.gz" if compress else ".bson"
            counts[name] = count_documents(folder / f"{name}{suffix}")
            progress(sum(counts.values()))
    created_on = queue.clock.now().isoformat(timespec="seconds")
    manifest = Manifest(project.name, SCHEMA_VERSION, created_on, compress, counts)
    (folder / MANIFEST).write_text(json.dumps(asdict(manifest), indent=2) + "\n", encoding="utf-8")
    return counts


def restore(
    project: Project,
    queue: QueueDatabase,
    folder: Path,
    *,
    tools: Path | None = None,
    progress: Callable[[int], object] = lambda _: None,
) -> dict[str, int]:
    """Fill an empty queue from a backup with mongorestore.

    Args:
        project: The project; a backup of another project becomes its own.
        queue: Its database.
        folder: The backup.
        tools: Folder of mongorestore; None for the PATH.
        progress: Called with the number of documents restored so far.
    """
    manifest = read_manifest(folder)
    refuse_unless_empty(queue)
    tool = find_tool("mongorestore", tools)
    verify(queue, folder, manifest)
    counts: dict[str, int] = {}
    targets = collections(queue)
    for name in RESTORE_ORDER:
        collection, path = targets[name], manifest.file(folder, name)
        if path.exists():
            arguments = ["--db", queue.database.name, "--collection", collection.name, "--drop"]
            arguments += ["--noIndexRestore", *(["--gzip"] if manifest.compressed else [])]
            expected = manifest.counts.get(name, 0)
            tell = _part(sum(counts.values()), expected, progress)
            _run(project, [tool, *arguments, str(path)], tell)
        identity.adopt(queue, collection)
        counts[name] = collection.count_documents({})
        progress(sum(counts.values()))
    adopt(project, queue)
    return counts


def _part(
    before: int, expected: int, progress: Callable[[int], object]
) -> Callable[[float], object]:
    """Return what takes the part of one collection that is done, from 0 to 1."""
    return lambda part: progress(before + round(part * expected))


def _run(project: Project, command: Sequence[str], tell: Callable[[float], object]) -> None:
    """Run a tool; the address, which holds a password, goes in a file that only we can read.

    Args:
        project: The project.
        command: The tool with its arguments.
        tell: Called with the part that is done, as the tool says it every few seconds.
    """
    uri = database_endpoint(project).uri
    last = "no message"
    with tempfile.NamedTemporaryFile("w", prefix="jfc-", suffix=".yaml") as config:
        config.write(f"uri: {json.dumps(uri)}\n")
        config.flush()
        with subprocess.Popen(
            [command[0], "--config", config.name, *command[1:]],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        ) as process:
            for line in process.stderr or ():
                if percent := PERCENT.search(line):
                    tell(min(float(percent[1]), 100.0) / 100)
                elif line.strip():
                    last = line.strip()
    if process.returncode:
        raise InputError(f"{Path(command[0]).name} fails: {last}", remedy="Try --python.")
