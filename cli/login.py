"""Logging in to hosts that want a person for it (``interactive_login``)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from jfcelery.project import Project


def interactive_workers(project: Project) -> list[str]:
    """Return the names of the workers for which a person must log in."""
    return [n for n, w in project.workers.items() if getattr(w, "interactive_login", False)]


def log_in(project: Project, name: str, *, err: bool = False) -> None:
    """Open the connections of a worker that all Celery workers of this machine share.

    OpenSSH asks at the terminal for what the host wants to know.

    Args:
        project: The project.
        name: Name of the worker.
        err: Whether to say what was done on stderr.

    Raises:
        HostError: The login failed.
    """
    from jfcelery.tasks import logins

    for line in logins.log_in(project, name):
        click.echo(line, err=err)
