"""The script by which a job is submitted.

The core knows no scheduler. What writes the scripts is found by the entry point group
``jfcelery.scripts``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from jfcelery.database.documents import JobDoc
    from jfcelery.project import Project

#: Entry point group of the writer; its value is called with the project and the job.
GROUP = "jfcelery.scripts"


class WriteScript(Protocol):
    """Writes the submission script of a job."""

    def __call__(self, project: Project, doc: JobDoc) -> str:
        """Return the script."""
        ...


def job_script(project: Project, doc: JobDoc) -> str:
    """Return the script with which a job is, or would be, submitted.

    Raises:
        ConfigError: The project lacks what the job names.
    """
    from importlib.metadata import entry_points

    entry = next(iter(entry_points(group=GROUP)))
    write: WriteScript = entry.load()
    return write(project, doc)
