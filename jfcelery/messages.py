"""Messages to the Celery workers: hints that something may be done, never the truth itself.

The core knows no Celery. What sends the messages is found by the entry point group
``jfcelery.messenger``, so that another carrier can take its place.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from jfcelery.database.documents import JobDoc
    from jfcelery.project import Project
    from jfcelery.questions import Ask

#: Entry point group of the messenger; its value is called with the project.
GROUP = "jfcelery.messenger"


class Messenger(Protocol):
    """Sends messages for one project."""

    def checkout(self) -> None:
        """Ask for READY jobs to be taken."""

    def sweep(self) -> None:
        """Ask for all that stands still to be looked at."""

    def cancel(self, host_key: str) -> None:
        """Ask for the queue jobs to be cancelled whose removal a host's jobs request."""

    def queue_lengths(self) -> dict[str, int]:
        """Return how many messages wait in each Celery queue of the project."""
        ...

    def celery_workers(self) -> list[str]:
        """Return the names of the Celery workers that answer."""
        ...

    def run_files(self, doc: JobDoc) -> list[str]:
        """Return the names of the files in a job's run folder."""
        ...

    def file_tail(self, doc: JobDoc, name: str) -> str:
        """Return the end of a file in a job's run folder."""
        ...

    def log_in(self, worker: str, ask: Ask) -> list[str]:
        """Log in to the hosts of a worker, for the Celery workers of this machine.

        Args:
            worker: Its name.
            ask: Asks a person for what the host wants to know.

        Returns:
            What was done, in words.
        """
        ...

    def runner_state(self) -> dict[str, str]:
        """Return the state of each process of this machine's runner, and of the ``runner``."""
        ...

    def start_runner(self) -> None:
        """Start the runner of this machine, and do not wait until it works."""

    def stop_runner(self) -> bool:
        """Tell the runner of this machine to stop; return whether one runs."""
        ...


def messenger(project: Project) -> Messenger:
    """Return the messenger of a project.

    Raises:
        BrokerUnavailableError: When a message cannot be sent.
    """
    return _factory()(project)


@lru_cache(maxsize=1)
def _factory() -> Callable[[Project], Messenger]:
    from importlib.metadata import entry_points

    (entry, *_) = entry_points(group=GROUP)
    factory: Callable[[Project], Messenger] = entry.load()
    return factory
