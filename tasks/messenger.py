"""The messenger that the core finds by its entry point."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jfcelery.tasks.sending import sender

if TYPE_CHECKING:
    from jfcelery.messages import Messenger
    from jfcelery.project import Project


def celery_messenger(project: Project) -> Messenger:
    """Return a messenger that sends by Celery."""
    return sender(project)
