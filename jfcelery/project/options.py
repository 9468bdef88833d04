"""Smaller sections of the project file: polling, services, limits."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from pydantic import Field, model_validator

from jfcelery.project.model import ConfigModel

#: How long a job must be absent from listings before it counts as lost: so long may NFS hide the
#: final file that was written on a node (acdirmax, 60 s by default; see nfs(5)).
HIDDEN_TIME = timedelta(seconds=60)


class PollConfig(ConfigModel):
    """Bounds of the adaptive interval at which a worker's queue is looked at."""

    min_interval: float = Field(
        default=2,
        gt=0,
        description="Seconds between two looks at a scheduler at least: while jobs are young or "
        "about to end.",
    )
    max_interval: float | None = Field(
        default=None,
        gt=0,
        description="Seconds between two looks at most: while only long jobs run. By default "
        "`runner.delay_check_run_status`.",
    )
    local_interval: float = Field(
        default=1,
        gt=0,
        description="Seconds between two looks at the processes of a local shell worker.",
    )
    absent_polls: int = Field(
        default=3,
        ge=1,
        description="How many successful listings in a row must lack a job, which left no other "
        "proof of its end, before it counts as lost.",
    )

    @model_validator(mode="after")
    def _in_order(self) -> PollConfig:
        if self.max_interval is not None and self.max_interval < self.min_interval:
            msg = "`max_interval` is shorter than `min_interval`; exchange them"
            raise ValueError(msg)
        return self


class ServicesConfig(ConfigModel):
    """Which services jfcelery starts itself."""

    database: Literal["auto", "embedded", "external"] = Field(
        default="auto",
        description="`auto`: embedded unless `queue.store` is given; `embedded` or `external`: "
        "an error if `queue.store` says otherwise.",
    )
    broker: Literal["auto", "embedded", "external"] = Field(
        default="auto",
        description="`auto`: embedded unless `broker` is given; `embedded` or `external`: an "
        "error if `broker` says otherwise.",
    )


class QueueLimit(ConfigModel):
    """An upper limit of queue jobs that counts jobs started by hand too."""

    max_jobs: int = Field(ge=0, description="Queue jobs at once, waiting or running.")
    worker: str | None = Field(
        default=None,
        description="Worker whose host is meant; by default every one.",
    )
    user: str | None = Field(
        default=None, description="Whose jobs are counted; by default those of the login."
    )
    partition: str | None = Field(
        default=None, description="Count this partition's (or queue's) jobs only."
    )


class LimitsConfig(ConfigModel):
    """What jfcelery must not exceed, beside each worker's `max_jobs`."""

    sessions_per_connection: int = Field(
        default=10,
        ge=1,
        description="Commands and transfers at once over one SSH connection; sshd's MaxSessions "
        "is 10 unless its administrator changed it.",
    )
    sessions_per_host: int = Field(
        default=30,
        ge=1,
        description="Commands and transfers at once on one host, over all Celery workers.",
    )
    queue_jobs: list[QueueLimit] = Field(
        default_factory=list,
        description="Limits per host, user and partition that count manual jobs too (Slurm, "
        "PBS, Grid Engine). While one is reached, jobs wait.",
    )
