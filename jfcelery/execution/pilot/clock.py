"""How long a pilot may go on: what it was told, and what the allocation leaves."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jfcelery.execution.pilot.plan import Plan

#: Variable in which Slurm says when the allocation ends (Unix time);
#: https://slurm.schedmd.com/sbatch.html#SECTION_OUTPUT-ENVIRONMENT-VARIABLES.
END_VARIABLE = "SLURM_JOB_END_TIME"
#: Seconds before its end in which an allocation takes no more jobs, however short they are.
MARGIN = 30.0
#: The longest job so far is taken to be this much shorter than the next.
LONGER = 1.2


class TimeLeft:
    """The time of one pilot.

    Args:
        plan: Its plan.
        environment: Of the queue job.
    """

    def __init__(self, plan: Plan, environment: Mapping[str, str]) -> None:
        self._began = time.monotonic()
        self._max_time = plan.max_time
        end = environment.get(END_VARIABLE, "")
        self._left = float(end) - time.time() if end.isdigit() else None
        self._longest = 0.0

    def saw(self, seconds: float) -> None:
        """Learn how long a job took."""
        self._longest = max(self._longest, seconds)

    @property
    def allows_a_job(self) -> bool:
        """Whether a job that is started now can come to its end."""
        gone = time.monotonic() - self._began
        if self._max_time is not None and gone >= self._max_time:
            return False
        wanted = max(MARGIN, self._longest * LONGER)
        return self._left is None or self._left - gone > wanted
