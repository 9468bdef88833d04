"""The documents of jobflow-remote 1.0, as far as they are needed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from jfcelery.states import JobState


def _aware(moment: datetime) -> datetime:
    """Return a time with its zone; jobflow-remote writes UTC without saying so."""
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


_Time = Annotated[datetime, AfterValidator(_aware)]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class OldRemote(_Record):
    """What jobflow-remote knows of a job on its worker."""

    process_id: str | None = None
    error: str | None = None
    queue_out: str | None = None
    queue_err: str | None = None


class OldConfig(_Record):
    """The part of a job's configuration that the queue needs."""

    on_missing_references: str = "error"


class OldContent(_Record):
    """The part of the jobflow Job that the queue needs."""

    name: str
    metadata: dict[str, Any] = Field(default_factory=dict)
    hosts: list[str] = Field(default_factory=list)
    config: OldConfig = OldConfig()


class OldJob(_Record):
    """A job of jobflow-remote."""

    uuid: str
    index: int
    db_id: str
    worker: str
    state: JobState
    previous_state: JobState | None = None
    parents: list[str] | None = None
    remote: OldRemote = OldRemote()
    error: str | None = None
    run_dir: str | None = None
    start_time: _Time | None = None
    end_time: _Time | None = None
    created_on: _Time
    updated_on: _Time
    priority: int = 0
    exec_config: str | dict[str, Any] | None = None
    resources: dict[str, Any] | None = None
    stored_data: dict[str, Any] | None = None
    job: OldContent


#: Fields of a job's document that :class:`OldJob` reads: all but the bulk of the job itself.
LIGHT: dict[str, int] = {
    **{name: 1 for name in OldJob.model_fields if name != "job"},
    **{f"job.{name}": 1 for name in OldContent.model_fields if name != "config"},
    "job.config.on_missing_references": 1,
}


class OldFlow(_Record):
    """A flow of jobflow-remote."""

    uuid: str
    name: str
    jobs: list[str]
    metadata: dict[str, Any] | None = None
    jobstore: str | None = None
    created_on: _Time
    updated_on: _Time
