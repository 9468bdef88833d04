"""What listings and reports show of jobs and flows; field names as in jobflow-remote."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field

from jfcelery.database.documents import FlowDoc, JobDoc, RecoveryInfo, RemoteInfo
from jfcelery.states import FlowState, JobState


class JobInfo(BaseModel):
    """A job as listings show it: its document without the serialised Job.

    ``flow`` is the uuid of the outermost Flow; ``run_time`` and ``attempt`` belong to the
    attempt under way, or to the last one.
    """

    model_config = ConfigDict(frozen=True, defer_build=True)

    db_id: str = Field(
        description="Short id, unique in the project; each index of a job has its own."
    )
    uuid: str = Field(description="uuid of the jobflow Job.")
    index: int = Field(
        description="1 for a job that was submitted; one more for each job that replaced it."
    )
    name: str = Field(description="Name of the job.")
    state: JobState = Field(description="State.")
    worker: str = Field(description="Name of the worker.")
    flow: str = Field(description="uuid of the outermost Flow.")
    attempt: int = Field(
        0, description="Runs so far, the one under way included; 0 before the first."
    )
    created_on: datetime = Field(description="When it was added.")
    updated_on: datetime = Field(description="When its document changed last.")
    start_time: datetime | None = Field(None, description="When the run began.")
    end_time: datetime | None = Field(None, description="When the run ended.")
    previous_state: JobState | None = Field(None, description="State before the last change.")
    error_class: str | None = Field(None, description="Name of the class of the error.")
    error: str | None = Field(None, description="Text of the job's own error, with its trace.")
    remote: RemoteInfo = Field(
        default_factory=RemoteInfo, description="What is known of its queue job."
    )
    recovery: RecoveryInfo | None = Field(
        None, description="What recovery rules did to it since a person last started it."
    )
    run_dir: str | None = Field(None, description="Run folder on the worker.")
    parents: list[str] = Field(
        default_factory=list, description="uuids of the jobs whose outputs it needs."
    )
    priority: int = Field(0, description="Jobs of a higher one are taken first.")
    exec_config: str | dict[str, Any] | None = Field(
        None, description="Name of its execution configuration, or the configuration."
    )
    resources: dict[str, Any] | None = Field(None, description="What it asks the scheduler for.")
    metadata: dict[str, Any] = Field(default_factory=dict, description="The job's metadata.")
    hosts: list[str] = Field(
        default_factory=list, description="uuids of the Flows that hold it, the innermost first."
    )
    stored_data: dict[str, Any] | None = Field(
        None, description="What the job's Response stored beside its output."
    )
    retry_at: datetime | None = Field(None, description="No step touches it before.")
    lock_id: str | None = Field(
        None, description="The lease of the step that works on it, or died at it."
    )
    lock_time: datetime | None = Field(None, description="When the lease began.")
    lock_until: datetime | None = Field(
        None, description="When the lease ends, if it is not renewed."
    )

    @classmethod
    def of(cls, doc: JobDoc) -> JobInfo:
        """Return what listings show of a job's document: of a long error its two ends."""
        shown = {name: getattr(doc, name) for name in cls.model_fields if hasattr(doc, name)}
        job = {"name": doc.job.name, "metadata": doc.job.metadata, "hosts": doc.job.hosts}
        return cls.model_construct(**(shown | job))

    def _repr_html_(self) -> str:
        from jfcelery.notebook import job_card

        return job_card(self)

    @property
    def is_locked(self) -> bool:
        """Whether a step holds, or held when it died, the job's lease."""
        return self.lock_id is not None

    @property
    def run_time(self) -> float | None:
        """Seconds between start and end of the run."""
        if self.start_time and self.end_time:
            return (self.end_time - self.start_time).total_seconds()
        return None

    @property
    def estimated_run_time(self) -> float | None:
        """Seconds since the start of the run."""
        if self.start_time is None:
            return None
        return (datetime.now(UTC) - self.start_time.astimezone(UTC)).total_seconds()


class FlowInfo(BaseModel):
    """A flow as listings show it.

    ``counts`` gives its number of jobs in each state. The lists about single jobs are filled
    only where the jobs were asked for.
    """

    model_config = ConfigDict(frozen=True, defer_build=True)

    flow_id: str = Field(description="uuid of the Flow.")
    db_id: str | None = Field(None, description="db id of its first job.")
    name: str = Field(description="Name of the flow.")
    state: FlowState = Field(description="State, derived from those of its jobs.")
    counts: dict[JobState, int] = Field(
        default_factory=dict,
        description="Number of its jobs in each state; states without any are left out.",
    )
    created_on: datetime = Field(description="When it was added.")
    updated_on: datetime = Field(description="When its document changed last.")
    flow_metadata: dict[str, Any] = Field(default_factory=dict, description="The flow's metadata.")
    jobstore: str | None = Field(
        None,
        description="Name of the optional JobStore for its outputs; null for the project's own.",
    )
    jobs_info: list[JobInfo] | None = Field(
        None, description="Its jobs, where they were asked for."
    )

    @classmethod
    def of(cls, doc: FlowDoc, *, jobs: list[JobInfo] | None = None) -> Self:
        """Return what listings show of a flow's document and, if given, of its jobs."""
        return cls(
            flow_id=doc.uuid,
            db_id=doc.db_id,
            name=doc.name,
            state=doc.state,
            counts={state: number for state, number in doc.counts.items() if number > 0},
            created_on=doc.created_on,
            updated_on=doc.updated_on,
            flow_metadata=doc.metadata,
            jobstore=doc.jobstore,
            jobs_info=jobs,
        )

    def _repr_html_(self) -> str:
        from jfcelery.notebook import flow_card

        return flow_card(self)

    @property
    def n_jobs(self) -> int:
        """How many jobs it has."""
        return sum(self.counts.values())

    @property
    def n_errors(self) -> int:
        """How many of its jobs are in REMOTE_ERROR: a flow may be stuck though it is RUNNING."""
        return self.counts.get(JobState.REMOTE_ERROR, 0)

    @property
    def db_ids(self) -> list[str]:
        """The db ids of its jobs."""
        return [job.db_id for job in self.jobs_info or ()]

    @property
    def job_ids(self) -> list[str]:
        """The uuids of its jobs."""
        return [job.uuid for job in self.jobs_info or ()]

    @property
    def job_indexes(self) -> list[int]:
        """The indexes of its jobs."""
        return [job.index for job in self.jobs_info or ()]

    @property
    def job_states(self) -> list[JobState]:
        """The states of its jobs."""
        return [job.state for job in self.jobs_info or ()]

    @property
    def job_names(self) -> list[str]:
        """The names of its jobs."""
        return [job.name for job in self.jobs_info or ()]

    @property
    def workers(self) -> list[str]:
        """The workers of its jobs, one for each job."""
        return [job.worker for job in self.jobs_info or ()]

    @property
    def parents(self) -> list[list[str]]:
        """The parents of its jobs, one list for each job."""
        return [job.parents for job in self.jobs_info or ()]

    @property
    def hosts(self) -> list[list[str]]:
        """The hosts of its jobs, one list for each job."""
        return [job.hosts for job in self.jobs_info or ()]
