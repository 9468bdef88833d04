"""Rules by which people are told what happens, without looking."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, SecretStr, model_validator

from jfcelery.project.model import ConfigModel, problem_at
from jfcelery.project.recovery import Cause

#: What people can be told about.
Event = Literal[
    "flow_completed",
    "flow_failed",
    "flow_stuck",
    "job_failed",
    "job_recovered",
    "host_down",
    "host_up",
    "login_needed",
]


class NotificationRule(ConfigModel):
    """Who is told about what."""

    urls: list[SecretStr] = Field(
        min_length=1,
        description="Addresses as apprise writes them (mailtos://, slack://, matrixs://, jsons://, "
        "...). All of them get each message.",
    )
    events: list[Event] = Field(
        default=["flow_failed", "flow_stuck", "host_down", "login_needed"],
        min_length=1,
        description="What to tell: `flow_completed`, `flow_failed`, `flow_stuck` (nothing of it "
        "moves, and it has not ended), `job_failed`, `job_recovered` (by a rule of `recovery` "
        "with `notify`), `host_down`, `host_up`, `login_needed`.",
    )
    on: list[Cause] = Field(
        default_factory=list,
        description="Ends of jobs, as in `recovery`, for which `job_failed` is told. By default "
        "all.",
    )
    digest: float = Field(
        default=300,
        ge=0,
        description="Seconds between two messages of the rule at least. All that happens in "
        "between comes in one.",
    )

    @model_validator(mode="after")
    def _makes_sense(self) -> NotificationRule:
        if self.on and "job_failed" not in self.events:
            raise problem_at("on", "of no use without `job_failed` in `events`; add it")
        return self
