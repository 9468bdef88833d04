"""Options of the running system: how often it looks, how often it tries again."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from jfcelery.project.model import ConfigModel

#: Longest lease in seconds: a dead Celery worker's step must come back within minutes.
LONGEST_LEASE = 600.0
#: Default length of a lease in seconds.
DEFAULT_LEASE = 120.0

_Seconds = Annotated[float, Field(ge=0)]


class RunnerOptions(ConfigModel):
    """How the running system looks after its jobs; jobflow-remote's names are kept.

    The delays are no waits between the steps of a job: a finished step starts the next at once.
    """

    delay_checkout: float = Field(
        default=30,
        gt=0,
        description="Seconds between two checkouts by the clock. Jobs that become ready are "
        "checked out at once; this is the net under it.",
    )
    delay_check_run_status: float = Field(
        default=30,
        gt=0,
        description="Seconds between two looks at a worker's queue at most; the interval adapts "
        "between `poll.min_interval` and this, unless `poll.max_interval` is set.",
    )
    delay_advance_status: float = Field(
        default=30,
        gt=0,
        description="Seconds between two sweeps for jobs whose step got lost; every other step "
        "starts at once. Values above 10 count as 10.",
    )
    delay_refresh_limited: float = Field(
        default=600,
        gt=0,
        description="Accepted for jobflow-remote's files, without effect: jobs are counted "
        "whenever a limit is applied (seconds).",
    )
    delay_update_batch: float = Field(
        default=60,
        gt=0,
        description="Accepted for jobflow-remote's files, without effect: pilots are looked at "
        "with their host's queue (seconds).",
    )
    delay_ping_db: float = Field(
        default=3600,
        gt=0,
        description="Accepted for jobflow-remote's files, without effect: no document stands for "
        "the runner (seconds).",
    )
    lock_timeout: float | None = Field(
        default=DEFAULT_LEASE,
        gt=0,
        description="Seconds after which the lease of a Celery worker that died expires; a living "
        "one renews it. Values above 600 count as 600, null as 120.",
    )
    delete_tmp_folder: bool = Field(
        default=True,
        description="Whether to delete the local copy of a job's output once it is in the "
        "JobStore.",
    )
    log_format: Literal["text", "json"] = Field(
        default="text",
        description="Form of the lines in the logs of the Celery workers: `text`, or `json` with "
        "one object a line, for programs. Lines about a job carry its id, step and attempt.",
    )
    max_step_attempts: int = Field(
        default=3,
        ge=1,
        description="How often a step of a job is tried before the job becomes REMOTE_ERROR. "
        "Troubles of the host are not counted.",
    )
    delta_retry: tuple[_Seconds, ...] = Field(
        default=(30, 300, 1200),
        description="Seconds to wait after the first, second, ... failed attempt of a step; the "
        "last value holds for all further ones.",
    )

    @property
    def lease(self) -> float:
        """Length of a lease in seconds."""
        return min(self.lock_timeout or DEFAULT_LEASE, LONGEST_LEASE)

    def get_delta_retry(self, step_attempts: int) -> float:
        """Return how long to wait before a step is tried again.

        Args:
            step_attempts: How many attempts have failed, at least 1.

        Returns:
            Seconds; 0 where the project file gives an empty list.
        """
        if not self.delta_retry:
            return 0.0
        return self.delta_retry[max(min(step_attempts, len(self.delta_retry)), 1) - 1]
