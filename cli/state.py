"""What the global options say, and how a command gets its project and controller."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jfcelery.controller import JobController
    from jfcelery.database.connection import QueueDatabase
    from jfcelery.project import Project


@dataclass(frozen=True)
class CliState:
    """The global options of one call of ``jfc``.

    Args:
        project: Name given with ``--project``; None for the default one.
        full_exc: Whether an error shows its whole trace.
    """

    project: str | None = None
    full_exc: bool = False


def current_state() -> CliState:
    """Return the global options of the running command."""
    context = click.get_current_context(silent=True)
    found = context.find_object(CliState) if context else None
    return found or CliState()


def load_project() -> Project:
    """Return the project that ``--project`` or the settings name.

    Raises:
        ConfigError: There is none, or its file cannot be used.
    """
    from jfcelery import project

    return project.load_project(current_state().project)


def open_queue() -> QueueDatabase:
    """Return the database of the current project; quicker than a controller, to read from.

    Raises:
        ServiceError: It cannot be reached, or belongs to something else.
    """
    from jfcelery.database import connection, schema

    project = load_project()
    queue = connection.open_queue(project)
    schema.prepare(queue, project.name)
    return queue


@contextmanager
def open_controller() -> Iterator[JobController]:
    """Yield a controller of the current project; close it afterwards."""
    from jfcelery.controller import JobController

    controller = JobController.from_project(load_project())
    try:
        yield controller
    finally:
        controller.close()
