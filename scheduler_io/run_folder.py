"""The way to a job's run folder on its worker."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from jfcelery.errors import StateError
from jfcelery.folders import RunFolder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jfcelery.database.documents import JobDoc
    from jfcelery.project import Project
    from jfcelery.scheduler_io.hosts.base import Host


@contextmanager
def run_folder(project: Project, doc: JobDoc) -> Iterator[tuple[Host, RunFolder]]:
    """Yield the host on which a job's run folder lies, and the folder.

    Raises:
        StateError: The job has none yet.
        HostError: The host cannot be reached.
    """
    from jfcelery.scheduler_io.hosts.pool import Hosts

    if not doc.run_dir:
        raise StateError(
            f"Job {doc.db_id} is {doc.state}: it has no run folder yet.",
            remedy=f"`jfc job history {doc.db_id}` shows what happened so far.",
        )
    with Hosts.of_person(project) as hosts, hosts.transfer(doc.worker) as host:
        yield host, RunFolder(PurePosixPath(doc.run_dir))
