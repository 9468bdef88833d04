"""What goes to a host and comes back from it: run folders, and files of them."""

from __future__ import annotations

import json
from dataclasses import dataclass
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
