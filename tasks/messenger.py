"""The messenger that the core finds by its entry point."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jfcelery.errors import ServiceError
from jfcelery.tasks import looking
from jfcelery.tasks.logins import log_in_for_workers
from jfcelery.tasks.pulse import celery_workers, queue_lengths
from jfcelery.tasks.sending import sender

if TYPE_CHECKING:
    from jfcelery.database.documents import JobDoc
    from jfcelery.messages import Messenger
    from jfcelery.project import Project
    from jfcelery.questions import Ask


class CeleryMessenger:
    """Sends by Celery, and tells what Celery knows.

    Args:
        project: The project.
    """

    def __init__(self, project: Project) -> None:
        self.project = project

    def checkout(self) -> None:
        """Ask for READY jobs to be taken."""
        sender(self.project).checkout()

    def sweep(self) -> None:
        """Ask for all that stands still to be looked at."""
        sender(self.project).sweep()

    def cancel(self, host_key: str) -> None:
        """Ask for the queue jobs to be cancelled whose removal a host's jobs request."""
        sender(self.project).cancel(host_key)

    def queue_lengths(self) -> dict[str, int]:
        """Return how many messages wait in each Celery queue of the project.

        Raises:
            BrokerUnavailableError: Redis does not answer.
        """
        return queue_lengths(self.project)

    def celery_workers(self) -> list[str]:
        """Return the names of the Celery workers that answer; none where Redis does not."""
        try:
            return celery_workers(self.project)
        except ServiceError:
            return []

    def run_files(self, doc: JobDoc) -> list[str]:
        """Return the names of the files in a job's run folder."""
        return looking.run_files(self.project, doc)

    def file_tail(self, doc: JobDoc, name: str) -> str:
        """Return the end of a file in a job's run folder."""
        return looking.file_tail(self.project, doc, name)

    def log_in(self, worker: str, ask: Ask) -> list[str]:
        """Log in to the hosts of a worker, for the Celery workers of this machine."""
        return log_in_for_workers(self.project, worker, ask)

    def runner_state(self) -> dict[str, str]:
        """Return the state of each process of this machine's runner."""
        return looking.runner_state(self.project)

    def start_runner(self) -> None:
        """Start the runner of this machine."""
        looking.start_runner(self.project)

    def stop_runner(self) -> bool:
        """Tell the runner of this machine to stop; return whether one runs."""
        return looking.stop_runner(self.project)


def celery_messenger(project: Project) -> Messenger:
    """Return a messenger that sends by Celery."""
    return CeleryMessenger(project)
