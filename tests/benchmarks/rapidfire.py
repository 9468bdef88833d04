"""FireWorks, whose jobs are timed beside jfcelery's: ``rlaunch rapidfire``, as its manual shows it.

It runs the jobs one after the other in its own process. The flows are jobflow's own, made into
Fireworks by jobflow itself.
"""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tests.support.foreign import environment
from tests.support.tree import TREE

if TYPE_CHECKING:
    from pathlib import Path

#: What pip installs beside jobflow.
RELEASE = "fireworks==2.1.4"
#: Seconds after which it counts as stuck.
LIMIT = 900.0
#: Run by its Python: makes an empty database.
RESET = """\
import sys
from fireworks import LaunchPad
LaunchPad.from_file(sys.argv[1]).reset("", require_password=False)
"""
#: Run by its Python: adds a flow and runs it to its end; prints the seconds of both.
RUN = """\
import sys, time
from fireworks import FWorker, LaunchPad
from fireworks.core.rocket_launcher import rapidfire
from jobflow.managers.fireworks import flow_to_workflow
from maggma.stores import MongoStore
from jobflow import JobStore
from tests.benchmarks import jobs
launchpad = LaunchPad.from_file(sys.argv[1])
pad = launchpad.host, launchpad.port
direct = {"directConnection": True}
outputs = MongoStore("jfct_fireworks", "outputs", *pad, mongoclient_kwargs=direct)
store = JobStore(outputs)  # of a kind that survives the way through FireWorks' documents
flow = getattr(jobs, sys.argv[2])(int(sys.argv[3]))
began = time.monotonic()
launchpad.add_wf(flow_to_workflow(flow, store))
added = time.monotonic()
if sys.argv[4] == "run":
    rapidfire(launchpad, FWorker(), strm_lvl="ERROR")
    states = set(launchpad.fireworks.distinct("state"))
    assert states == {"COMPLETED"}, states
print(added - began, time.monotonic() - began)
"""


@dataclass(frozen=True)
class FireWorks:
    """FireWorks with a database of its own.

    Args:
        prefix: Where it is installed.
        folder: Where it runs.
    """

    prefix: Path
    folder: Path

    @classmethod
    def install(cls, folder: Path, mongo: str) -> FireWorks:
        """Return it, installed in an environment of its own.

        Raises:
            InstallationError: pip cannot install it.
        """
        made = cls(environment(RELEASE, beside=("jobflow",)), folder)
        folder.mkdir()
        parts = urlsplit(mongo)
        pad = {"host": parts.hostname, "port": parts.port, "name": "jfct_fireworks"}
        options = {"mongoclient_kwargs": {"directConnection": True}, "logdir": None}
        made._launchpad.write_text(json.dumps({**pad, **options}))  # which is YAML as well
        made._python(RESET, str(made._launchpad))
        return made

    @property
    def _launchpad(self) -> Path:
        return self.folder / "launchpad.yaml"

    def until_complete(self, size: int, kind: str) -> float:
        """Return the time from the submission of a flow until all of its jobs have run."""
        return self._run(kind, size, "run")[1]

    def insert(self, size: int) -> float:
        """Return the time that it takes to add a flow."""
        return self._run("crowd", size, "add")[0]

    def _run(self, kind: str, size: int, what: str) -> tuple[float, float]:
        said = self._python(RUN, str(self._launchpad), kind, str(size), what)
        added, ended = map(float, said.splitlines()[-1].split())
        return added, ended

    def _python(self, code: str, *arguments: str) -> str:
        argv = [str(self.prefix / "bin" / "python"), "-c", code, *arguments]
        environment = {**os.environ, "PYTHONPATH": str(TREE), "PYTHONWARNINGS": "ignore"}
        done = subprocess.run(
            argv,
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=LIMIT,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"FireWorks: {done.stderr[-2000:]}")
        return done.stdout
