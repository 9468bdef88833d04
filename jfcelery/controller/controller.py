"""The controller: one object that does to a project's jobs and flows what a person asks for."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self, Unpack

from jfcelery.controller import queries
from jfcelery.controller.acting import JobActions
from jfcelery.controller.actions import Actions
from jfcelery.controller.administering import Administration
from jfcelery.controller.arguments import (
    FlowQuery,
    JobQuery,
    flow_filter,
    job_filter,
    one_job,
)
from jfcelery.controller.batches import PilotQueries
from jfcelery.controller.flows import FlowActions
from jfcelery.controller.listing import Listing
from jfcelery.controller.positional import FLOWS, JOBS, in_order
from jfcelery.controller.resolve import flow_uuid
from jfcelery.database.connection import open_queue
from jfcelery.database.edges import with_parents
from jfcelery.database.flows import Flows
from jfcelery.database.schema import prepare
from jfcelery.errors import JobNotFoundError
from jfcelery.project import load_project

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pandas import DataFrame
    from pymongo.collection import Collection

    from jfcelery.controller.info import FlowInfo, JobInfo
    from jfcelery.database.connection import QueueDatabase
    from jfcelery.database.documents import JobDoc
    from jfcelery.project import Project
    from jfcelery.states import FlowState, JobState


class JobController(JobActions, Administration, PilotQueries):
    """Reads and changes the jobs and flows of one project; method names as in jobflow-remote.

    Of ``job_ids, db_ids, flow_ids, states, start_date, end_date, name, metadata, workers,
    custom_query, locked, error_class, error_regex``, which select jobs, all that is given must
    hold, and nothing given selects everything. Arguments without names are taken in
    jobflow-remote's order.

    Args:
        project: The project.

    Raises:
        ServiceError: Its database cannot be reached, or belongs to something else.
    """

    def __init__(self, project: Project) -> None:
        self.project = project
        self.queue: QueueDatabase = open_queue(project)
        prepare(self.queue)

    @classmethod
    def from_project_name(cls, project_name: str | None = None) -> Self:
        """Return the controller of a project.

        Args:
            project_name: Its name; by default the configured one.
        """
        return cls(load_project(project_name))

    @classmethod
    def from_project(cls, project: Project) -> Self:
        """Return the controller of a project."""
        return cls(project)

    def close(self) -> None:
        """Close nothing but what only this controller uses; safe to repeat.

        The connection to the database belongs to the process.
        """

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def jobs(self) -> Collection[dict[str, Any]]:
        """The collection of job documents, to read from."""
        return self.queue.jobs

    @property
    def flows(self) -> Collection[dict[str, Any]]:
        """The collection of flow documents, to read from."""
        return self.queue.flows

    @cached_property
    def actions(self) -> Actions:  # pyright: ignore[reportIncompatibleMethodOverride]
        """The operations on jobs, with a reason for every job that they refuse."""
        return Actions(self.project, self.queue)

    @cached_property
    def flow_actions(self) -> FlowActions:  # pyright: ignore[reportIncompatibleMethodOverride]
        """The operations on flows."""
        return FlowActions(self.actions)

    # ------------------------------------------------------------------ jobs

    @in_order(JobQuery, "custom_query", *JOBS[:-1], "locked", "sort", "limit", "skip")
    def get_jobs_info(
        self,
        *,
        sort: Sequence[tuple[str, int]] | None = None,
        limit: int = 0,
        skip: int = 0,
        **query: Unpack[JobQuery],
    ) -> Listing[JobInfo]:
        """Return jobs as listings show them.

        The list is shown as a table in a notebook; its method ``to_frame`` makes it a frame of
        pandas.

        Args:
            sort: Fields and directions (1 ascending, -1 descending).
            limit: At most so many; 0 for all.
            skip: Leave out so many from the start.
            **query: What selects the jobs.
        """
        docs = self._find(sort, limit, skip, query)
        return Listing(queries.job_infos(self.queue, docs))

    @in_order(JobQuery, "custom_query", *JOBS[:-1], "locked", "sort", "limit")
    def get_jobs_doc(
        self,
        *,
        sort: Sequence[tuple[str, int]] | None = None,
        limit: int = 0,
        skip: int = 0,
        **query: Unpack[JobQuery],
    ) -> list[JobDoc]:
        """Return documents of jobs; the arguments are those of :meth:`get_jobs_info`."""
        return with_parents(self.queue, self._find(sort, limit, skip, query))

    def _find(
        self, sort: Sequence[tuple[str, int]] | None, limit: int, skip: int, query: JobQuery
    ) -> list[JobDoc]:
        selected = job_filter(query)
        return queries.find_jobs(self.queue, selected, sort=sort or (), limit=limit, skip=skip)

    def get_jobs(
        self, query: dict[str, Any], projection: Sequence[str] | dict[str, Any] | None = None
    ) -> list[dict[str, Any]]:
        """Return raw documents of the jobs that a MongoDB query selects."""
        return queries.raw_jobs(self.queue, query, projection)

    def get_job_doc(
        self,
        job_id: str | None = None,
        db_id: str | None = None,
        job_index: int | None = None,
    ) -> JobDoc | None:
        """Return the document of a job, or None if there is none.

        Args:
            job_id: Its uuid.
            db_id: Its short id, instead.
            job_index: Its index; by default the largest.
        """
        try:
            doc = queries.find_one_job(self.queue, one_job(job_id, db_id, job_index))
        except JobNotFoundError:
            return None
        return with_parents(self.queue, [doc])[0]

    def get_job_info(
        self,
        job_id: str | None = None,
        db_id: str | None = None,
        job_index: int | None = None,
    ) -> JobInfo | None:
        """Return a job, its error in full, or None; arguments as for :meth:`get_job_doc`."""
        doc = self.get_job_doc(job_id, db_id, job_index)
        return None if doc is None else queries.job_info(self.queue, doc)

    def get_job_info_by_pid(self, pid: int | str) -> JobInfo | None:
        """Return the job that has an id in its worker's queue, or None."""
        doc = queries.find_by_process(self.queue, str(pid))
        return None if doc is None else queries.job_info(self.queue, doc)

    def get_job_uuids(self, flow_uuids: list[str]) -> list[str]:
        """Return the uuids of the jobs of flows."""
        return queries.job_uuids(self.queue, flow_uuids)

    @in_order(JobQuery, "query", *JOBS[:4], "locked", *JOBS[4:-1])
    def count_jobs(self, query: dict[str, Any] | None = None, **filters: Unpack[JobQuery]) -> int:
        """Return how many jobs a query (raw, or as in :meth:`get_jobs_info`) selects."""
        if query:
            filters["custom_query"] = query
        return queries.count_jobs(self.queue, job_filter(filters))

    def count_jobs_states(
        self, states: Sequence[JobState], worker: str | None = None
    ) -> dict[JobState, int]:
        """Return how many jobs, of a worker or of all, are in each of some states."""
        selected = job_filter({"workers": worker})
        found = queries.count_by_state(self.queue, selected)
        return {state: found.get(state.value, 0) for state in states}

    def get_job_output(
        self,
        job_id: str | None = None,
        db_id: str | None = None,
        job_index: int | None = None,
        load: Any = False,
    ) -> Any:
        """Return the output of a job from the JobStore, as plain data.

        References to outputs of other jobs are followed; objects stay in their serialised form.

        Args:
            job_id: Its uuid.
            db_id: Its short id, instead.
            job_index: Its index; by default the largest.
            load: Whether, or which, data of additional stores are loaded.

        Raises:
            JobNotFoundError: There is no such job, or no output of it.
        """
        from jfcelery.controller.outputs import job_output

        doc = queries.find_one_job(self.queue, one_job(job_id, db_id, job_index))
        return job_output(self.project, self.queue, doc, load=load)

    def get_outputs_frame(self, load: Any = False, **query: Unpack[JobQuery]) -> DataFrame:
        """Return the outputs of COMPLETED jobs as a frame of pandas, a row for each job.

        Rows have the db ids. Beside ``job_name``, ``job_uuid`` and ``job_index`` there is a column
        for each entry of outputs that are mappings (``a.b`` for one within another), and the
        column ``output`` for others.

        Args:
            load: Whether, or which, data of additional stores are loaded.
            **query: What selects the jobs, as for :meth:`get_jobs_info`.

        Raises:
            InputError: pandas is not installed.
        """
        from jfcelery.controller.outputs import outputs_frame

        return outputs_frame(self.project, self.queue, self.get_jobs_doc(**query), load=load)

    # ------------------------------------------------------------------ flows

    @in_order(
        FlowQuery,
        *FLOWS,
        "metadata",
        "locked",
        "sort",
        "jobs_sort",
        "limit",
        "skip",
        "with_jobs_info",
    )
    def get_flows_info(
        self,
        *,
        sort: Sequence[tuple[str, int]] | None = None,
        jobs_sort: Sequence[tuple[str, int]] | None = None,
        limit: int = 0,
        skip: int = 0,
        with_jobs_info: bool = False,
        **query: Unpack[FlowQuery],
    ) -> Listing[FlowInfo]:
        """Return flows as listings show them.

        The list is shown as a table in a notebook; its method ``to_frame`` makes it a frame of
        pandas.

        Args:
            sort: Fields and directions (1 ascending, -1 descending).
            jobs_sort: The same for the jobs of each flow.
            limit: At most so many; 0 for all.
            skip: Leave out so many from the start.
            with_jobs_info: Whether their jobs come with them.
            **query: ``job_ids, db_ids, flow_ids, states, start_date, end_date, name, metadata,
                locked``; all that is given must hold.
        """
        found = queries.find_flows(
            self.queue,
            flow_filter(query),
            sort=sort or (),
            jobs_sort=jobs_sort or (),
            limit=limit,
            skip=skip,
            with_jobs=with_jobs_info,
        )
        return Listing(found)

    @in_order(FlowQuery, "query", *FLOWS, "metadata", "locked")
    def count_flows(self, query: dict[str, Any] | None = None, **filters: Unpack[FlowQuery]) -> int:
        """Return how many flows a query (raw, or as in :meth:`get_flows_info`) selects."""
        selected = replace(flow_filter(filters), query=query or {})
        return queries.count_flows(self.queue, selected)

    def count_flows_states(self, states: Sequence[FlowState]) -> dict[FlowState, int]:
        """Return how many flows are in each of some states."""
        found = queries.count_flows_by_state(self.queue, flow_filter({}))
        return {state: found.get(state.value, 0) for state in states}

    def get_flow_store(self, flow_id: str) -> str | None:
        """Return the name of the JobStore of a flow; None for the project's own."""
        return Flows(self.queue).get(flow_uuid(self.queue, flow_id)).jobstore
