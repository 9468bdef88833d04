"""A Celery app whose steps do all that a step does, but for its work: that is nothing."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING

from jfcelery.states import JobState
from jfcelery.tasks import pipeline
from jfcelery.tasks.step import Commit

if TYPE_CHECKING:
    from jfcelery.tasks.step import Step, Work

#: Where each step leads.
TARGETS = {"upload": JobState.UPLOADED, "submit": JobState.SUBMITTED}


def idle(step: Step) -> Step:
    """Return a step that takes the lease and commits, and does nothing in between."""

    def body(_work: Work) -> Commit:
        return Commit(step.name, TARGETS[step.name])

    values = {field.name: getattr(step, field.name) for field in fields(step)}
    return type(step)(**{**values, "body": body})


pipeline.PIPELINE = tuple(
    idle(step) if step.name in TARGETS else step for step in pipeline.PIPELINE
)

from jfcelery.tasks.app import app  # noqa: E402 - after the steps are idle

__all__ = ["app"]
