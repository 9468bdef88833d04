"""Removing the run folders of jobs, each worker's over one connection."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from jfcelery.controller.removal import Removal
from jfcelery.errors import (
    BackPressureError,
    ConfigError,
    ForeignFolderError,
    HostError,
    RunFolderError,
)
from jfcelery.folders import RunFolder
from jfcelery.scheduler_io.hosts.pool import Hosts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jfcelery.database.documents import JobDoc
    from jfcelery.project import Project


def remove_folders(project: Project, docs: Sequence[JobDoc]) -> Removal:
    """Remove the run folders of jobs, with those of earlier attempts.

    Args:
        project: The project.
        docs: The jobs.
    """
    result = Removal()
    with Hosts.of_person(project) as hosts:
        for doc in docs:
            _remove(hosts, project, doc, result)
    return result


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


def _remove(hosts: Hosts, project: Project, doc: JobDoc, result: Removal) -> None:
    try:
        if not doc.run_dir:
            result.absent.append(doc.db_id)
        elif reason := outside(project, doc):
            result.failed[doc.db_id] = reason
        else:
            with hosts.transfer(doc.worker) as host:
                folder = RunFolder(PurePosixPath(doc.run_dir))
                was_there = host.remove(folder, owner=owner_of(doc))
            (result.removed if was_there else result.absent).append(doc.db_id)
    except ForeignFolderError as error:
        result.kept[doc.db_id] = error.message
    except (BackPressureError, ConfigError, HostError, RunFolderError) as error:
        result.failed[doc.db_id] = error.message
