"""A Celery app whose worker is killed (SIGKILL) once at every moment that ``DIE_AT`` names.

``DIE_AT`` holds ``STEP:MOMENT`` pairs with blanks between; a moment is ``before`` the work of a
step, ``after`` it (nothing committed yet), or ``committed`` (the chain does not go on). Each death
happens once: a file in ``DIE_FOLDER`` notes it. Where ``FAR`` is set, this machine plays the hosts
of remote workers, whose jobs go the longer way: their outputs are downloaded.
"""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

from jfcelery.scheduler_io.hosts.pool import Hosts
from jfcelery.scheduler_io.hosts.simulated import SimulatedHost
from jfcelery.tasks import pipeline

if TYPE_CHECKING:
    from jfcelery.tasks.runtime import Runtime
    from jfcelery.tasks.step import Commit, Step, Work


def die(step: str, moment: str) -> None:
    """End this process without a word, if it is to die here and has not yet."""
    name = f"{step}:{moment}"
    if name not in os.environ["DIE_AT"].split():
        return
    try:
        (Path(os.environ["DIE_FOLDER"]) / name).touch(exist_ok=False)
    except FileExistsError:
        return
    os.kill(os.getpid(), signal.SIGKILL)


def mortal(step: Step) -> Step:
    """Return a step that dies where it is told to."""

    @dataclass(frozen=True)
    class Mortal(type(step)):  # type: ignore[misc]
        def run(self, runtime: Runtime, uuid: str, index: int, epoch: int) -> bool:
            # The one that parks the chain has no work: it begins with its look, and ends with it.
            parks = self.name == "check_run_status"
            if parks:
                die(self.name, "before")
            done = bool(super().run(runtime, uuid, index, epoch))
            if done or parks:
                die(self.name, "committed")
            return done

    def body(work: Work) -> Commit:
        die(step.name, "before")
        commit = step.body(work)
        die(step.name, "after")
        return commit

    values = {field.name: getattr(step, field.name) for field in fields(step)}
    return Mortal(**{**values, "body": body})


if os.environ.get("FAR"):
    Hosts._make = lambda *_args: SimulatedHost("far")  # type: ignore[method-assign]
pipeline.PIPELINE = tuple(mortal(step) for step in pipeline.PIPELINE)

from jfcelery.tasks.app import app  # noqa: E402 - after the pipeline is made mortal

__all__ = ["app"]
