"""The running system of one project: Celery workers and beat, in processes of their own."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Self

from jfcelery.execution.warm.place import retire
from jfcelery.submission import submit_flow
from jfcelery.tasks.queues import all_queues
from jfcelery.wait import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from jobflow import Flow

    from jfcelery.project import Project
    from jfcelery.states import JobState

#: The folder that holds ``tests``: job functions are imported from there.
ROOT = Path(__file__).parents[2]
#: Seconds in which a process must end after SIGTERM.
PATIENCE = 30.0


class System:
    """Celery workers and beat of a project.

    Args:
        project: The project.
        folder: For the logs.
        app: The Celery app.
        env: More environment variables.
        prefix: Command in which all processes are started, such as one that enters a machine.
    """

    def __init__(
        self,
        project: Project,
        folder: Path,
        *,
        app: str = "jfcelery.tasks.app:app",
        env: Mapping[str, str] | None = None,
        prefix: Sequence[str] = (),
    ) -> None:
        assert project.source is not None
        self.project = project
        self.folder = folder
        self.app = app
        self.prefix = prefix
        self.env = {
            **os.environ,
            "JFCELERY_PROJECT": project.name,
            "JFCELERY_PROJECTS_FOLDER": str(project.source.parent),
            "PYTHONPATH": str(ROOT),
            "C_FORCE_ROOT": "1",
            **(env or {}),
        }
        self.workers: list[subprocess.Popen[bytes]] = []
        self.beats: list[subprocess.Popen[bytes]] = []
        self.ends: list[int] = []
        self._over = threading.Event()

    def start_worker(self, concurrency: int = 8, *, machine: str = "%h") -> subprocess.Popen[bytes]:
        """Start a Celery worker for all queues of the project.

        Args:
            concurrency: Steps at once.
            machine: What it calls the machine that it runs on.
        """
        number = len(self.workers)
        queues = ",".join(all_queues(self.project))
        process = self._start(
            f"worker{number}",
            *("worker", "-P", "threads", "-c", str(concurrency), "-Q", queues),
            *("-n", f"{self.project.name}-{number}@{machine}", "-l", "info"),
            *("--without-gossip", "--without-mingle"),
        )
        self.workers.append(process)
        return process

    def start_beat(self) -> subprocess.Popen[bytes]:
        """Start beat."""
        process = self._start("beat", "beat", "-l", "info", "--pidfile=")
        self.beats.append(process)
        return process

    def keep_worker(self) -> None:
        """Start one Celery worker, and again whenever it dies, as supervisor does.

        ``ends`` gets the exit status of each that died.
        """

        def keep() -> None:
            while not self._over.is_set():
                process = self.start_worker()
                while process.poll() is None and not self._over.wait(0.1):
                    pass
                if (end := process.poll()) is not None:
                    self.ends.append(end)

        self._keeper = threading.Thread(target=keep, name="keeper")
        self._keeper.start()

    def _start(self, name: str, *arguments: str) -> subprocess.Popen[bytes]:
        celery = [sys.executable, "-m", "celery", "-A", self.app, *arguments]
        command = [*self.prefix, *celery]
        with (self.folder / f"{name}.log").open("ab") as log:
            return subprocess.Popen(
                command, env=self.env, stdout=log, stderr=log, start_new_session=True
            )

    def stop(self) -> None:
        """End all processes: politely, then not."""
        self._over.set()
        if hasattr(self, "_keeper"):
            self._keeper.join()
        processes = [*self.beats, *self.workers]
        for process in processes:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
        for process in processes:
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        retire(self.project)

    def logs(self) -> str:
        """Return the ends of all logs."""
        texts = []
        for path in sorted(self.folder.glob("*.log")):
            lines = path.read_text(errors="replace").splitlines()[-40:]
            texts.append(f"--- {path.name}\n" + "\n".join(lines))
        return "\n".join(texts)

    def __enter__(self) -> Self:
        """Return the system, with nothing started yet."""
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        """End all processes; what failed meanwhile gets the ends of their logs."""
        self.stop()
        if error is not None:
            error.add_note(self.logs())

    def complete(self, flow: Flow, patience: int) -> dict[JobState, int]:
        """Submit a flow, have beat and one Celery worker that is kept run it, wait for its end.

        Args:
            flow: The flow.
            patience: Seconds for all of it.

        Returns:
            How many of its jobs are in each state.
        """
        submit_flow(flow, project=self.project)
        self.start_beat()
        self.keep_worker()
        return wait_for(flow, patience, progress=False, project=self.project)


@contextlib.contextmanager
def running(project: Project, folder: Path) -> Iterator[System]:
    """Run one Celery worker and beat."""
    with System(project, folder) as system:
        system.start_worker()
        system.start_beat()
        yield system
