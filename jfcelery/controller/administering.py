"""The methods of the controller for flows and for administration."""

from __future__ import annotations

from abc import ABC, abstractmethod
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, Unpack

from jfcelery.controller import admin, backup, mongodump
from jfcelery.controller.arguments import (
    FlowQuery,
    JobQuery,
    flow_filter,
    job_filter,
    one_flow,
)
from jfcelery.controller.bulk import Manner
from jfcelery.controller.delete import Extent
from jfcelery.controller.filters import JobFilter
from jfcelery.controller.positional import FLOWS, JOBS, in_order
from jfcelery.controller.queries import find_flows, find_jobs
from jfcelery.controller.resolve import flow_uuid
from jfcelery.controller.trends import trends
from jfcelery.errors import InputError
from jfcelery.states import FlowState, JobState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobflow import Flow, Job
    from qtoolkit.core.data_objects import QResources

    from jfcelery.controller.actions import Actions
    from jfcelery.controller.flows import FlowActions
    from jfcelery.database.connection import QueueDatabase
    from jfcelery.project import ExecutionConfig, Project

_State = TypeVar("_State", JobState, FlowState)


class Administration(ABC):
    """Changes flows, and the queue as a whole."""

    project: Project
    queue: QueueDatabase

    @property
    @abstractmethod
    def actions(self) -> Actions:
        """The operations on jobs."""

    @property
    @abstractmethod
    def flow_actions(self) -> FlowActions:
        """The operations on flows."""

    # ------------------------------------------------------------------ flows

    def add_flow(
        self,
        flow: Flow | Job | list[Flow | Job],
        worker: str | None = None,
        allow_external_references: bool = False,
        exec_config: str | ExecutionConfig | dict[str, Any] | None = None,
        resources: dict[str, Any] | QResources | None = None,
        priority: int = 0,
        jobstore: str | None = None,
    ) -> list[str]:
        """Add a flow to the queue; see :func:`jfcelery.submit_flow`."""
        from jfcelery.submission import submit_flow

        return submit_flow(
            flow,
            worker=worker,
            project=self.project,
            exec_config=exec_config,
            resources=resources,
            priority=priority,
            allow_external_references=allow_external_references,
            jobstore=jobstore,
        )

    def resume_flow(
        self,
        job_id: str | None = None,
        db_id: str | None = None,
        flow_id: str | None = None,
        wait: float | None = None,
        break_lock: bool = False,
    ) -> int:
        """Let all paused and stopped jobs of a flow go on, and return their number."""
        uuid = self._flow(job_id, db_id, flow_id)
        manner = Manner(wait=wait, break_lock=break_lock, strict=True)
        return len(self.flow_actions.resume(uuid, manner).changed)

    def set_flow_store(
        self,
        store: str | None,
        db_id: str | None = None,
        job_id: str | None = None,
        flow_id: str | None = None,
    ) -> None:
        """Set the JobStore of a flow that has not started; None for the project's own."""
        self.flow_actions.set_store(self._flow(job_id, db_id, flow_id), store)

    def delete_flow(
        self,
        flow_id: str,
        delete_output: bool = False,
        delete_files: bool = False,
        cancel_processes: bool = True,
        wait: float | None = None,
        break_lock: bool = False,
    ) -> bool:
        """Delete a flow with all its jobs; see :meth:`delete_flows`."""
        manner = Manner(wait=wait, break_lock=break_lock, strict=True)
        extent = Extent(outputs=delete_output, files=delete_files, processes=cancel_processes)
        uuid = flow_uuid(self.queue, flow_id)
        return not self.flow_actions.delete([uuid], manner, extent).refused

    def delete_flows(
        self,
        flow_ids: str | list[str] | None = None,
        max_limit: int = 10,
        delete_output: bool = False,
        delete_files: bool = False,
        cancel_processes: bool = True,
        raise_on_error: bool = False,
        wait: float | None = None,
        break_lock: bool = False,
    ) -> list[str]:
        """Delete flows with all their jobs.

        Args:
            flow_ids: The flows; None for all.
            max_limit: Refuse to delete more flows than this; 0 for no limit.
            delete_output: Whether their outputs are removed from the JobStore.
            delete_files: Whether their run folders are removed from the workers.
            cancel_processes: Whether their queue jobs are cancelled, and waited for.
            raise_on_error: Whether the first refused job raises.
            wait: Seconds to wait for steps, and for queue jobs to be gone.
            break_lock: Whether jobs are taken away from the steps that work on them.

        Returns:
            The uuids of the flows that are gone.

        Raises:
            InputError: More flows are selected than the limit allows; none is deleted.
        """
        flows = [f.flow_id for f in find_flows(self.queue, flow_filter({"flow_ids": flow_ids}))]
        if max_limit and len(flows) > max_limit:
            raise InputError(
                f"{len(flows)} flows would be deleted, {max_limit} are allowed.",
                remedy="Raise max_limit; 0 means no limit.",
            )
        manner = Manner(wait=wait, break_lock=break_lock, strict=raise_on_error)
        extent = Extent(outputs=delete_output, files=delete_files, processes=cancel_processes)
        self.flow_actions.delete(flows, manner, extent)
        query = {"_id": {"$in": flows}}
        left = {raw["_id"] for raw in self.queue.flows.find(query, {"_id": 1})}
        return [uuid for uuid in flows if uuid not in left]

    def get_trends(
        self,
        states: Sequence[_State],
        interval: str = "days",
        num_intervals: int | None = None,
        interval_timezone: str = "UTC",
    ) -> dict[str, dict[_State, int]]:
        """Count what came into each of some states, period by period, the present one last."""
        return trends(self.queue, states, interval, num_intervals, interval_timezone)

    # ------------------------------------------------------------------ administration

    def reset(
        self, reset_output: bool = False, max_limit: int = 25, validation: str | None = None
    ) -> bool:
        """Empty the queue.

        Args:
            reset_output: Whether all outputs in the JobStores are removed, too.
            max_limit: From this number of flows on, today's date must be given; 0 for no limit.
            validation: Today's date, ``YYYY-MM-DD``.

        Returns:
            Whether it was emptied; it is not where the date is missing or wrong.
        """
        today = datetime.now().astimezone().strftime("%Y-%m-%d")
        number = self.queue.flows.count_documents({})
        if max_limit and number >= max_limit and validation != today:
            return False
        admin.reset(self.project, self.queue, outputs=reset_output)
        return True

    def build_indexes(
        self,
        background: bool = True,
        job_custom_indexes: Sequence[admin.Index] = (),
        flow_custom_indexes: Sequence[admin.Index] = (),
        drop: bool = False,
    ) -> None:
        """Create the missing indexes; ``background`` is accepted for habit."""
        del background
        jobs, flows = job_custom_indexes or (), flow_custom_indexes or ()
        admin.build_indexes(self.queue, drop=drop, jobs=jobs, flows=flows)

    def create_indexes(
        self,
        indexes: Sequence[admin.Index],
        collection: str = "jobs",
        unique: bool = False,
        background: bool = True,
    ) -> None:
        """Create indexes of one's own; ``background`` is accepted for habit."""
        del background
        admin.create_index(self.queue, indexes, collection=collection, unique=unique)

    @in_order(JobQuery, *JOBS[:-1])
    def unlock_jobs(self, **query: Unpack[JobQuery]) -> int:
        """End the leases of jobs, and return how many had one; leases also end by themselves."""
        docs = find_jobs(self.queue, job_filter(query))
        return len(admin.end_leases(self.actions.jobs, docs))

    @in_order(FlowQuery, *FLOWS)
    def unlock_flows(self, **query: Unpack[FlowQuery]) -> int:
        """End the leases of the jobs of flows, and return how many jobs had one."""
        flows = tuple(flow.flow_id for flow in find_flows(self.queue, flow_filter(query)))
        docs = find_jobs(self.queue, JobFilter(flow_ids=flows)) if flows else []
        return len(admin.end_leases(self.actions.jobs, docs))

    def backup_dump(
        self,
        dir_path: str | Path = ".",
        mongo_bin_path: str | Path | None = None,
        compress: bool = False,
        python: bool = False,
    ) -> dict[str, int]:
        """Write a backup of the queue into a folder, and return the numbers of documents.

        Args:
            dir_path: The folder.
            mongo_bin_path: Folder of mongodump; None for the PATH.
            compress: Whether the files are compressed.
            python: Whether it is done without mongodump.
        """
        folder = Path(dir_path)
        if python:
            return backup.dump(self.project, self.queue, folder, compress=compress)
        tools = Path(mongo_bin_path) if mongo_bin_path else None
        return mongodump.dump(self.project, self.queue, folder, compress=compress, tools=tools)

    def backup_restore(
        self,
        dir_path: str | Path = ".",
        mongo_bin_path: str | Path | None = None,
        compress: bool | None = None,
        python: bool = False,
    ) -> dict[str, int]:
        """Fill the empty queue from a backup; whether it is compressed is found out."""
        del compress
        folder = Path(dir_path)
        if python:
            return backup.restore(self.project, self.queue, folder)
        tools = Path(mongo_bin_path) if mongo_bin_path else None
        return mongodump.restore(self.project, self.queue, folder, tools=tools)

    def _flow(self, job_id: str | None, db_id: str | None, flow_id: str | None) -> str:
        found, by_job = one_flow(job_id, db_id, flow_id)
        return flow_uuid(self.queue, found, by_job=by_job)
