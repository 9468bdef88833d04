"""Programs whose jobs are timed on their way: jfcelery, and jobflow-remote beside it."""

from __future__ import annotations

import json
import os
import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

from jfcelery import submit_flow
from jfcelery.database.connection import open_queue
from jfcelery.states import JobState
from jfcelery.tasks.runner.layout import Layout
from jfcelery.tasks.runner.lifecycle import Runner
from tests.benchmarks import jobs
from tests.support.foreign import write_project
from tests.support.projects import ProjectFactory
from tests.support.tree import TREE
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pymongo.collection import Collection

    from jfcelery.project import Project

#: Seconds after which jobs that are not in the queue count as stuck.
LIMIT = 900.0
#: Seconds between two looks at jfcelery's history, which has the times itself.
LOOK = 1.0
#: Seconds between two looks at jobflow-remote's jobs; its last job is seen this much too late.
FOREIGN_LOOK = 0.1
#: Seconds that a process of jobflow-remote gets to end.
GRACE = 30.0
#: The processes that jobflow-remote's own daemon starts, by what each is told to do.
DUTIES = ("checkout", "transfer", "queue", "complete")
#: Run by jobflow-remote's Python: makes its database.
RESET = """\
import sys
from jobflow_remote import JobController
JobController.from_project_name(sys.argv[1]).reset(reset_output=True)
"""
#: Run by jobflow-remote's Python: submits a flow, and prints when it began to, or how long it took.
SUBMIT = """\
import sys, time
from jobflow_remote import submit_flow
from tests.benchmarks import jobs
flow = getattr(jobs, sys.argv[2])(int(sys.argv[3]))
began = time.time()
submit_flow(flow, project=sys.argv[1])
print(time.time() - began if sys.argv[4:] else began)
"""


class Submitter(Protocol):
    """A running program that takes jobs to a worker's queue, and brings back what they left."""

    def until_queued(self, size: int) -> float:
        """Return the time from the submission of a flow until its last job is in the queue."""
        ...

    def until_complete(self, size: int, kind: str = "plain_crowd") -> float:
        """Return the time from the submission of a flow until all of its jobs are COMPLETED.

        Args:
            size: How many jobs.
            kind: The function of ``jobs`` that makes them.
        """
        ...


@dataclass(frozen=True)
class Ours:
    """A running jfcelery.

    Args:
        project: Its project, with one worker.
    """

    project: Project

    def until_queued(self, size: int) -> float:
        """Return the time until all jobs were SUBMITTED, from the history of the jobs."""
        return self._seconds(size, JobState.SUBMITTED, "crowd")

    def until_complete(self, size: int, kind: str = "plain_crowd") -> float:
        """Return the time until all jobs were COMPLETED, from the history of the jobs."""
        return self._seconds(size, JobState.COMPLETED, kind)

    def _seconds(self, size: int, state: JobState, kind: str) -> float:
        flow = getattr(jobs, kind)(size)
        history = open_queue(self.project).history
        began = datetime.now(UTC)
        submit_flow(flow, project=self.project)
        entered = {"flow": flow.uuid, "target": state.value}

        def times() -> list[datetime]:
            rows = list(history.find(entered, {"uuid": 1, "at": 1}))
            return [row["at"] for row in rows] if len({row["uuid"] for row in rows}) == size else []

        what = f"the jobs to be {state}"
        last = max(wait_until(times, what, deadline=LIMIT, every=LOOK))
        return (last - began).total_seconds()


