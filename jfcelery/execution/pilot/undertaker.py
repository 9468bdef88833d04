"""A process that outlives the pilot by a moment: it kills what a pilot leaves that was killed.

Jobs lead sessions of their own, so that nothing which ends the pilot reaches them by itself. The
pilot holds one end of a pipe; when it closes without a farewell, the pilot is dead. It is a program
of its own, so that whoever kills the pilot by its command line does not kill it along.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress

from jfcelery.execution.pilot.escort import ENDING, PASSED_ON
from jfcelery.execution.pilot.processes import PILOT_VARIABLE, are_gone, kill_bearers

#: What the pilot says when it leaves nothing behind.
_FAREWELL = b"."


class Undertaker:
    """Watches over one pilot.

    Args:
        pilot: Its name, which its jobs' processes bear.
        patience: Seconds that these have to end by themselves, as launchers do on other nodes.
    """

    def __init__(self, pilot: str, *, patience: float = 0.0) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__, str(patience)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._say(f"{pilot}\n".encode())

    def dismiss(self) -> None:
        """End it: nothing is left to be done."""
        self._say(_FAREWELL)
        if self._process.stdin is not None:
            with suppress(OSError):
                self._process.stdin.close()
        self._process.wait()

    def _say(self, words: bytes) -> None:
        if self._process.stdin is not None:
            with suppress(OSError):
                self._process.stdin.write(words)
                self._process.stdin.flush()


def watch(patience: float) -> None:
    """Wait for the end of the pilot that stdin names, and kill what it leaves after a while."""
    for number in (*ENDING, *PASSED_ON):
        signal.signal(number, signal.SIG_IGN)
    pilot = sys.stdin.buffer.readline().decode().strip()
    if not pilot or os.read(sys.stdin.fileno(), 1) == _FAREWELL:
        return
    if not are_gone(PILOT_VARIABLE, pilot, patience):
        kill_bearers(PILOT_VARIABLE, pilot)


if __name__ == "__main__":
    watch(float(sys.argv[1]))
