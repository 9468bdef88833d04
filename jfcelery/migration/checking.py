"""Whether an import can succeed: everything that can be known is checked before any write."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from jfcelery.controller.outputs import connected_store
from jfcelery.database.chunks import chunks
from jfcelery.errors import ConfigError, InputError, StateError, UnknownNameError
from jfcelery.flows.entries import stores_of
from jfcelery.migration.mapping import is_active, plan_jobs
from jfcelery.project.resources import check_resources
from jfcelery.states import JobState

if TYPE_CHECKING:
    from collections.abc import Iterable

    from jfcelery.database.connection import QueueDatabase
    from jfcelery.migration.mapping import Planned
    from jfcelery.migration.records import OldFlow, OldJob
    from jfcelery.migration.source import Source
    from jfcelery.project import Project

#: Most jobs that a refusal names.
SHOWN = 10
#: Outputs asked for with one query.
BULK = 500


@dataclass
class Survey:
    """What an import would do.

    Attributes:
        flows: Number of flows.
        before: Jobs by their state in jobflow-remote.
        after: Jobs by their state in jfcelery.
        active: Jobs whose work is under way, or not fetched.
        cancelled: Numbers of the queue jobs that are going to be cancelled, by job.
    """

    flows: int = 0
    before: Counter[JobState] = field(default_factory=Counter)
    after: Counter[JobState] = field(default_factory=Counter)
    active: list[OldJob] = field(default_factory=list)
    cancelled: dict[str, str] = field(default_factory=dict)

    @property
    def jobs(self) -> int:
        """Number of jobs."""
        return sum(self.before.values())


def check_apart(project: Project, queue: QueueDatabase, source: Source) -> None:
    """Check that the import goes from one database to another.

    Raises:
        InputError: Both are the same.
    """
    target = project.queue.target if project.queue else None
    if target is None or target.server != source.target.server:
        return
    names = {c.name for c in (queue.jobs, queue.flows, queue.auxiliary, queue.payloads)}
    if target.database == source.target.database and names & source.collections:
        raise InputError(
            f"The queue of project {project.name!r} is {target}, the very one to import from.",
            remedy="Leave 'queue' out of the project file, or name another database in it.",
        )


def survey(project: Project, source: Source, *, rerun_active: bool) -> Survey:
    """Look at everything that would be imported.

    Args:
        project: Where to.
        source: Where from.
        rerun_active: Whether jobs that are under way may start again from their beginning.

    Raises:
        InputError: The database is damaged.
        ConfigError: The project lacks something that jobs which may still run need.
        StateError: Jobs are under way, and may not start again.
    """
    found, needs, outputs = Survey(), _Needs(project), _Outputs()
    kinds = schedulers(project)
    numbers: Counter[str] = Counter()
    for flow in source.flows():
        jobs = source.jobs_of(flow)
        _check_complete(flow, jobs)
        needs.flow(flow)
        planned = plan_jobs(jobs, kinds)
        for job in planned:
            numbers[job.old.db_id] += 1
            found.before[job.old.state] += 1
            found.after[job.state] += 1
            if is_active(job.old):
                found.active.append(job.old)
            for request in job.cancel:
                found.cancelled[job.old.db_id] = request["queue_id"]
            needs.job(job.old)
        outputs.of(flow, planned)
        found.flows += 1
    _check_numbers(numbers, found.jobs, source.count()[1])
    if found.active and not rerun_active:
        raise _under_way(found.active)
    needs.check_stores(source)
    outputs.check(project)
    return found


def schedulers(project: Project) -> dict[str, str]:
    """Return the kind of the scheduler of each worker."""
    return {name: worker.scheduler_name for name, worker in project.workers.items()}


def _check_complete(flow: OldFlow, jobs: Iterable[OldJob]) -> None:
    missing = set(flow.jobs) - {job.uuid for job in jobs}
    if missing:
        raise InputError(
            f"The flow {flow.name!r} ({flow.uuid}) lacks {len(missing)} of its jobs: the database "
            "is damaged.",
            remedy="Delete the flow with jobflow-remote: jf flow delete -fid " + flow.uuid,
        )


def _check_numbers(numbers: Counter[str], jobs: int, all_jobs: int) -> None:
    twice = [number for number, times in numbers.items() if times > 1]
    if twice:
        raise InputError(f"Several jobs have the number {twice[0]}: the database is damaged.")
    if jobs != all_jobs:
        raise InputError(f"{all_jobs - jobs} jobs belong to no flow: the database is damaged.")


def _under_way(jobs: list[OldJob]) -> StateError:
    named = ", ".join(f"{job.db_id} ({job.job.name}, {job.state})" for job in jobs[:SHOWN])
    more = f" and {len(jobs) - SHOWN} more" if len(jobs) > SHOWN else ""
    return StateError(
        f"{len(jobs)} jobs are under way, or their results are not fetched yet: {named}{more}.",
        remedy="Let jobflow-remote finish them (pause the others: jf job pause -s READY), or stop "
        "them (jf job stop), or start them again from their beginning: --rerun-active",
    )


class _Needs:
    """What jobs that may still run need of the project."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.seen: list[Any] = []
        self.stores: set[str | None] = set()

    def flow(self, flow: OldFlow) -> None:
        """Check that the project has a flow's JobStore."""
        if flow.jobstore not in self.stores:
            self.project.get_jobstore(flow.jobstore)
            self.stores.add(flow.jobstore)

    def job(self, job: OldJob) -> None:
        """Check that the project has a job's worker and execution configuration."""
        place = (job.worker, job.exec_config, job.resources)
        if job.state is JobState.COMPLETED or place in self.seen:
            return
        self.seen.append(place)
        try:
            worker = self.project.get_worker(job.worker)
            if job.exec_config is not None:
                self.project.get_exec_config(job.exec_config)
            check_resources(worker, job.resources)
        except ConfigError as error:
            error.message = f"Job {job.db_id} ({job.job.name}): {error.message}"
            raise

    def check_stores(self, source: Source) -> None:
        """Check that the project has the additional stores of all jobs that may still run."""
        known: set[str] = set()
        for name in self.stores:
            known |= set(vars(self.project.get_jobstore(name))["additional_stores"] or ())
        for content in source.unfinished_contents():
            for store in set(stores_of(content)) - known:
                raise UnknownNameError(
                    f"Job {content.get('name')!r} keeps data in the additional store {store!r}, "
                    f"which no jobstore of project {self.project.name!r} has.",
                    remedy="Take the jobstore section over from the project file of "
                    "jobflow-remote.",
                )


