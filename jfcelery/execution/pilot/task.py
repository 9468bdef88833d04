"""One job of a pilot: its submission script in a session of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from jfcelery.execution.pilot.escort import GRACE
from jfcelery.execution.pilot.processes import ENTRY_VARIABLE, kill_bearers
from jfcelery.folders import RunFolder

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import BinaryIO

    from jfcelery.execution.pilot.handle import Entry
    from jfcelery.execution.pilot.slots import Slot


class Task:
    """A job that runs.

    Args:
        entry: The job.
        slot: Its slot.
        environment: All its variables, but those of its slot and entry.

    Raises:
        OSError: It cannot be started.
    """

    def __init__(self, entry: Entry, slot: Slot, environment: Mapping[str, str]) -> None:
        self.entry, self.slot = entry, slot
        self.began = time.monotonic()
        self._told: float | None = None
        env = {**environment, **slot.environment(), ENTRY_VARIABLE: entry.name}
        out, err = entry.folder / RunFolder.QUEUE_OUT, entry.folder / RunFolder.QUEUE_ERR
        with out.open("ab") as stdout, err.open("ab") as stderr:
            self._process = self._start(env, stdout, stderr)

    @property
    def is_told(self) -> bool:
        """Whether it was told to end."""
        return self._told is not None

    @property
    def age(self) -> float:
        """Seconds since its start."""
        return time.monotonic() - self.began

    def tell(self) -> None:
        """Tell the job to end; it is killed if it does not."""
        if self._told is None:
            self._told = time.monotonic()
            self._send(signal.SIGTERM)

    def never_begins(self) -> bool:
        """Return whether the script of the job, which has ended, was not and will not be begun."""
        return False

    def has_ended(self) -> bool:
        """Return whether the job has ended with all that it started; kill it if its time is up."""
        if self._process.poll() is None:
            if self._told is None or time.monotonic() - self._told < GRACE:
                return False
            self._send(signal.SIGKILL)
            self._process.wait()
        return kill_bearers(ENTRY_VARIABLE, self.entry.name, patience=0.5)

    def _start(
        self, environment: Mapping[str, str], stdout: BinaryIO, stderr: BinaryIO
    ) -> subprocess.Popen[bytes]:
        with _bound_to(self.slot):
            return subprocess.Popen(
                ["/bin/bash", RunFolder.SCRIPT],
                cwd=self.entry.folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                start_new_session=True,
            )

    def _send(self, number: int) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)


@contextmanager
def _bound_to(slot: Slot) -> Iterator[None]:
    """Let what is started meanwhile inherit the cores of a slot."""
    if not slot.cores:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, slot.cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
