"""What goes to a host and comes back from it: run folders, and files of them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from jfcelery.folders import RunFolder

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


@dataclass(frozen=True)
class Publication:
    """A run folder that is to be put in place.

    Args:
        folder: Where.
        files: Contents, or files of this machine, by name.
        attempt: Of the job.
        marker: What to note about the job in the folder.
        keep: Put what the attempt before left, but for jfcelery's own files, beside the new.
    """

    folder: RunFolder
    files: Mapping[str, bytes | Path]
    attempt: int
    marker: Mapping[str, object]
    keep: bool = False

    @property
    def contents(self) -> dict[str, bytes | Path]:
        """All files, the marker too."""
        # The attempt comes first and once: the scripts find it there.
        note = {"attempt": self.attempt} | dict(self.marker) | {"attempt": self.attempt}
        return {**self.files, RunFolder.MARKER: f"{json.dumps(note, default=str)}\n".encode()}


@dataclass(frozen=True)
class Retrieval:
    """Files of a run folder that are to be brought to this machine.

    Args:
        folder: From where.
        patterns: Names or glob patterns; what matches nothing is just absent.
        into: Folder of this machine; made if need be.
    """

    folder: RunFolder
    patterns: Sequence[str]
    into: Path


def is_asked_for(name: str, wanted: Mapping[str, Sequence[str]]) -> bool:
    """Return whether a host that was asked for some files may send one of this name.

    A file named like one of ours may stand where files are put: what the host says is not enough.

    Args:
        name: Path of the file, as the host sends it.
        wanted: Names or glob patterns, by the path of the folder in which they are.
    """
    parts = name.split("/")
    for depth in range(len(parts)):
        patterns = wanted.get("/".join(parts[:depth]), ())
        if any(_matches(parts[depth:], pattern.split("/")) for pattern in patterns):
            return True
    return False


def _matches(parts: Sequence[str], pattern: Sequence[str]) -> bool:
    return len(parts) == len(pattern) and all(map(_matches_part, parts, pattern))


def _matches_part(part: str, pattern: str) -> bool:
    """Return whether a shell might take a name for a pattern; what is in brackets is any text."""
    if part == pattern:
        return True
    head, bracket, _ = pattern.partition("[")
    is_hidden = part.startswith(".") and not pattern.startswith(".")
    return not is_hidden and fnmatchcase(part, f"{head}*" if bracket else head)
