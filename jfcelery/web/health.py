"""Whether the web server lives, and whether what it needs answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from jfcelery.database.connection import open_queue, translated
from jfcelery.errors import ServiceError
from jfcelery.services import check_broker

if TYPE_CHECKING:
    from jfcelery.project import Project


@dataclass(frozen=True)
class Readiness:
    """Which services answer.

    Args:
        database: Whether the queue's database does.
        broker: Whether Redis does.
    """

    database: bool
    broker: bool

    @property
    def ready(self) -> bool:
        """Whether all of them do."""
        return self.database and self.broker


def readiness(project: Project) -> Readiness:
    """Ask database and broker of a project."""
    return Readiness(database=_database_answers(project), broker=_broker_answers(project))


def _database_answers(project: Project) -> bool:
    try:
        queue = open_queue(project)
        with translated():
            queue.client.admin.command("ping")
    except ServiceError:
        return False
    return True


def _broker_answers(project: Project) -> bool:
    try:
        check_broker(project)
    except ServiceError:
        return False
    return True
