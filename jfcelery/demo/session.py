"""The demonstration from start to end: project, runner, flow, result, and everything off again."""

from __future__ import annotations

import signal
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from jfcelery.database.connection import open_queue
from jfcelery.database.jobs import Jobs
from jfcelery.demo.display import job_table
from jfcelery.demo.flow import Properties, equation_of_state
from jfcelery.demo.project import make_project
from jfcelery.errors import JfceleryError, WaitTimeoutError
from jfcelery.states import JobState
from jfcelery.submission import submit_flow
from jfcelery.wait import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from rich.console import Console

    from jfcelery.database.documents import JobDoc
    from jfcelery.project import Project

#: Seconds between two looks at the jobs.
LOOK_INTERVAL = 0.5
#: Seconds after which the demonstration gives up.
TIMEOUT = 600.0


class DemoFailedError(JfceleryError):
    """Raised when a job of the demonstration did not complete."""


class Runner(Protocol):
    """What runs the jobs of a project."""

    def start(self) -> None:
        """Start services, Celery workers and beat."""

    def stop(self) -> None:
        """Stop all of them."""


@dataclass(frozen=True)
class DemoResult:
    """What the demonstration found.

    Args:
        properties: The physical result.
        jobs: Number of jobs that ran.
        seconds: How long they took, from submission to the last output.
        folder: Where everything lies.
    """

    properties: Properties
    jobs: int
    seconds: float
    folder: Path


def run_demo(
    folder: Path, symbol: str, runner_of: Callable[[Project], Runner], console: Console
) -> DemoResult:
    """Run the demonstration in a folder; whatever was started is stopped again.

    Args:
        folder: An existing folder for all that the demonstration makes.
        symbol: Chemical symbol of an fcc metal.
        runner_of: Gives the runner of a project.
        console: Where to show the progress.

    Returns:
        The result.

    Raises:
        DemoFailedError: A job did not complete.
        JfceleryError: A service or the runner does not start.
    """
    project = make_project(folder)
    runner = runner_of(project)
    try:
        with console.status("Starting database, broker, Celery workers and beat …"):
            runner.start()
        return _calculate(project, symbol, folder, console)
    finally:
        with _uninterrupted(), console.status("Stopping everything …"):
            runner.stop()


def _calculate(project: Project, symbol: str, folder: Path, console: Console) -> DemoResult:
    began = time.monotonic()
    flow = equation_of_state(symbol)
    ids = submit_flow(flow, project=project)
    jobs = _watch(project, ids, flow.uuid, console)
    if broken := [doc for doc in jobs if doc.state is not JobState.COMPLETED]:
        raise DemoFailedError(
            f"Job {broken[0].job.name!r} is {broken[0].state}.",
            remedy=f"See: JFCELERY_PROJECTS_FOLDER={folder} jfc job info {broken[0].db_id}",
        )
    seconds = time.monotonic() - began
    with project.get_jobstore() as store:
        output = store.get_output(flow.jobs[-1].uuid)
    return DemoResult(Properties.model_validate(output), len(jobs), seconds, folder)


def _watch(project: Project, ids: list[str], flow: str, console: Console) -> list[JobDoc]:
    """Show the jobs of a flow until they rest; return them."""
    from rich.live import Live

    jobs = Jobs(open_queue(project))
    deadline = time.monotonic() + TIMEOUT
    with Live(console=console, refresh_per_second=4) as live:
        while True:
            try:
                wait_for(ids, LOOK_INTERVAL, progress=False, project=project)
                resting = True
            except WaitTimeoutError:
                resting = time.monotonic() > deadline
            found = list(jobs.find({"flow": flow}, sort=[("created_on", 1)]))
            live.update(job_table(found))
            if resting:
                return found


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Ignore Ctrl-C: what is being stopped shall stop."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
