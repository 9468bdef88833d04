"""A process that outlives the pilot by a moment: it kills what a pilot leaves that was killed.

Jobs lead sessions of their own, so that nothing which ends the pilot reaches them by itself. The
pilot holds one end of a pipe; when it closes without a word, the pilot is dead.
"""

from __future__ import annotations

import os
import signal
from contextlib import suppress

from jfcelery.execution.pilot.processes import PILOT_VARIABLE, kill_bearers

#: What the pilot says when it leaves nothing behind.
_FAREWELL = b"."


class Undertaker:
    """Watches over one pilot; to be started while it has a single thread.

    Args:
        pilot: Its name, which its jobs' processes bear.
    """

    def __init__(self, pilot: str) -> None:
        reading, self._line = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            try:
                os.close(self._line)
                _watch(reading, pilot)
            finally:
                os._exit(0)
        os.close(reading)

    def dismiss(self) -> None:
        """End it: nothing is left to be done."""
        with suppress(OSError):
            os.write(self._line, _FAREWELL)
        os.close(self._line)
        with suppress(ChildProcessError):
            os.waitpid(self._pid, 0)


def _watch(reading: int, pilot: str) -> None:
    os.setsid()
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, signal.SIG_IGN)
    if os.read(reading, 1) != _FAREWELL:
        kill_bearers(PILOT_VARIABLE, pilot)
