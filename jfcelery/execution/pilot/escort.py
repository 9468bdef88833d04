"""A process beside each job that a launcher starts, on the job's own node: ``escort.py`` starts it.

A pilot finds the processes of its jobs by their environment, but only on its own node. So on any
node an escort starts the script of the job; when that has ended, or the job is to end, or the pilot
is gone, it ends whatever the job has left there, and only then itself. So the end of the launcher
tells that nothing of the job is left. A signal that warns the job is passed on to it.

It hears from the pilot by its standard input, which launchers pass on: first a line, as a sign
that this one does; then nothing, until the end of the input tells it to end the job. SIGTERM does
as well.

A launcher may start it late, as on a node that hung, when the job's entry was given back since. So
it starts no other attempt than the one it was told, and that one only if its pilot has not let it
wait for other pilots; an attempt that was given back is kept from beginning by a claim.
"""

from __future__ import annotations

import os
import platform
import select
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from jfcelery.execution.pilot.handle import is_script_of, takes_turn
from jfcelery.execution.pilot.processes import ENTRY_VARIABLE, PILOT_VARIABLE, kill_bearers
from jfcelery.folders import RunFolder

#: Descriptor at which the pilot is heard.
STDIN = 0
#: What the pilot says first.
GREETING = b"+\n"
#: Seconds that a job has between TERM and KILL; less than those that a pilot has.
GRACE = 3.0
#: Signals after which a pilot gives its jobs back, and an escort ends its job: USR2 is what Grid
#: Engine sends before KILL.
ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR2, signal.SIGXCPU)
#: Signals that are passed on: of these a job would hear without an escort, too.
PASSED_ON = (signal.SIGUSR1,)
#: Seconds for which a node may see a run folder that was moved since (acdirmax; see nfs(5)).
HIDDEN = 60.0
#: Exit code if the folder is that of another attempt.
STALE = 77
#: Seconds between two looks at a job that was told to end, or at a script.
_LOOK = 0.1


class Escort:
    """Runs one job to its end.

    Args:
        folder: Its run folder.
        entry: Name of its entry in the pool.
        environment: All its variables.
    """

    def __init__(self, folder: Path, entry: str, environment: dict[str, str]) -> None:
        self.entry = entry
        self._told: float | None = None
        self._heard = b""
        self._lines = {_wake_by_signals()} | ({STDIN} if sys.stdin else set())
        self._process = subprocess.Popen(
            ["/bin/bash", RunFolder.SCRIPT],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )

    def run(self) -> int:
        """Wait for the end of the job and of all that it started; return its exit code."""
        while self._process.poll() is None:
            self._wait()
            if self._told is not None and time.monotonic() - self._told > GRACE:
                self._send(signal.SIGKILL)
        kill_bearers(ENTRY_VARIABLE, self.entry)
        code = self._process.returncode
        return 128 - code if code < 0 else code

    def _wait(self) -> None:
        ready, _, _ = select.select(self._lines, [], [], _LOOK if self._told is not None else None)
        for line in ready:
            words = os.read(line, 512)
            if line != STDIN:
                self._heed(words)
            elif words:
                self._heard += words
            else:
                self._lines.discard(line)
                if self._heard:  # else the launcher passes nothing on, and its end means nothing
                    self._tell()

    def _heed(self, numbers: bytes) -> None:
        """Do what signals ask for."""
        for number in PASSED_ON:
            if number in numbers:
                self._send(number)
        if any(number in numbers for number in ENDING):
            self._tell()

    def _tell(self) -> None:
        if self._told is None:
            self._told = time.monotonic()
            self._send(signal.SIGTERM)

    def _send(self, number: int) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)


def _wake_by_signals() -> int:
    """Return a descriptor on which the numbers of signals can be read."""
    reading, writing = os.pipe()
    for end in (reading, writing):
        os.set_blocking(end, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    for number in (*ENDING, *PASSED_ON, signal.SIGCHLD):
        signal.signal(number, lambda _number, _frame: None)
    return reading


def _is_there(folder: Path, job: str) -> bool:
    """Wait for the script of an attempt; return whether it is there."""
    until = time.monotonic() + HIDDEN
    while True:
        with suppress(OSError):
            if is_script_of((folder / RunFolder.SCRIPT).read_text(errors="replace"), job):
                return True
        if time.monotonic() > until:
            return False
        time.sleep(_LOOK)


def main(arguments: list[str]) -> int:
    """Run the job of ``RUN_DIR PILOT ENTRY ATTEMPT SLOT``: a launcher may pass on no variables."""
    folder, pilot, entry, attempt, slot = arguments
    job = entry.partition("-")[2]  # behind its order
    if not _is_there(Path(folder), job):
        print(f"{folder} is gone, or holds another attempt than {job}", file=sys.stderr)  # noqa: T201
        return STALE
    if not takes_turn(Path(folder), int(attempt), pilot, f"{platform.node()}:{os.getpid()}"):
        print(f"{pilot} does not wait for {job} any more", file=sys.stderr)  # noqa: T201
        return STALE
    own = {
        PILOT_VARIABLE: pilot,
        ENTRY_VARIABLE: entry,
        "JFC_SLOT": slot,
        "JFC_RUN": f"{sys.executable} -m jfcelery.execution",
    }
    return Escort(Path(folder), entry, {**os.environ, **own}).run()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
