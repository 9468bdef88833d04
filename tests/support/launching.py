"""Runs jobs as a submission script does: through the warm client, or each in its own Python."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jfcelery.execution.outcome import read_outcome
from jfcelery.execution.warm.place import CLIENT, retire_all
from jfcelery.folders import RunFolder
from tests.support.waiting import wait_until
from tests.support.warm import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping

#: What pytest changes for each test, so that no server could serve two of them.
_CHANGING = "PYTEST_CURRENT_TEST"


@dataclass
class Launcher:
    """Starts jobs in run folders.

    Args:
        sockets: Folder of the warm servers.
        warm: Whether jobs start warm.
        environment: Variables beside those of this process.
        preload: Modules that a server imports.
        client: The file that has a job run warm.
    """

    sockets: Path
    warm: bool
    environment: dict[str, str] = field(default_factory=dict)
    preload: tuple[str, ...] = ()
    client: Path = CLIENT

    def __post_init__(self) -> None:
        self._started: list[subprocess.Popen[bytes]] = []

    def command(self, folder: Path) -> list[str]:
        """Return the command that runs the job of a folder."""
        if not self.warm:
            return [sys.executable, "-m", "jfcelery.execution", str(folder)]
        modules = ",".join(self.preload) or "-"
        known = [str(self.client), str(self.sockets), modules]
        return [sys.executable, "-I", "-S", *known, str(folder)]

    def start(
        self, folder: Path, *, before: str = "", environment: Mapping[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        """Start a job as the leader of a process group, its output in the folder's files.

        Args:
            folder: The run folder.
            before: Lines of bash before the command.
            environment: More variables.
        """
        given = {name: v for name, v in os.environ.items() if name != _CHANGING}
        more = {"PYTHONPATH": str(ROOT), **self.environment, **(environment or {})}
        script = f"{before}\nexec {shlex.join(self.command(folder))}"
        out, err = (folder / name for name in (RunFolder.QUEUE_OUT, RunFolder.QUEUE_ERR))
        with out.open("wb") as stdout, err.open("wb") as stderr:
            process = subprocess.Popen(
                ["bash", "-c", script],
                env={**given, **more},
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                start_new_session=True,
            )
        self._started.append(process)
        return process

    def run(
        self, folder: Path, *, before: str = "", environment: Mapping[str, str] | None = None
    ) -> int:
        """Run a job; return its exit code."""
        return self.start(folder, before=before, environment=environment).wait()

    def servers(self) -> list[int]:
        """Return the pids of the servers that run."""
        return pids_of("jfcelery.execution.warm.server", f"{self.sockets}/")

    def log(self) -> str:
        """Return what servers and clients have written down."""
        path = self.sockets / "log"
        return path.read_text() if path.exists() else ""

    def end(self) -> None:
        """End all jobs and servers."""
        for process in self._started:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        retire_all(self.sockets)
        deadline = time.monotonic() + 30
        while (left := self.servers()) and time.monotonic() < deadline:
            time.sleep(0.05)
        for pid in left:
            os.kill(pid, signal.SIGKILL)
        assert not left


def pids_of(*words: str) -> list[int]:
    """Return the processes whose command line holds some words, zombies not counted."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            text = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if all(word in text for word in words):
            found.append(int(path.parent.name))
    return found


def output_of(folder: Path) -> Any:
    """Return what a job returned, which must not have failed."""
    outcome = read_outcome(folder / RunFolder.OUTPUT)
    assert outcome.error is None, outcome.error.text
    return json.loads((folder / RunFolder.STORE_DATA).read_bytes())[0]["output"]


def has_ended(pid: int) -> bool:
    """Return whether a process has ended; a zombie has."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return True
    return stat.rpartition(")")[2].split()[0] in "ZX"


def numbers_in(path: Path) -> list[int]:
    """Wait for a file of numbers, and return them."""
    wait_until(path.exists, f"{path} is written")
    return [int(word) for word in path.read_text().split()]
