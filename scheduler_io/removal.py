"""Removing the run folders of jobs, each worker's over one connection."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from jfcelery.errors import ConfigError, HostError, RunFolderError
from jfcelery.folders import RunFolder
from jfcelery.scheduler_io.hosts.pool import Hosts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jfcelery.database.documents import JobDoc
    from jfcelery.project import Project


def remove_folders(project: Project, docs: Sequence[JobDoc]) -> dict[str, str]:
    """Remove the run folders of jobs, with those of earlier attempts.

    Args:
        project: The project.
        docs: The jobs; those that never had a folder are passed over.

    Returns:
        By db id, why a folder is still there.
    """
    hosts = Hosts(project)
    failures: dict[str, str] = {}
    try:
        for doc in docs:
            if doc.run_dir:
                _remove(hosts, project, doc, failures)
    finally:
        hosts.close()
    return failures


def owner_of(doc: JobDoc) -> dict[str, object]:
    """Return what the marker of a folder holds that is a job's own."""
    return {"uuid": doc.uuid, "index": doc.index}


def outside(project: Project, doc: JobDoc) -> str:
    """Return why a run folder does not count as one of its worker's, else an empty string.

    Raises:
        ConfigError: The project has no such worker any more.
    """
    folder = PurePosixPath(str(doc.run_dir))
    work_dir = PurePosixPath(str(project.get_worker(doc.worker).work_dir))
    below = work_dir in folder.parents and ".." not in folder.relative_to(work_dir).parts
    return "" if below else f"{folder} does not lie below {work_dir}"


def _remove(hosts: Hosts, project: Project, doc: JobDoc, failures: dict[str, str]) -> None:
    try:
        if reason := outside(project, doc):
            failures[doc.db_id] = reason
            return
        with hosts.transfer(doc.worker) as host:
            host.remove(RunFolder(PurePosixPath(str(doc.run_dir))), owner=owner_of(doc))
    except (ConfigError, HostError, RunFolderError) as error:
        failures[doc.db_id] = error.message
