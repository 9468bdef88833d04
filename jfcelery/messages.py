"""Messages to the Celery workers: hints that something may be done, never the truth itself.

The core knows no Celery. What sends the messages is found by the entry point group
``jfcelery.messenger``, so that another carrier can take its place.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from jfcelery.project import Project

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


def messenger(project: Project) -> Messenger:
    """Return the messenger of a project.

    Raises:
        BrokerUnavailableError: When a message cannot be sent.
    """
    made: Messenger = _factory()(project)
    return made


@lru_cache(maxsize=1)
def _factory():  # noqa: ANN202 - whatever the entry point names
    from importlib.metadata import entry_points

    (entry,) = tuple(entry_points(group=GROUP))[:1]
    return entry.load()
