"""Identity of processes: a pid alone may have been given to somebody else."""

from __future__ import annotations

import os
import platform
import signal
import subprocess
import time
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

#: Seconds between two looks at a process that is to end.
POLL_SECONDS = 0.02
#: Seconds that the system may take to end a process that was killed.
KILL_SECONDS = 10.0
_PROC = Path("/proc")


@lru_cache(maxsize=1)
def machine() -> str:
    """Return what pids are relative to: this boot of this machine, this pid namespace.

    The name of the machine is not part of it: a laptop's changes with its network.
    """
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}/{Path('/proc/self/ns/pid').readlink()}"
    except OSError:  # not Linux
        return _output("sysctl", "-n", "kern.bootsessionuuid") or platform.node()


def start_token(pid: int) -> str | None:
    """Return when a process started, in its system's own words; None if it does not run."""
    if not _PROC.joinpath("self/stat").exists():
        return _output("ps", "-o", "lstart=", "-p", str(pid)) or None
    try:
        stat = (_PROC / str(pid) / "stat").read_text()
    except OSError:
        return None
    # The name, in brackets, may hold blanks and brackets; the third field follows the last one.
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else fields[19]


def command_line(pid: int) -> str:
    """Return the command line of a process, or an empty string."""
    try:
        return (_PROC / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return _output("ps", "-o", "args=", "-p", str(pid))


def _output(*command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=5)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


@dataclass(frozen=True)
class ProcessIdentity:
    """One process, told apart from any other that ever has its pid.

    Args:
        pid: Process id.
        started: :func:`start_token` of the process.
        machine: :func:`machine` on which it runs.
    """

    pid: int
    started: str
    machine: str

    @classmethod
    def of(cls, pid: int) -> ProcessIdentity | None:
        """Return the identity of a running process, None if there is none."""
        started = start_token(pid)
        return None if started is None else cls(pid, started, machine())

    @property
    def alive(self) -> bool:
        """Return whether this very process still runs, here."""
        return self.machine == machine() and start_token(self.pid) == self.started

    def end(self, *, grace: float) -> None:
        """End the process: SIGTERM, and SIGKILL after ``grace`` seconds."""
        for number, patience in ((signal.SIGTERM, grace), (signal.SIGKILL, KILL_SECONDS)):
            if not self.alive:
                return
            try:
                os.kill(self.pid, number)
            except ProcessLookupError:
                return
            self._await_end(patience)

    def _await_end(self, patience: float) -> None:
        deadline = time.monotonic() + patience
        while self.alive:
            if time.monotonic() > deadline:
                return
            time.sleep(POLL_SECONDS)
