"""Runs jobs in real processes of their own, without paying for each start of Python."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import TracebackType

ROOT = Path(__file__).parents[2]

_SERVE = """
import os, sys
from jfcelery.execution.imports import import_jobflow
import_jobflow()
import numpy, jfcelery.execution.run, tests.support.jobs
from jfcelery.execution.run import run_job
for line in sys.stdin:
    pid = os.fork()
    if pid == 0:
        folder = line.rstrip("\\n")
        os.dup2(os.open(folder + "/queue.out", os.O_WRONLY | os.O_CREAT | os.O_APPEND), 1)
        os.dup2(os.open(folder + "/queue.err", os.O_WRONLY | os.O_CREAT | os.O_APPEND), 2)
        os._exit(run_job(folder))
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    print(code, flush=True)
"""


class WarmRunner:
    """A process that forks one child for each run folder."""

    def __init__(self) -> None:
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"}
        self._process = subprocess.Popen(
            [sys.executable, "-c", _SERVE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            text=True,
        )

    def run(self, folder: Path) -> int:
        """Run the job of a folder; return the exit code."""
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(f"{folder}\n")
        process.stdin.flush()
        return int(process.stdout.readline())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.close()
        process.wait(30)
        process.stdout.close()
