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

    db_id: str
    uuid: str
    index: int
    name: str
    state: JobState
    worker: str
    flow: str
    attempt: int = 0
    created_on: datetime
    updated_on: datetime
    start_time: datetime | None = None
    end_time: datetime | None = None
    previous_state: JobState | None = None
    error_class: str | None = None
    error: str | None = None
    remote: RemoteInfo = Field(default_factory=RemoteInfo)
    recovery: RecoveryInfo | None = None
    run_dir: str | None = None
    parents: list[str] = Field(default_factory=list)
    priority: int = 0
    exec_config: str | dict[str, Any] | None = None
    resources: dict[str, Any] | None = None
    metadata: dict[str, Any] = Field(default_factory=dict)
    hosts: list[str] = Field(default_factory=list)
    stored_data: dict[str, Any] | None = None
    retry_at: datetime | None = None
    lock_id: str | None = None
    lock_time: datetime | None = None
    lock_until: datetime | None = None

    @classmethod
    def of(cls, doc: JobDoc) -> JobInfo:
        """Return what listings show of a job's document: of a long error its two ends."""
        shown = {name: getattr(doc, name) for name in cls.model_fields if hasattr(doc, name)}
        job = {"name": doc.job.name, "metadata": doc.job.metadata, "hosts": doc.job.hosts}
        return cls.model_construct(**(shown | job))

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

    flow_id: str
    db_id: str | None = None
    name: str
    state: FlowState
    counts: dict[JobState, int] = Field(default_factory=dict)
    created_on: datetime
    updated_on: datetime
    flow_metadata: dict[str, Any] = Field(default_factory=dict)
    jobstore: str | None = None
    jobs_info: list[JobInfo] | None = None

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
