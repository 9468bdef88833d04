"""What requests of the API hold: which jobs, and what is to be done with them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from jfcelery.controller.filters import FlowFilter, JobFilter
from jfcelery.states import FlowState, JobState

#: A short text without control characters.
Text = Annotated[str, StringConstraints(max_length=300, pattern=r"^[^\x00-\x1f\x7f]*$")]
#: An id of a job or flow, as it may stand in a path.
Id = Annotated[str, StringConstraints(min_length=1, max_length=80, pattern=r"^[\w.:-]+$")]
#: Most rows of one answer.
MOST_ROWS = 1000
#: Most seconds that a request waits for jobs that steps work on.
MOST_WAIT = 30.0
#: A number that every database can hold.
Number = Annotated[int, Field(ge=-(2**31), le=2**31 - 1)]

ActionName = Literal[
    "pause",
    "resume",
    "retry",
    "stop",
    "rerun",
    "delete",
    "set_priority",
    "set_resources",
    "set_worker",
]


class _Selection(BaseModel):
    """What jobs and flows are selected by; all that is given must hold."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    db_ids: list[Id] = Field(default=[], max_length=MOST_ROWS, description="`db_id` of jobs.")
    flow_ids: list[Id] = Field(
        default=[], max_length=MOST_ROWS, description="uuids of flows, or `db_id` of a job of each."
    )
    start_date: datetime | None = Field(default=None, description="Changed at or after.")
    end_date: datetime | None = Field(default=None, description="Changed at or before.")
    name: Text | None = Field(default=None, description="Name, or a pattern with `*`, `?`, `[]`.")
    metadata: dict[Annotated[str, StringConstraints(pattern=r"^\w[\w.-]*$")], Text | Number] = (
        Field(default={}, max_length=20, description="Values that the metadata must hold.")
    )
    locked: bool = Field(default=False, description="Only those that a step works on.")

    def _common(self) -> dict[str, Any]:
        return {
            "db_ids": tuple(self.db_ids),
            "flow_ids": tuple(self.flow_ids),
            "start_date": self.start_date,
            "end_date": self.end_date,
            "name": self.name,
            "metadata": self.metadata,
            "locked": self.locked,
        }


class JobSelection(_Selection):
    """Which jobs; nothing given selects all."""

    states: list[JobState] = Field(default=[], description="One of these states.")
    uuids: list[Id] = Field(
        default=[],
        max_length=MOST_ROWS,
        description="`uuid` of jobs, of each the one with the largest index.",
    )
    workers: list[Text] = Field(default=[], max_length=100, description="One of these workers.")
    error_class: Text | None = Field(default=None, description="Class of the error.")
    error_regex: Text | None = Field(
        default=None, description="Pattern in the error's text; of a long one, in its ends."
    )

    def filter(self) -> JobFilter:
        """Return the filter that this describes."""
        return JobFilter(
            **self._common(),
            states=tuple(self.states),
            newest=tuple(self.uuids),
            workers=tuple(self.workers),
            error_class=self.error_class,
            error_regex=self.error_regex,
        )


class FlowSelection(_Selection):
    """Which flows; nothing given selects all."""

    states: list[FlowState] = Field(default=[], description="One of these states.")

    def filter(self) -> FlowFilter:
        """Return the filter that this describes."""
        return FlowFilter(**self._common(), states=tuple(self.states))


class Act(BaseModel):
    """What to do with which jobs."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    action: ActionName
    jobs: JobSelection
    force: bool = Field(default=False, description="rerun: also what is COMPLETED.")
    outputs: bool = Field(default=False, description="delete: the outputs in the JobStore, too.")
    files: bool = Field(default=False, description="delete: the run folders, too.")
    priority: Number | None = Field(default=None, description="set_priority: the priority.")
    worker: Text | None = Field(default=None, description="set_worker: name of the worker.")
    resources: dict[Text, Text | Number | bool | None] | None = Field(
        default=None, max_length=50, description="set_resources: beside those that they have."
    )
    wait: float = Field(
        default=5.0, ge=0, le=MOST_WAIT, description="Seconds to wait for jobs in other hands."
    )
    break_lock: bool = Field(default=False, description="Take jobs away from the steps.")
    expected: int | None = Field(
        default=None,
        ge=0,
        le=2**31 - 1,
        description="How many jobs the preview named; the action is refused if it is another "
        "number now. Must be given where the preview asks for a confirmation.",
    )


class Preview(BaseModel):
    """What an action would touch.

    Args:
        text: In one line.
        warning: What a person should know first; empty if nothing.
        number: How many jobs.
        confirm: Whether ``expected`` must be given.
    """

    text: str
    warning: str
    number: int
    confirm: bool


class Refused(BaseModel):
    """A job that was not changed, and why."""

    db_id: str
    reason: str


class Outcome(BaseModel):
    """What an action did.

    Args:
        text: In one line, followed by one for each reason of a refusal.
        changed: db ids of the jobs that were changed.
        refused: The jobs that were not.
    """

    text: list[str]
    changed: list[str]
    refused: list[Refused]


class Problem(BaseModel):
    """Why a request was not served."""

    error: str
    message: str
    remedy: str = ""
