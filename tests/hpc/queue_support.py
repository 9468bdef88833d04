"""What the tests of real queues share: a worker, a host, and jobs in run folders."""

from __future__ import annotations

import subprocess
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jfcelery.folders import RunFolder, queue_job_name
from jfcelery.scheduler_io.queue import WorkerQueue
from jfcelery.scheduler_io.schedulers.base import Answer, QueueJob, QueueState
from jfcelery.scheduler_io.script import build_script
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Mapping

    from qtoolkit.io import BaseSchedulerIO

#: Of pytest's own folders, which hosts cannot see, none is used: the work folder of the tests.
WORK_DIR = "/home/hpc/queues"


@dataclass(frozen=True)
class Done:
    """What a command left."""

    exit_code: int
    stdout: str
    stderr: str


@dataclass
class PlainSsh:
    """A host reached with the system's ssh."""

    ssh_config: Path
    name: str
    prefix: str = ""

    def run(self, command: str, *, stdin: bytes = b"", timeout: float | None = None) -> Done:
        """Run a command."""
        argv = ["ssh", "-F", str(self.ssh_config), self.name, self.prefix + command]
        done = subprocess.run(argv, check=False, input=stdin, capture_output=True, timeout=timeout)
        return Done(done.returncode, done.stdout.decode(), done.stderr.decode())


@dataclass
class PlainWorker:
    """A worker without a project."""

    scheduler_name: str
    io: BaseSchedulerIO | None
    work_dir: Path = Path(WORK_DIR)
    resources: dict[str, Any] | None = None
    pre_run: str | None = None
    post_run: str | None = None
    execution_cmd: str | None = None
    timeout_execute: float = 60
    scheduler_username: str | None = None
    is_local: bool = False

    def get_scheduler_io(self) -> BaseSchedulerIO | None:
        """Return the qtoolkit object."""
        return self.io


@dataclass
class Bench:
    """One worker's queue with jobs in it."""

    host: Any
    worker: PlainWorker
    jobs: list[QueueJob] = field(default_factory=list)
    settle_s: float = 1

    @property
    def queue(self) -> WorkerQueue:
        """The queue."""
        return WorkerQueue(self.host, self.worker, settle_s=self.settle_s)

    def put(
        self, command: str, *, attempt: int = 1, resources: Mapping[str, Any] | None = None
    ) -> QueueJob:
        """Write the run folder of a new job."""
        identity = str(uuid.uuid4())
        folder = RunFolder.of(self.worker.work_dir, identity, 1)
        name = queue_job_name(identity, 1, attempt)
        script = build_script(
            self.worker,
            None,
            resources,
            folder=folder,
            name=name,
            attempt=attempt,
            command=command,
        )
        done = self.host.run(
            f"mkdir -p {folder} && cat >{folder}/submit.sh", stdin=script.encode(), timeout=60
        )
        assert done.exit_code == 0, done.stderr
        return QueueJob(identity, 1, attempt, "", name, folder)

    def submit(self, job: QueueJob) -> QueueJob:
        """Submit a job."""
        queue_id = self.queue.submit(job.folder, name=job.name, attempt=job.attempt)
        known = QueueJob(job.uuid, job.index, job.attempt, queue_id, job.name, job.folder)
        self.jobs.append(known)
        return known

    def run(self, command: str, **options: Any) -> QueueJob:
        """Put a job and submit it."""
        return self.submit(self.put(command, **options))

    def answer(self, job: QueueJob) -> Answer:
        """Poll one job."""
        return self.queue.poll([job])[job.queue_id]

    def wait(self, job: QueueJob, state: QueueState) -> Answer:
        """Wait until a job is in a state."""

        def probe() -> Answer | None:
            answer = self.answer(job)
            return answer if answer.state is state else None

        return wait_until(probe, f"{job.name} {state}", every=0.3)

    def text(self, job: QueueJob, name: str) -> str:
        """Return a file of a run folder."""
        return str(self.host.run(f"cat {job.folder}/{name}", timeout=60).stdout)
