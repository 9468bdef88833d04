"""Stands in for mongodump and mongorestore, which no package installs.

It takes their arguments, reads and writes their files, and says how far it is in their words. What
it was called with lies beside it afterwards: ``calls``, ``config``, ``modes``.
"""

from __future__ import annotations

import gzip
import json
import stat
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from bson import decode_file_iter, encode
from pymongo import MongoClient

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pymongo.collection import Collection


def install(folder: Path) -> None:
    """Put both tools into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("mongodump", "mongorestore"):
        tool = folder / name
        tool.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{__file__}" {tool} "$@"\n')
        tool.chmod(tool.stat().st_mode | stat.S_IXUSR)


def main(arguments: Sequence[str]) -> None:
    """Be one of the tools."""
    tool = Path(arguments[0])
    parser = ArgumentParser()
    for name in ("config", "db", "collection", "out"):
        parser.add_argument(f"--{name}")
    for name in ("gzip", "drop", "noIndexRestore"):
        parser.add_argument(f"--{name}", action="store_true")
    parser.add_argument("file", nargs="?", type=Path)
    given = parser.parse_args(arguments[1:])
    config = Path(given.config)
    _note(tool.parent, "calls", " ".join(arguments[1:]))
    _note(tool.parent, "modes", f"{stat.S_IMODE(config.stat().st_mode):o}")
    _note(tool.parent, "config", config.read_text())
    uri = json.loads(config.read_text().partition(":")[2])
    collection = MongoClient[dict[str, Any]](uri)[given.db][given.collection]
    if tool.name == "mongodump":
        _dump(collection, Path(given.out, given.db, f"{given.collection}.bson"), given.gzip)
    else:
        _restore(collection, given.file, given.gzip, given.drop)


def _note(folder: Path, name: str, line: str) -> None:
    with (folder / name).open("a") as file:
        file.write(f"{line}\n")


def _dump(collection: Collection[dict[str, Any]], path: Path, is_packed: bool) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    documents = list(collection.find({}))
    with _opened(path.with_name(path.name + ".gz" * is_packed), "wb") as file:
        for number, document in enumerate(documents, 1):
            file.write(encode(document))
            _say(collection.full_name, number, len(documents))


def _restore(
    collection: Collection[dict[str, Any]], path: Path, is_packed: bool, drops: bool
) -> None:
    assert is_packed is (path.suffix == ".gz")
    if drops:
        collection.drop()
    with _opened(path, "rb") as file:
        documents = list(decode_file_iter(file))
    for number, document in enumerate(documents, 1):
        collection.insert_one(document)
        _say(collection.full_name, number, len(documents))


def _opened(path: Path, mode: str) -> IO[bytes]:
    return gzip.open(path, mode) if path.suffix == ".gz" else path.open(mode)  # type: ignore[return-value]


def _say(name: str, done: int, total: int) -> None:
    bar = "#" * (24 * done // total)
    words = f"[{bar:.<24}]  {name}  {done}/{total}  ({100 * done / total:.1f}%)"
    sys.stderr.write(f"2026-01-01T00:00:00.000+0000\t{words}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
