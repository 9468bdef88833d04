"""Removing run folders from the workers.

The core knows no SSH. What removes folders is found by the entry point group
``jfcelery.folders``; it removes only folders that hold the job's own marker file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jfcelery.database.documents import JobDoc
    from jfcelery.project import Project

#: Entry point group of the remover; its value is called with the project and the jobs.
GROUP = "jfcelery.folders"


class RemoveFolders(Protocol):
    """Removes the run folders of jobs."""

    def __call__(self, project: Project, docs: Sequence[JobDoc]) -> dict[str, str]:
        """Return, by db id, why a folder is still there; jobs without a folder are no failure."""
        ...


def remove_folders(project: Project, docs: Sequence[JobDoc]) -> dict[str, str]:
    """Remove the run folders of jobs, with those of earlier attempts.

    Returns:
        By db id, why a folder is still there.
    """
    from importlib.metadata import entry_points

    entry = next(iter(entry_points(group=GROUP)))
    remove: RemoveFolders = entry.load()
    return remove(project, docs)
