"""The JobStore in which a project's outputs are."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jobflow.core.store import JobStore


def get_jobstore(project_name: str | None = None, jobstore_name: str | None = None) -> JobStore:
    """Return the JobStore of a project, not connected yet.

    Args:
        project_name: Name of the project; by default the configured one.
        jobstore_name: Name of one of its ``optional_jobstores``; by default its main one.

    Raises:
        ConfigError: There is no such project or store.
    """
    from jfcelery.project import load_project

    return load_project(project_name).get_jobstore(jobstore_name)
