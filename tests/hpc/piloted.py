"""Batch workers of the testbed's clusters, and what a test sees of their pilots and jobs."""

from __future__ import annotations

import os
import time
from itertools import accumulate
from typing import TYPE_CHECKING, Any, TypeVar

from jobflow import Flow
from jobflow.core.job import Job

from jfcelery.database.batches import Batches
from jfcelery.database.connection import open_queue
from jfcelery.states import BatchState

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from jfcelery.project import Project
    from tests.support.cluster import Cluster

_T = TypeVar("_T")

#: Seconds for a flow, however slow the machine.
PATIENCE = 600.0
#: Notes that a job begins, where, and whether another process runs it; goes on once there is a file
#: "go".
HELD = """
exec 5>>@/lock.$JFC_NUMBER
flock -n 5 || echo $JFC_NUMBER >>@/twice
echo $JFC_NUMBER:$SLURMD_NODENAME:$CUDA_VISIBLE_DEVICES >>@/where
echo $JFC_NUMBER >>@/begun
until [ -e @/go ]; do sleep 0.2; done
"""


def batch_worker(
    cluster: Cluster, host: str, scheduler: str, of: dict[str, Any] | None = None, **options: Any
) -> dict[str, Any]:
    """Return a batch worker of a project file; ``options`` are those of its batch.

    Args:
        cluster: Where it is.
        host: Its host.
        scheduler: Of the host.
        of: Options of the worker itself.
        options: Those of its batch.
    """
    worker = cluster.worker(host, scheduler, **{"max_jobs": 2, **(of or {})})
    batch = {
        "jobs_handle_dir": f"{worker['work_dir']}/pool",
        "work_dir": f"{worker['work_dir']}/pilots",
        "max_wait": 5,
        "sleep_time": 0.5,
    }
    return {**worker, "batch": batch | options}


def held_jobs(folder: str, number: int) -> Flow:
    """Return jobs that each wait for a file in a folder of the host."""
    text = HELD.replace("@", folder)
    return Flow(
        [
            Job(os.system, function_args=(f"JFC_NUMBER={one}\n{text}",), name=f"job {one}")
            for one in range(number)
        ]
    )


class Watch:
    """What a test sees of a project's jobs, pilots and files.

    Args:
        project: The project.
        cluster: Where its worker is.
        host: The worker's host.
        folder: Where the jobs leave their marks.
    """

    def __init__(self, project: Project, cluster: Cluster, host: str, folder: str) -> None:
        self.queue = open_queue(project)
        self.bed, self.host, self.folder = cluster.bed, host, folder

    def lines(self, name: str) -> list[str]:
        """Return the lines that jobs have left in a file."""
        done = self.bed.on(self.host, "cat", f"{self.folder}/{name}", check=False)
        return str(done.stdout).split() if done.returncode == 0 else []

    def pilots(self, state: BatchState = BatchState.RUNNING) -> list[Any]:
        """Return the pilots in a state."""
        return list(Batches(self.queue).find({"state": state.value}))

    def where(self) -> list[tuple[str, str, str]]:
        """Return the number, node and GPUs of each job that began."""
        parts = [line.split(":") for line in self.lines("where")]
        return [(number, node, gpus) for number, node, gpus in parts]

    def is_held(self, number: str) -> bool:
        """Return whether a process of a job lives."""
        lock = f"{self.folder}/lock.{number}"
        done = self.bed.on(self.host, "flock", "-n", lock, "true", check=False)
        return int(done.returncode) != 0

    def let_go(self) -> None:
        """Let all jobs go on."""
        self.bed.on(self.host, "touch", f"{self.folder}/go", user="hpc")

    def kill(self, pilot: Any) -> None:
        """Kill the process of a pilot, and nothing else."""
        text = f"pkill -KILL -f 'run-batch.*{pilot.batch_uid}'"
        self.bed.on(self.host, "bash", "-c", text, check=False)

    def most_at_once(self) -> int:
        """Return how many of the project's pilots Slurm had in its queue at once, by its books."""
        submitted = [doc.name for doc in Batches(self.queue).find({}) if doc.process_id]
        rows = self.until(lambda: self._booked(submitted), "Slurm's books")
        moments = [(begin, 1) for begin, _ in rows] + [(end, -1) for _, end in rows]
        return max(accumulate(change for _, change in sorted(moments)))

    def _booked(self, names: Sequence[str]) -> list[tuple[str, str]]:
        """Return when pilots came and went; nothing before all of them are in the books."""
        command = ("sacct", "-n", "-X", "-P", "-S", "now-1hour", "-o", "jobname,submit,end")
        lines = str(self.bed.on(self.host, *command).stdout).splitlines()
        rows = {name: (begin, end) for name, begin, end in (line.split("|") for line in lines)}
        return [rows[name] for name in names] if set(names) <= rows.keys() else []

    def until(self, probe: Callable[[], _T], what: str) -> _T:
        """Wait until something holds, and return it."""
        deadline = time.monotonic() + PATIENCE
        while not (found := probe()):
            docs = list(Batches(self.queue).find({}))
            assert time.monotonic() < deadline, f"waited in vain for {what}: {docs}"
            time.sleep(0.5)
        return found