class _Outputs:
    """The outputs that jobs which may still run refer to, by JobStore."""

    def __init__(self) -> None:
        self.wanted: dict[str | None, set[str]] = {}

    def of(self, flow: OldFlow, jobs: list[Planned]) -> None:
        """Note the COMPLETED parents of the flow's jobs that may still run."""
        done = {job.old.uuid for job in jobs if job.state is JobState.COMPLETED}
        open_jobs = [j.old for j in jobs if j.state is not JobState.COMPLETED]
        parents = {uuid for job in open_jobs for uuid in job.parents or ()} & done
        # a replaced job has an output only with its replacement
        parents -= {job.uuid for job in open_jobs}
        if parents:
            self.wanted.setdefault(flow.jobstore, set()).update(parents)

    def check(self, project: Project) -> None:
        """Check that the project's JobStores hold them.

        Raises:
            InputError: They do not.
        """
        for name, uuids in self.wanted.items():
            store = connected_store(project, name)
            try:
                missing = set(uuids)
                for piece in chunks(sorted(uuids), BULK):
                    query = {"uuid": {"$in": piece}}
                    missing -= {doc["uuid"] for doc in store.docs_store.query(query, ["uuid"])}
            finally:
                store.close()
            if missing:
                raise InputError(
                    f"The JobStore {name or 'of the project'} lacks the outputs of {len(missing)} "
                    f"jobs whose children are still to run, for example {min(missing)}.",
                    remedy="Take the jobstore sections over from the project file of "
                    "jobflow-remote.",
                )
