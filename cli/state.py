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
    """

    project: str | None = None


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

    _configure_logs()
    found = project.load_project(current_state().project)
    _loaded[found.name] = found
    return found


#: Projects that this process has loaded, by name.
_loaded: dict[str, Project] = {}


def redacted(text: str) -> str:
    """Return a text without logins, and without secrets of the projects that were loaded."""
    from jfcelery.project.masking import Redactor, secrets_in

    data = [found.model_dump(mode="python") for found in _loaded.values()]
    return Redactor(secrets_in(data))(text)


def _configure_logs() -> None:
    """Have this process log as much of ours as the settings say; of libraries what matters."""
    import logging

    from jfcelery.logs import configure
    from jfcelery.project.model import LogLevel
    from jfcelery.settings import settings

    level = settings().cli_log_level
    if level is not LogLevel.WARN:  # which is what Python does by itself
        configure("text", "ERROR" if level is LogLevel.ERROR else "WARNING")
        logging.getLogger("jfcelery").setLevel(level.upper())


def open_queue() -> QueueDatabase:
    """Return the database of the current project; quicker than a controller, to read from.

    Raises:
        ServiceError: It cannot be reached, or belongs to something else.
    """
    from jfcelery.database import connection, schema

    project = load_project()
    queue = connection.open_queue(project)
    schema.prepare(queue)
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
