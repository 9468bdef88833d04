"""A pool with jobs in it, and one pilot as a real process."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from jfcelery.execution.pilot.handle import WAITING
from jfcelery.execution.pilot.plan import Plan
from jfcelery.folders import RunFolder

if TYPE_CHECKING:
    from pathlib import Path

#: A job that says that it began, has a child in a session of its own, and waits for a file.
HOLDS = "touch begun; setsid sleep 300 & until [ -e ../go ]; do sleep 0.05; done; kill %1"
#: Names of the pilot and its entries are each test process's own: whoever ends one looks for all
#: that bears its name on this machine.
PILOT, ORDER = f"jfp-test-{os.getpid()}", str(os.getpid())


class Ground:
    """A pool, run folders, and one pilot."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.pool = folder, folder / "pool"
        self.program = ["-m", "jfcelery.execution.pilot"]
        self.process: subprocess.Popen[bytes] | None = None

    def add(self, name: str, text: str, order: str = ORDER) -> Path:
        """Put a job into the pool; return its folder."""
        run_dir = self.folder / name
        run_dir.mkdir()
        (run_dir / RunFolder.SCRIPT).write_text(f"# jfc-{name}\n{text}\n")
        (self.pool / WAITING).mkdir(parents=True, exist_ok=True)
        entry = self.pool / WAITING / f"{order}-jfc-{name}"
        entry.write_text(f"folder={run_dir}\nattempt=1\nname=jfc-{name}\n")
        return run_dir

    def start(self, **options: Any) -> subprocess.Popen[bytes]:
        """Start the pilot."""
        given = {"max_wait": 0.2, "sleep": 0.05, "warm": False} | options
        plan = Plan(handle_dir=self.pool, pilot=PILOT, **given)
        (self.folder / Plan.FILE).write_bytes(plan.to_bytes())
        argv = [sys.executable, *self.program, str(self.folder)]
        with (self.folder / "pilot.err").open("wb") as stderr:
            self.process = subprocess.Popen(argv, stderr=stderr, start_new_session=True)
        return self.process

    def names(self, place: str) -> list[str]:
        """Return the jobs that are in a folder of the pool."""
        found = (self.pool / place).rglob("*-jfc-*")
        return sorted(path.name.partition("-jfc-")[2] for path in found)
