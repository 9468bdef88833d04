"""The documents of jobs and flows, as the rest of jfcelery sees them."""

from __future__ import annotations

from copy import deepcopy
from datetime import datetime
from typing import TYPE_CHECKING, Any, Self

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr

from jfcelery.states import FlowState, JobState

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Version of the documents' layout; a database of another version is refused.
SCHEMA_VERSION = 2


class Document(BaseModel):
    """A document of MongoDB with the raw form that it came from."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    _raw: dict[str, Any] = PrivateAttr(default_factory=dict)

    @classmethod
    def from_mongo(cls, raw: Mapping[str, Any]) -> Self:
        """Return the document that MongoDB delivered."""
        document = cls.model_validate(raw)
        document._raw.update(raw)  # noqa: SLF001 - of the class itself
        return document

    @property
    def raw(self) -> dict[str, Any]:
        """Return a copy of the document as MongoDB has it."""
        return deepcopy(self._raw)

    def with_fields(self, fields: Mapping[str, Any]) -> Self:
        """Return the document as it is after ``$set`` of dotted fields."""
        raw = dict(self._raw)
        for name, value in fields.items():
            *parents, leaf = name.split(".")
            place = raw
            for parent in parents:  # what is changed is copied, the rest is shared
                place[parent] = dict(place.get(parent) or {})
                place = place[parent]
            place[leaf] = value
        return type(self).from_mongo(raw)


class CancelRequest(BaseModel):
    """A queue job that a step must still remove from the queue of a worker."""

    model_config = ConfigDict(frozen=True)

    worker: str
    queue_id: str | None = None
    name: str
    attempt: int
    folder: str


class Change(BaseModel):
    """One change of a job's state, as the history keeps it.

    Args:
        number: The job document's version after the change; orders a job's history.
        event: The row of the state table.
        by: Who did it: a step, ``user NAME``, ``poll``.
        why: The reason, in one line.
        attempt: The attempt under way.
    """

    model_config = ConfigDict(frozen=True, populate_by_name=True, extra="ignore")

    id: str = Field(alias="_id")
    uuid: str
    index: int
    db_id: str
    flow: str
    number: int
    event: str
    source: JobState | None
    target: JobState
    by: str
    why: str = ""
    attempt: int = 0
    at: datetime


class EndInfo(BaseModel):
    """How a queue job ended, as far as it is known."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    reason: str
    exit_code: int | None = None
    signal: int | None = None
    words: str = ""
    by: str | None = None


class RemoteInfo(BaseModel):
    """What the steps know of a job's life on its worker."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    step_attempts: int = 0
    queue_state: str | None = None
    process_id: str | None = None
    retry_time_limit: datetime | None = None
    error: str | None = None
    prerun_cleanup: bool = False
    queue_out: str | None = None
    queue_err: str | None = None
    #: Why the job waits although nothing is wrong with it (a limit, the site's refusal).
    waiting: str | None = None
    #: Successful listings in a row that lacked the queue job, and the time of the first.
    absent: int = 0
    absent_since: datetime | None = None
    #: The pilot that has, or had, the job.
    batch_uid: str | None = None
    end: EndInfo | None = None


class DeathInfo(BaseModel):
    """Celery workers that died while they had a job's lease.

    Args:
        state: The job's state then; in another one the number means nothing.
        attempt: Its attempt then, likewise.
        number: How many.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    state: JobState
    attempt: int
    number: int


class RecoveryInfo(BaseModel):
    """What recovery rules did to a job since a person last started it.

    Args:
        used: New attempts given so far, by key of the rule.
        why: What was done last and for what reason, in one line.
        keep_files: Whether the attempt under way goes on with the files of the one before.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    used: dict[str, int] = Field(default_factory=dict)
    why: str = ""
    keep_files: bool = False


class JobInfo(BaseModel):
    """The part of the jobflow Job that listings show."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str
    metadata: dict[str, Any] = Field(default_factory=dict)
    hosts: list[str] = Field(default_factory=list)


class JobDoc(Document):
    """The hot document of a job: small, read and written by every step.

    ``lock_id``, ``lock_time`` and ``lock_until`` are the lease; ``fence`` counts leases;
    ``epoch`` counts the generations of messages; ``version`` counts writes.
    """

    id: str = Field(alias="_id")
    uuid: str
    index: int
    db_id: str
    flow: str
    #: Key of the job that made this one by replace, detour or addition.
    generator: str | None = None
    worker: str
    state: JobState
    previous_state: JobState | None = None
    #: uuids of its parents; empty where they are many (see :mod:`jfcelery.database.edges`).
    parents: list[str] = Field(default_factory=list)
    #: The number of its parents where they are kept apart, else 0.
    apart: int = 0
    #: Parents, or jobs that generate this one, that are not done yet.
    unmet: list[str] = Field(default_factory=list)
    on_missing: str = "error"
    priority: int = 0
    created_on: datetime
    updated_on: datetime
    start_time: datetime | None = None
    end_time: datetime | None = None
    run_dir: str | None = None
    error: str | None = None
    error_class: str | None = None
    lock_id: str | None = None
    lock_time: datetime | None = None
    lock_until: datetime | None = None
    remote: RemoteInfo = Field(default_factory=RemoteInfo)
    exec_config: str | dict[str, Any] | None = None
    resources: dict[str, Any] | None = None
    stored_data: dict[str, Any] | None = None
    job: JobInfo
    version: int = 0
    fence: int = 0
    epoch: int = 0
    attempt: int = 0
    recovery: RecoveryInfo | None = None
    deaths: DeathInfo | None = None
    #: Pilots that ended under the job since a person last started it.
    pilots_lost: int = 0
    #: Before this time no step touches the job.
    retry_at: datetime | None = None
    #: How often the sweeper sent the job's message again, and when last.
    swept: int = 0
    swept_at: datetime | None = None
    cancel: list[CancelRequest] = Field(default_factory=list)
    #: True between COMPLETED or FAILED and the release of the children.
    release: bool = False
    #: Names of the additional stores to which the job's output goes.
    stores: list[str] = Field(default_factory=list)
    last: Change | None = None

    def is_locked(self, now: datetime) -> bool:
        """Return whether a lease is live at a time of the database's clock."""
        return self.lock_id is not None and self.lock_until is not None and self.lock_until > now


class FlowDoc(Document):
    """The document of a flow; its jobs are found by their field ``flow``."""

    id: str = Field(alias="_id")
    uuid: str
    #: Short id of its first job.
    db_id: str | None = None
    name: str
    state: FlowState
    metadata: dict[str, Any] = Field(default_factory=dict)
    jobstore: str | None = None
    #: Jobs by state: a hint kept by increments, put right by the sweeper.
    counts: dict[JobState, int] = Field(default_factory=dict)
    created_on: datetime
    updated_on: datetime
    version: int = 0
    #: True until all jobs of a submission are in; until then none of them is run.
    inserting: bool = False


def job_key(uuid: str, index: int) -> str:
    """Return the ``_id`` of a job's document."""
    return f"{uuid}_{index}"
