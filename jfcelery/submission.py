"""Submitting a flow: check everything that can be checked, then add it to the queue."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from jfcelery.database.connection import open_queue
from jfcelery.database.documents import job_key
from jfcelery.database.jobs import Jobs
from jfcelery.database.schema import prepare
from jfcelery.errors import InputError, ServiceError, UnknownNameError
from jfcelery.flows.entries import flow_entries
from jfcelery.flows.insert import Placement, add_flow, planned_jobs
from jfcelery.flows.release import settle
from jfcelery.messages import messenger
from jfcelery.own_modules import with_own_modules
from jfcelery.project import load_project
from jfcelery.project.resources import check_resources
from jfcelery.scripts import job_script

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jobflow.core.flow import Flow
    from jobflow.core.job import Job
    from qtoolkit.core.data_objects import QResources

    from jfcelery.flows.entries import FlowEntries
    from jfcelery.project import ExecutionConfig, Project

logger = logging.getLogger(__name__)


def submit_flow(
    flow: Flow | Job | list[Flow | Job],
    worker: str | None = None,
    project: str | Project | None = None,
    exec_config: str | dict[str, Any] | ExecutionConfig | None = None,
    resources: dict[str, Any] | QResources | None = None,
    priority: int = 0,
    allow_external_references: bool = False,
    jobstore: str | None = None,
    dry_run: bool = False,
) -> list[str]:
    """Add a flow to the queue of a project, from which the Celery workers run it.

    What :func:`set_run_config` said of single jobs goes before the arguments given here. A job or
    list that is refused can be corrected and submitted again.

    Args:
        flow: A flow, a job, or a list of them.
        worker: Name of the worker on which the jobs run; by default the project's first.
        project: Name of the project, or the project itself; by default the configured one.
        exec_config: Name of an execution configuration of the project, or one.
        resources: Resources for the scheduler: keys of its qtoolkit template, or a QResources.
        priority: Jobs of higher priority are taken first.
        allow_external_references: Accept references to outputs of jobs outside of the flow.
        jobstore: Name of one of the project's ``optional_jobstores`` for the outputs.
        dry_run: Check everything, but add nothing.

    Returns:
        The short ids of the jobs; with ``dry_run`` the scripts that would be submitted for them.

    Raises:
        InputError: A job refers to one outside of the flow, or is part of another.
        ConfigError: A worker, execution configuration, store or resource key is unknown.
        SerializationError: A job cannot be turned into JSON.
        ConflictError: Another process is adding the same flow, or was when it died.
        ServiceError: The database or the broker cannot be reached. Submit the flow again: nothing
            of it runs, unless the database had all of it and could not say so; then that is told.
    """
    chosen = load_project(project) if project is None or isinstance(project, str) else project
    chosen.get_worker(worker)  # says so where there is none
    placement = Placement(
        worker=worker or next(iter(chosen.workers)),
        exec_config=_plain(exec_config),
        resources=_plain(resources),
        priority=priority,
    )
    with _claimed(flow) as claim:
        config = with_own_modules(chosen, claim.flow, worker, placement.exec_config)
        placement = replace(placement, exec_config=config)
        entries = flow_entries(claim.flow)
        if not allow_external_references:
            _check_references(entries)
        check(chosen, entries, placement, jobstore)
        if dry_run:
            return [job_script(chosen, doc) for doc in planned_jobs(entries, placement)]
        ids = _add(chosen, entries, placement, jobstore)
        claim.kept = True
    try:
        messenger(chosen).checkout()
    except ServiceError as error:
        # The flow is in the database; the next beat finds it without a message.
        logger.warning("The flow was added, but no worker was told: %s", error.message)
    return ids


def _add(
    project: Project, entries: FlowEntries, placement: Placement, jobstore: str | None
) -> list[str]:
    """Add a flow that was checked to the queue, and return the short ids of its jobs."""
    from jfcelery.services import check_broker

    check_broker(project)
    queue = open_queue(project)
    prepare(queue)
    prefix = (project.queue.db_id_prefix if project.queue else None) or ""
    ids = add_flow(queue, entries, placement, jobstore=jobstore, id_prefix=prefix)
    _settle_outside(Jobs(queue), entries)
    return ids


@dataclass
class _Claim:
    """A flow, made of jobs or given as such.

    Attributes:
        flow: The flow.
        kept: Whether it keeps the jobs: it was added to the queue.
    """

    flow: Flow
    kept: bool = False


@contextmanager
def _claimed(given: Any) -> Iterator[_Claim]:
    """Yield the flow to submit; jobs that were made part of one are let go unless it is added.

    A job is part of one flow for good, so that one of a refused flow could not be submitted again.
    """
    hosts = [(item, list(item.hosts)) for item in _items(given)]
    claim: _Claim | None = None
    try:
        claim = _Claim(_whole(given))
        yield claim
    finally:
        if claim is None or not claim.kept:
            for item, before in hosts:
                item.hosts[:] = before


def _items(given: Any) -> Iterator[Any]:
    """Yield jobs and flows, and all that is in them."""
    if isinstance(given, (list, tuple)):
        for item in given:
            yield from _items(item)
    elif hasattr(given, "hosts"):
        yield given
        yield from _items(getattr(given, "jobs", ()))


def _whole(flow: Any) -> Flow:
    from jobflow.core.flow import get_flow

    try:
        # jobflow's own check of the references serialises all jobs, as we do once more.
        return get_flow(flow, allow_external_references=True)
    except ValueError as error:
        raise InputError(str(error)) from error


def _check_references(entries: FlowEntries) -> None:
    internal = {entry.uuid for entry in entries.jobs}
    for entry in entries.jobs:
        if missing := [uuid for uuid in entry.references if uuid not in internal]:
            raise InputError(
                f"Job {entry.name!r} refers to the output of {', '.join(missing)}, which is no job "
                "of this flow.",
                remedy="Add that job to the flow, or, if it was submitted before, pass "
                "allow_external_references=True (--external).",
            )


def check(
    project: Project, entries: FlowEntries, placement: Placement, jobstore: str | None
) -> None:
    """Check that the project has all that the jobs of a flow ask for.

    Raises:
        ConfigError: It has not.
    """
    known = set(project.get_jobstore(jobstore).additional_stores or {})  # type: ignore[has-type]
    seen: list[tuple[Any, Any, Any]] = []
    for entry in entries.jobs:
        for store in set(entry.stores) - known:
            raise UnknownNameError(
                f"Job {entry.name!r} keeps data in the additional store {store!r}, which the "
                f"jobstore of project {project.name!r} does not have.",
                remedy=f"It has: {', '.join(sorted(known)) or 'none'}. "
                "Add it below jobstore: additional_stores: in the project file.",
            )
        place = (
            entry.worker or placement.worker,
            placement.exec_config if entry.exec_config is None else entry.exec_config,
            placement.resources if entry.resources is None else entry.resources,
        )
        if place in seen:
            continue
        seen.append(place)
        worker = project.get_worker(place[0])
        if place[1] is not None:
            project.get_exec_config(place[1])
        check_resources(worker, place[2])


def _settle_outside(jobs: Jobs, entries: FlowEntries) -> None:
    """Look whether parents outside of the flow ended while it was added."""
    internal = {entry.uuid for entry in entries.jobs}
    keys = [job_key(e.uuid, e.index) for e in entries.jobs if not internal.issuperset(e.parents)]
    if keys:
        settle(jobs, jobs.of_keys(keys))


def _plain(value: Any) -> Any:
    """Return an execution configuration or resources as a name or plain dict."""
    if value is None or isinstance(value, (str, dict)):
        return value
    if hasattr(value, "as_dict"):
        return value.as_dict()
    return value.model_dump(mode="json", exclude_none=True)
