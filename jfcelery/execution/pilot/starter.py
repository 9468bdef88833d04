"""Starting the jobs of a pilot, warm where that can be."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from jfcelery.execution.pilot.far import FAR_PATIENCE, FarTask
from jfcelery.execution.pilot.processes import PILOT_VARIABLE, are_gone, kill_bearers
from jfcelery.execution.pilot.task import Task

if TYPE_CHECKING:
    from jfcelery.execution.pilot.handle import Entry
    from jfcelery.execution.pilot.plan import Plan
    from jfcelery.execution.pilot.slots import Slot

#: Variable with the command that runs a job of a pilot, for scripts that change nothing in the
#: environment; the run folder follows.
RUN_VARIABLE = "JFC_RUN"


class Starter:
    """Starts the jobs of one pilot.

    Args:
        plan: Its plan.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._folder: Path | None = None
        if plan.warm and plan.launcher is None and Path("/proc/self/fd").is_dir():
            self._folder = Path(tempfile.mkdtemp(prefix=f"jfcw-{plan.pilot}-", dir="/tmp"))
        self._environment = {**os.environ, PILOT_VARIABLE: plan.pilot}

    def start(self, entry: Entry, slot: Slot) -> Task:
        """Start a job in a slot.

        Raises:
            OSError: It cannot be started.
        """
        plan = self._plan
        if plan.launcher is not None:
            return FarTask(entry, slot, self._environment, plan.pilot, plan.launcher)
        return Task(entry, slot, {**self._environment, RUN_VARIABLE: self._command(slot)})

    def close(self) -> None:
        """End the processes from which jobs were forked; a launcher is first left to end alone."""
        pilot = self._plan.pilot
        if self._plan.launcher is None or not are_gone(PILOT_VARIABLE, pilot, FAR_PATIENCE):
            kill_bearers(PILOT_VARIABLE, pilot)
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _command(self, slot: Slot) -> str:
        """Return the command that runs a job; each slot has a warm process of its own."""
        from jfcelery.execution.warm.place import CLIENT

        cold = f"{sys.executable} -m jfcelery.execution"
        if self._folder is None:
            return cold
        folder = self._folder / str(slot.number)
        folder.mkdir(mode=0o700, exist_ok=True)
        modules = ",".join(self._plan.preload) or "-"
        words = (sys.executable, "-I", "-S", str(CLIENT), str(folder), modules)
        # The script splits it at blanks, and knows no quotes.
        return cold if any(" " in word for word in words) else " ".join(words)
