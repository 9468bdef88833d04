"""A worker's queue with jobs in it, on any host."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from jfcelery.folders import RunFolder, queue_job_name
from jfcelery.scheduler_io.hosts.parcels import Publication
from jfcelery.scheduler_io.hosts.simulated import SimulatedHost
from jfcelery.scheduler_io.queue import WorkerQueue
from jfcelery.scheduler_io.schedulers.base import Answer, QueueJob, QueueState
from jfcelery.scheduler_io.script import build_script
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from jfcelery.scheduler_io.hosts.base import Host
    from tests.scheduler_io.schedulers.workers import PlainWorker


@dataclass
class Bench:
    """One worker's queue, and what was submitted to it.

    Args:
        host: Where it is.
        worker: Whose it is.
        settle_s: Seconds until a killed submission shows in the queue.
        timeout: Seconds that a command may take.
    """

    host: Host
    worker: PlainWorker
    settle_s: float = 1
    timeout: float | None = None
    jobs: list[QueueJob] = field(default_factory=list)

    @property
    def queue(self) -> WorkerQueue:
        """The queue."""
        return WorkerQueue(self.host, self.worker, settle_s=self.settle_s, timeout=self.timeout)

    @property
    def round_trips(self) -> int:
        """How many commands the host has run."""
        assert isinstance(self.host, SimulatedHost)
        return self.host.count("run")

    def new(self, attempt: int = 1) -> QueueJob:
        """Return a new job, without folder and id."""
        identity = str(uuid.uuid4())
        folder = RunFolder.of(str(self.worker.work_dir), identity, 1)
        return QueueJob(identity, 1, attempt, "", queue_job_name(identity, 1, attempt), folder)

    def put(self, command: str, **options: Any) -> QueueJob:
        """Write the run folder of a new job."""
        job = self.new()
        resources = options.pop("resources", None)
        script = build_script(
            self.worker,
            None,
            resources,
            folder=job.folder,
            name=job.name,
            attempt=job.attempt,
            command=command,
        )
        self.host.publish(
            Publication(
                job.folder,
                {RunFolder.SCRIPT: script.encode(), **options.pop("files", {})},
                attempt=job.attempt,
                marker={"uuid": job.uuid},
            )
        )
        return job

    def submit(self, job: QueueJob) -> QueueJob:
        """Submit a job."""
        queue_id = self.queue.submit(job.folder, name=job.name, attempt=job.attempt)
        known = replace(job, queue_id=queue_id)
        self.jobs.append(known)
        return known

    def run(self, command: str, **options: Any) -> QueueJob:
        """Put a job and submit it."""
        return self.submit(self.put(command, **options))

    def answer(self, job: QueueJob) -> Answer:
        """Poll one job."""
        return self.queue.poll([job])[job.queue_id]

    def wait(self, job: QueueJob, state: QueueState, *, deadline: float = 90) -> Answer:
        """Wait until a job is in a state."""

        def probe() -> Answer | None:
            answer = self.answer(job)
            return answer if answer.state is state else None

        return wait_until(probe, f"{job.name} {state}", every=0.3, deadline=deadline)

    def text(self, job: QueueJob, name: str) -> str:
        """Return a file of a run folder, empty if there is none."""
        return self.host.read_text(job.folder / name) or ""

    def lines(self, job: QueueJob) -> list[str]:
        """Return the lines of a job's status file."""
        return self.text(job, RunFolder.status(job.attempt)).splitlines()

    def wait_line(self, job: QueueJob, line: str) -> None:
        """Wait until a job's status file has a line."""
        wait_until(lambda: line in self.lines(job), f"{line} of {job.name}", every=0.1)

    def clean(self) -> None:
        """Cancel all that was submitted and may still run."""
        if self.jobs:
            self.queue.cancel(self.jobs)
