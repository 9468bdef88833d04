"""AiiDA, whose jobs are timed beside jfcelery's: the profile that ``verdi presto`` sets up.

Its database is SQLite and its broker ZeroMQ, which come with it. Its jobs are the shell scripts of
its own ``ArithmeticAdd``: no Python starts for them. It looks at them once a second; by default in
ten.
"""

from __future__ import annotations

import os
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.support.foreign import environment

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: What pip installs.
RELEASE = "aiida-core==2.9.4"
#: Seconds after which it counts as stuck.
LIMIT = 900.0
#: Seconds that its daemon may take to answer, on a busy machine.
PATIENCE = "120"
#: Seconds between two looks at a queue.
POLL = 1.0
#: Run by its Python: what ``verdi presto`` leaves to its user.
CONFIGURE = """\
import sys
from aiida import load_profile
load_profile()
from aiida.orm import InstalledCode, load_computer
computer = load_computer("localhost")
computer.set_minimum_job_poll_interval(float(sys.argv[1]))
InstalledCode(
    label="bash",
    computer=computer,
    filepath_executable="/bin/bash",
    default_calc_job_plugin="core.arithmetic.add",
).store()
"""
#: A module of its daemon: jobs of which each waits for the one before.
CHAIN = """\
from aiida.engine import WorkChain, while_
from aiida.orm import Int, load_code
from aiida.plugins import CalculationFactory


class Chain(WorkChain):
    @classmethod
    def define(cls, spec):
        super().define(spec)
        spec.input("size", valid_type=Int)
        spec.output("sum", valid_type=Int)
        spec.outline(cls.begin, while_(cls.is_short)(cls.add), cls.end)

    def begin(self):
        self.ctx.jobs = []

    def is_short(self):
        return len(self.ctx.jobs) < self.inputs.size

    def add(self):
        last = self.ctx.jobs[-1].outputs.sum if self.ctx.jobs else Int(0)
        inputs = {"code": load_code("bash"), "x": last, "y": Int(1)}
        made = self.submit(CalculationFactory("core.arithmetic.add"), **inputs)
        self.ctx.jobs.append(made)
        return self.to_context(last=made)

    def end(self):
        self.out("sum", self.ctx.jobs[-1].outputs.sum)
"""
#: Run by its Python: submits jobs and waits for their end; prints the seconds.
RUN = """\
import sys, time
from aiida import load_profile
load_profile()
from aiida.engine import submit
from aiida.orm import Int, load_code
from aiida.plugins import CalculationFactory
from chain_of_aiida import Chain
kind, size = sys.argv[1], int(sys.argv[2])
began = time.monotonic()
if kind == "chain":
    made = [submit(Chain, size=Int(size))]
    wanted = [size]
else:
    add, code = CalculationFactory("core.arithmetic.add"), load_code("bash")
    made = [submit(add, code=code, x=Int(number), y=Int(1)) for number in range(size)]
    wanted = [number + 1 for number in range(size)]
while not all(one.is_terminated for one in made):
    time.sleep(0.1)
ended = time.monotonic()
found = [one.outputs.sum.value for one in made]
assert found == wanted, found
print(ended - began)
"""


@dataclass(frozen=True)
class AiiDA:
    """AiiDA with a profile of its own.

    Args:
        prefix: Where it is installed.
        folder: Its profile and all its files.
    """

    prefix: Path
    folder: Path

    @classmethod
    @contextmanager
    def running(cls, folder: Path, workers: int) -> Iterator[AiiDA]:
        """Install it, and run its daemon while the context lasts.

        Args:
            folder: Where its files go; made.
            workers: Number of the daemon's processes.

        Raises:
            InstallationError: pip cannot install it.
        """
        made = cls(environment(RELEASE), folder)
        folder.mkdir()
        (folder / "chain_of_aiida.py").write_text(CHAIN)
        made._call("verdi", "presto", "--use-zeromq", "--email", "someone@example.org")
        made._call("python", "-c", CONFIGURE, str(POLL))
        try:
            made._call("verdi", "daemon", "start", "--timeout", PATIENCE, str(workers))
            yield made
        finally:
            made._call("verdi", "daemon", "stop", "--timeout", PATIENCE)

    def until_complete(self, size: int, kind: str) -> float:
        """Return the time from the submission of jobs until all have run."""
        return float(self._call("python", "-c", RUN, kind, str(size)).splitlines()[-1])

    def _call(self, program: str, *arguments: str) -> str:
        bin_folder = self.prefix / "bin"
        variables = {
            "AIIDA_PATH": str(self.folder),
            "HOME": str(self.folder),
            "PATH": f"{bin_folder}:{os.environ['PATH']}",
            "PYTHONPATH": str(self.folder),
        }
        done = subprocess.run(
            [str(bin_folder / program), *arguments],
            cwd=self.folder,
            env={**os.environ, **variables},
            capture_output=True,
            text=True,
            timeout=LIMIT,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"AiiDA: {program}: {(done.stdout + done.stderr)[-2000:]}")
        return done.stdout
