"""The tries of ``jfc project check``."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from jfcelery.errors import JfceleryError
from jfcelery.scheduler_io.probe import Finding, probe_worker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from jfcelery.project import Project

#: A remedy that names this command helps nobody who uses it.
_COMMAND = "jfc project check"
#: What helps where nothing better is known.
UNREACHABLE = "Check that it runs, and its address and password in the project file."


def check_queue(project: Project) -> Iterator[Finding]:
    """Yield whether the queue's database and broker answer."""
    yield _try("database", lambda: _database(project))
    yield _try("broker", lambda: _broker(project))


def check_jobstores(project: Project) -> Iterator[Finding]:
    """Yield whether the JobStores answer."""
    for name in (None, *project.optional_jobstores):
        yield _try(name or "default", partial(_jobstore, project, name))


def check_worker(name: str) -> Callable[[Project], Iterator[Finding]]:
    """Return the tries of one worker."""
    return lambda project: probe_worker(project, name)


def remarks(project: Project) -> list[str]:
    """Return what the project's file says in vain, or could say better."""
    from jfcelery.project import notes

    return [f"{note.key}: {note.text}" if note.key else note.text for note in notes(project)]


def _try(what: str, attempt: Callable[[], str]) -> Finding:
    try:
        return Finding(what, ok=True, detail=attempt())
    except JfceleryError as error:
        remedy = "" if _COMMAND in error.remedy else error.remedy
        return Finding(what, ok=False, detail=error.message, remedy=remedy or UNREACHABLE)


def _database(project: Project) -> str:
    from jfcelery.controller import JobController
    from jfcelery.controller.filters import JobFilter
    from jfcelery.controller.queries import count_jobs

    controller = JobController(project)
    number = count_jobs(controller.queue, JobFilter())
    kind = "embedded" if project.uses_embedded_database else "external"
    return f"{kind}, {number} jobs"


def _broker(project: Project) -> str:
    from jfcelery.services import check_broker

    check_broker(project)
    return "embedded" if project.uses_embedded_broker else "external"


def _jobstore(project: Project, name: str | None) -> str:
    from jfcelery.controller.outputs import connected_store
    from jfcelery.database.connection import translated

    store = connected_store(project, name)
    try:
        with translated(what="The JobStore's database"):  # a MongoStore connects when first used
            number = store.count()
    finally:
        store.close()
    additional: dict[str, Any] = store.additional_stores or {}  # type: ignore[has-type]
    stores = ", ".join(additional)
    return f"{number} outputs" + (f"; additional stores: {stores}" if stores else "")
