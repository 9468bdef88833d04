"""One job of a pilot on any node of the allocation, where a launcher such as ``srun`` starts it."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from jfcelery.execution.pilot.escort import GREETING
from jfcelery.execution.pilot.handle import is_stale, takes_turn
from jfcelery.execution.pilot.processes import ENTRY_VARIABLE
from jfcelery.execution.pilot.task import Task

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import BinaryIO

    from jfcelery.execution.pilot.handle import Entry
    from jfcelery.execution.pilot.slots import Slot

#: Seconds that an escort has to end its job; then the launcher itself is told to. More than GRACE.
FAR_PATIENCE = 10.0
#: What a pilot writes down that lets a job wait for others.
PUT_BACK = "put-back"


class FarTask(Task):
    """A job with an escort on its node.

    Args:
        entry: The job.
        slot: Its slot.
        environment: All variables of the launcher.
        pilot: Name of the pilot.
        launcher: The command that starts it.

    Raises:
        OSError: The launcher cannot be started.
    """

    def __init__(
        self, entry: Entry, slot: Slot, environment: Mapping[str, str], pilot: str, launcher: str
    ) -> None:
        self._pilot, self._launcher = pilot, shlex.split(launcher)
        self._is_urged = False
        super().__init__(entry, slot, environment)

    def tell(self) -> None:
        """Tell the job's escort to end it."""
        if self._told is None:
            self._told = time.monotonic()
            self._hang_up()

    def never_begins(self) -> bool:
        """Return whether the launcher did not come as far as the job's escort, and never will.

        On a node that hung it may start an escort long after it has failed here: that one begins
        nothing then. What was rerun or deleted meanwhile waits for nobody.
        """
        entry = self.entry
        if self._process.returncode == 0 or is_stale(entry):
            return False
        return takes_turn(entry.folder, entry.attempt, self._pilot, PUT_BACK)

    def has_ended(self) -> bool:
        """Return whether the launcher has ended, and so the job with all that it started.

        It is never killed: of what it started elsewhere nothing would be known.
        """
        if self._process.poll() is None and self._told is not None and not self._is_urged:
            self._is_urged = time.monotonic() - self._told > FAR_PATIENCE
            if self._is_urged:
                self._send(signal.SIGTERM)
        if self._process.poll() is None:
            return False
        self._hang_up()
        return super().has_ended()

    def _start(
        self, environment: Mapping[str, str], stdout: BinaryIO, stderr: BinaryIO
    ) -> subprocess.Popen[bytes]:
        words = [sys.executable, "-m", "jfcelery.execution.pilot.escort", str(self.entry.folder)]
        words += [self._pilot, self.entry.name, str(self.entry.attempt), str(self.slot.number)]
        # The escort's job alone bears the entry's name: a launcher ends by itself. It is not
        # started in the run folder, where a job may have left what Python takes for a module.
        process = subprocess.Popen(
            [*self._launcher, *words],
            env={key: value for key, value in environment.items() if key != ENTRY_VARIABLE},
            stdin=subprocess.PIPE,
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,
        )
        if process.stdin is not None:
            with suppress(OSError):
                os.write(process.stdin.fileno(), GREETING)
        return process

    def _hang_up(self) -> None:
        if self._process.stdin is not None:
            with suppress(OSError):
                self._process.stdin.close()
