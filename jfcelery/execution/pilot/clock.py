"""How long a pilot may go on: what it was told, and what the allocation leaves."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from jfcelery.execution.pilot.plan import Plan

#: Variable in which Slurm says when the allocation ends (Unix time);
#: https://slurm.schedmd.com/sbatch.html#SECTION_OUTPUT-ENVIRONMENT-VARIABLES.
END_VARIABLE = "SLURM_JOB_END_TIME"
#: Seconds before its end in which an allocation takes no more jobs, however short they are.
MARGIN = 30.0
#: The longest job so far is taken to be this much shorter than the next.
LONGER = 1.2
#: A job that asks for all the time of a pilot is begun only in this first part of it; so much may
#: be gone before the pilot itself starts.
FRESH = 0.1


class TimeLeft:
    """The time of one pilot.

    Args:
        plan: Its plan.
        environment: Of the queue job.
        since: When the queue job began (Unix time); by default now.
    """

    def __init__(
        self, plan: Plan, environment: Mapping[str, str], since: float | None = None
    ) -> None:
        self._began = time.monotonic()
        self._max_time = plan.max_time
        now = time.time()
        end = environment.get(END_VARIABLE, "")
        self._whole: float | None = None
        if end.isdigit():
            self._whole = float(end) - now
        elif plan.walltime is not None:
            self._whole = (now if since is None else since) + plan.walltime - now
        self._longest = 0.0

    def saw(self, seconds: float) -> None:
        """Learn how long a job took."""
        self._longest = max(self._longest, seconds)

    @property
    def is_up(self) -> bool:
        """Whether no job may be started any more, however short it is."""
        if self._max_time is not None and self._gone >= self._max_time:
            return True
        return self._whole is not None and self._whole - self._gone <= MARGIN

    def allows(self, limit: float | None = None) -> bool:
        """Return whether a job that is started now can come to its end.

        Args:
            limit: Seconds that it says to take at most; else the longest so far tells.
        """
        if self.is_up:
            return False
        if self._whole is None:
            return True
        left = self._whole - self._gone
        if limit is None:
            return left > self._longest * LONGER
        if left > limit + MARGIN:
            return True
        is_whole = self._whole < limit + MARGIN <= self._whole / (1 - FRESH) + 2 * MARGIN
        return is_whole and self.is_new

    @property
    def is_new(self) -> bool:
        """Whether no other pilot has much more time left."""
        return self._whole is not None and self._gone <= self._whole * FRESH

    @property
    def _gone(self) -> float:
        return time.monotonic() - self._began


def began_at(status: Path) -> float | None:
    """Return when a queue job began (Unix time) by its script's word; None if that is unknown.

    Args:
        status: The script's status file; a queue job that was requeued began with its last start.
    """
    began, is_start = None, False
    with suppress(OSError, ValueError):
        for line in status.read_text(errors="replace").splitlines():
            key, _, value = line.partition("=")
            if key == "stage":
                is_start = value == "started"
            elif key == "time" and is_start:
                began, is_start = float(value), False
    return began