@dataclass(frozen=True)
class Theirs:
    """A running jobflow-remote.

    Args:
        python: Runs Python code in its environment, with arguments; returns what that prints.
        project: The name of its project, with one worker.
        jobs: The collection of its jobs.
        processes: Those of its runner.
    """

    python: Foreign
    project: str
    jobs: Collection[dict[str, Any]]
    processes: list[subprocess.Popen[bytes]]

    def until_queued(self, size: int) -> float:
        """Return the time until all jobs had a number in the queue; it keeps no history."""
        return self._seconds(size, {"remote.process_id": {"$type": "string"}}, "crowd")

    def until_complete(self, size: int, kind: str = "plain_crowd") -> float:
        """Return the time until all jobs were COMPLETED."""
        return self._seconds(size, {"state": "COMPLETED"}, kind)

    def end(self) -> None:
        """End the processes of its runner."""
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            try:
                process.wait(GRACE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _seconds(self, size: int, there: dict[str, Any], kind: str) -> float:
        wanted = self.jobs.count_documents(there) + size
        began = float(self.python.run(SUBMIT, self.project, kind, str(size)).split()[-1])
        wait_until(
            lambda: self.jobs.count_documents(there) >= wanted,
            "the jobs of jobflow-remote",
            deadline=LIMIT,
            every=FOREIGN_LOOK,
        )
        return time.time() - began


@dataclass(frozen=True)
class Foreign:
    """The environment of jobflow-remote.

    Args:
        prefix: Where it is installed.
        folder: Its project files, and its logs.
    """

    prefix: Path
    folder: Path

    def run(self, code: str, *arguments: str) -> str:
        """Run Python code to its end and return its output."""
        argv = [str(self.prefix / "bin" / "python"), "-c", code, *arguments]
        done = subprocess.run(
            argv, env=self.variables(), capture_output=True, text=True, timeout=LIMIT, check=False
        )
        if done.returncode:
            raise RuntimeError(f"jobflow-remote: {done.stderr[-2000:]}")
        return done.stdout

    def start(self, project: str, duty: str) -> subprocess.Popen[bytes]:
        """Start one process of its runner."""
        argv = [str(self.prefix / "bin" / "jf"), "-p", project, "runner", "run", f"--{duty}"]
        with (self.folder / f"{duty}.log").open("wb") as log:
            return subprocess.Popen(argv, env=self.variables(), stdout=log, stderr=log)

    def variables(self) -> dict[str, str]:
        """Return the environment of its processes."""
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("JFCELERY")}
        return {
            **inherited,
            "PATH": f"{self.prefix / 'bin'}:{os.environ['PATH']}",
            "JFREMOTE_PROJECTS_FOLDER": str(self.folder),
            "PYTHONPATH": str(TREE),
            "PYTHONWARNINGS": "ignore",
        }


@contextmanager
def ours(
    folder: Path, mongo: str, redis: str, worker: dict[str, Any], **sections: Any
) -> Iterator[Ours]:
    """Start jfcelery as ``jfc runner start`` does, with its defaults but without Flower.

    Args:
        folder: For its files; made.
        mongo: Address of the database.
        redis: Address of the broker.
        worker: The worker of its project.
        **sections: More sections of the project file.
    """
    folder.mkdir()
    factory = ProjectFactory(folder, mongo, redis)
    project = factory(workers={"there": worker}, base_dir=str(folder / "base"), **sections)
    runner = Runner(project)
    try:
        runner.start(Layout(flower=False))
        yield Ours(project)
    finally:
        runner.shutdown()
        factory.retire()


@contextmanager
def theirs(folder: Path, prefix: Path, mongo: str, worker: dict[str, Any]) -> Iterator[Theirs]:
    """Start the processes of jobflow-remote's daemon.

    They look once a second for work; by default they would once in 30 seconds.
    """
    import pymongo

    folder.mkdir(exist_ok=True)
    foreign = Foreign(prefix, folder)
    path = write_project(folder, "theirs", mongo, prefix)
    path.write_text(json.dumps({**json.loads(path.read_text()), "workers": {"there": worker}}))
    foreign.run(RESET, path.stem)
    processes = [foreign.start(path.stem, duty) for duty in DUTIES]
    with pymongo.MongoClient[dict[str, Any]](mongo) as client:
        found = client[f"jfct_{path.stem}"]["jobs"]
        program = Theirs(foreign, path.stem, found, processes)
        try:
            yield program
        finally:
            program.end()
