"""What must hold between the sections of one project file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jfcelery.errors import ResourcesError
from jfcelery.project.model import problem_at
from jfcelery.project.resources import check_resources
from jfcelery.project.stores import jobstore_target

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from jfcelery.project.project import Project
    from jfcelery.project.recovery import RecoveryRule


def check_consistency(project: Project) -> None:
    """Check what no section can check alone.

    Raises:
        PydanticCustomError: Two sections contradict each other; the text holds the remedy.
    """
    _services(project)
    _collections(project)
    _handle_dirs(project)
    _recovery(project)


def _services(project: Project) -> None:
    for option, section, embedded in (
        ("database", "queue.store", project.uses_embedded_database),
        ("broker", "broker", project.uses_embedded_broker),
    ):
        wanted = getattr(project.services, option)
        if wanted == "embedded" and not embedded:
            text = f"`embedded` contradicts `{section}`; remove one of them"
            raise problem_at(f"services.{option}", text)
        if wanted == "external" and embedded:
            text = f"`external` needs `{section}`, which is missing; add it"
            raise problem_at(f"services.{option}", text)


def _collections(project: Project) -> None:
    queue = project.queue
    if queue is None or queue.target is None:
        return
    target = queue.target
    names = {
        "store.collection_name": target.collection,
        "flows_collection": queue.flows_collection,
        "auxiliary_collection": queue.auxiliary_collection,
        "batches_collection": queue.batches_collection,
    }
    seen: dict[str, str] = {}
    for option, name in names.items():
        if name in seen:
            text = f"{name!r} is the name of `queue.{seen[name]}` too; change one of them"
            raise problem_at(f"queue.{option}", text)
        seen[name] = option
    outputs = jobstore_target(project.jobstore)
    if outputs is None or (outputs.server, outputs.database) != (target.server, target.database):
        return
    if outputs.collection in seen:
        option = seen[outputs.collection]
        text = f"{outputs.collection!r} is the collection of `queue.{option}` too; change one"
        raise problem_at("jobstore.docs_store.collection_name", text)


def _handle_dirs(project: Project) -> None:
    seen: dict[tuple[str, Path], str] = {}
    for name, worker in project.workers.items():
        if worker.batch is None:
            continue
        place = (worker.host_key, worker.batch.jobs_handle_dir)
        if place in seen:
            text = f"worker {seen[place]!r} on the same host has the same folder; change one"
            raise problem_at(f"workers.{name}.batch.jobs_handle_dir", text)
        seen[place] = name


def _recovery(project: Project) -> None:
    """Check that the rules name workers that exist, and resources that those understand."""
    for place, rule, target in _rules(project):
        if rule.worker is not None and rule.worker not in project.workers:
            names = ", ".join(project.workers)
            text = f"the project has no worker {rule.worker!r}; it has: {names}"
            raise problem_at(f"{place}.worker", text)
        worker = project.workers.get(rule.worker or target)
        if worker is None or not rule.resources:
            continue
        try:
            check_resources(worker, rule.resources)
        except ResourcesError as error:
            raise problem_at(f"{place}.resources", " ".join(str(error).split())) from None


def _rules(project: Project) -> Iterator[tuple[str, RecoveryRule, str]]:
    """Yield each rule with its place in the file, and the worker whose jobs are meant, if one."""
    for number, rule in enumerate(project.recovery):
        yield f"recovery.{number}", rule, ""
    for name, worker in project.workers.items():
        for number, rule in enumerate(worker.recovery):
            yield f"workers.{name}.recovery.{number}", rule, name
