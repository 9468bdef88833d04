"""The standing system that is measured: embedded services and a runner, in a throwaway project."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from jfcelery import services, submit_flow, wait_for
from jfcelery.execution.warm.place import warm_folder
from jfcelery.project import load_file
from jfcelery.states import JobState
from jfcelery.tasks.runner.layout import Layout
from jfcelery.tasks.runner.lifecycle import Runner
from tests.support.launching import pids_of
from tests.support.tree import TREE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jobflow import Flow

    from jfcelery.project import Project

#: Seconds after which a flow counts as stuck.
LIMIT = 1800.0
#: Bytes in a megabyte.
MEGABYTE = 1e6

FILE = """\
name: benchmark
workers:
  here:
    type: local
    scheduler_type: shell
    work_dir: {folder}/jobs
    pre_run: export PYTHONPATH={tree}
    warm: {warm}
    max_jobs: {max_jobs}
"""


@dataclass(frozen=True)
class Memory:
    """Memory of one process, in MB.

    Args:
        name: What the process is.
        rss: Resident set: all pages that it has in memory.
        pss: Proportional set: pages that n processes share count as an n-th.
    """

    name: str
    rss: float
    pss: float


@dataclass(frozen=True)
class System:
    """A running system.

    Args:
        project: Its project.
    """

    project: Project

    def run(self, flow: Flow) -> float:
        """Run a flow to its end; return how many seconds it took from its submission on."""
        began = time.monotonic()
        ids = submit_flow(flow, project=self.project)
        counts = wait_for(ids, LIMIT, progress=False, project=self.project)
        seconds = time.monotonic() - began
        if set(counts) != {JobState.COMPLETED}:
            raise RuntimeError(f"not all jobs completed: {counts}")
        return seconds

    def memory(self) -> list[Memory]:
        """Return the memory of each process of the system."""
        found = {one.name: one.pid for one in Runner(self.project).info().processes}
        found |= {one.name: one.pid or 0 for one in services.status(self.project)}
        return [memory_of(name, pid) for name, pid in found.items() if pid]

    def servers(self) -> list[Memory]:
        """Return the memory of the servers from which warm jobs are forked."""
        pids = pids_of("jfcelery.execution.warm.server", str(warm_folder(self.project)))
        return [memory_of("warm", pid) for pid in pids]


@contextmanager
def running_system(*, warm: bool, max_jobs: int | None = None) -> Iterator[System]:
    """Start a system with two Celery workers and beat, without Flower; stop it at the end.

    Args:
        warm: Whether its jobs start warm.
        max_jobs: How many of them run at once; None for what is the default, as many as cores.
    """
    folder = Path(tempfile.mkdtemp(prefix="jfc-bench-"))
    path = folder / "benchmark.yaml"
    values = {"warm": str(warm).lower(), "max_jobs": max_jobs or len(os.sched_getaffinity(0))}
    path.write_text(FILE.format(folder=folder, tree=TREE, **values))
    project = load_file(path)
    runner = Runner(project)
    try:
        runner.start(Layout(flower=False))
        yield System(project)
    finally:
        runner.shutdown()
        shutil.rmtree(folder, ignore_errors=True)


def peak_of(status: str) -> float:
    """Return the peak memory of a process in MB, from what Linux says of it in ``status``."""
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1000


def note_anew(process: Path) -> None:
    """Let Linux note the peak memory of a process anew, see proc(5).

    Args:
        process: Its folder below ``/proc``.
    """
    (process / "clear_refs").write_text("5")


def memory_of(name: str, pid: int) -> Memory:
    """Return the memory of a process."""
    sizes = {}
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]:
        key, value = line.split()[:2]
        sizes[key] = int(value) * 1024 / MEGABYTE
    return Memory(name, round(sizes["Rss:"], 1), round(sizes["Pss:"], 1))
