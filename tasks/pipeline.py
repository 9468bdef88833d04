"""The whole runner in one line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jfcelery.tasks.download import download
from jfcelery.tasks.finalize import finalize
from jfcelery.tasks.status import check_run_status
from jfcelery.tasks.step import RANK
from jfcelery.tasks.submit import submit
from jfcelery.tasks.upload import upload

if TYPE_CHECKING:
    from jfcelery.states import JobState
    from jfcelery.tasks.step import Step

PIPELINE: tuple[Step, ...] = (upload, submit, check_run_status, download, finalize)


def tail(state: JobState) -> tuple[Step, ...]:
    """Return the steps that a job in a state has still before it."""
    return tuple(step for step in PIPELINE if RANK[step.source] >= RANK[state])
