"""Removing run folders from the workers.

The core knows no SSH. What removes folders is found by the entry point group
``jfcelery.folders``; it removes only folders that hold the job's own marker file.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jfcelery.database.documents import JobDoc
    from jfcelery.project import Project

#: Entry point group of the remover; its value is called with the project and the jobs.
GROUP = "jfcelery.folders"


@dataclass(frozen=True)
class Removal:
    """What became of the run folders of some jobs.

    Args:
        removed: db ids of the jobs whose folders are gone now.
        absent: db ids of those that had none.
        kept: By db id, why a folder was not touched: it is not the job's.
        failed: By db id, why a folder is still there though it should be gone.
    """

    removed: list[str] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)
    kept: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)

    def __add__(self, other: Removal) -> Removal:
        """Return both as one."""
        return Removal(
            self.removed + other.removed,
            self.absent + other.absent,
            self.kept | other.kept,
            self.failed | other.failed,
        )


class RemoveFolders(Protocol):
    """Removes the run folders of jobs, with those of earlier attempts."""

    def __call__(self, project: Project, docs: Sequence[JobDoc]) -> Removal:
        """Return what became of them."""
        ...


def remove_folders(project: Project, docs: Sequence[JobDoc]) -> Removal:
    """Remove the run folders of jobs, with those of earlier attempts."""
    from importlib.metadata import entry_points

    entry = next(iter(entry_points(group=GROUP)))
    remove: RemoveFolders = entry.load()
    return remove(project, docs)
