"""Logging in to hosts that want a person for it, for all Celery workers of this machine."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from jfcelery.errors import ServiceError, StateError
from jfcelery.scheduler_io.hosts.pool import Hosts
from jfcelery.tasks.pulse import celery_workers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jfcelery.project import Project
    from jfcelery.questions import Ask


def log_in(project: Project, name: str, ask: Ask | None = None) -> Iterator[str]:
    """Open the connections of a worker that all Celery workers of this machine share.

    Args:
        project: The project.
        name: Name of the worker.
        ask: Asks the person for what the host wants to know; without it OpenSSH asks at the
            terminal.

    Yields:
        What was done.

    Raises:
        HostError: The login failed.
    """
    hosts = Hosts(project).interactive(name)
    if not hosts:
        yield f"Worker {name!r} needs no login by a person."
    for host in hosts:
        if host.logged_in:
            yield f"You are logged in to {host.name}."
            continue
        if ask is not None:
            project.base_dir.mkdir(parents=True, exist_ok=True)
        host.login(ask, project.base_dir)
        yield f"Logged in to {host.name}; all Celery workers of this machine share it."


def log_in_for_workers(project: Project, name: str, ask: Ask) -> list[str]:
    """Log in from a server, where it serves a purpose; return what was done.

    Raises:
        StateError: All Celery workers that answer run on other machines.
        HostError: The login failed.
    """
    try:
        machines = {worker.rpartition("@")[2] for worker in celery_workers(project)}
    except ServiceError:
        machines = set()
    here = socket.gethostname()
    command = f"jfc worker login {name}"
    if machines and here not in machines:
        raise StateError(
            f"The Celery workers run on {', '.join(sorted(machines))}; a login on {here} would "
            "not be theirs.",
            remedy=f"Run there: {command}",
        )
    lines = list(log_in(project, name, ask))
    if others := sorted(machines - {here}):
        lines.append(f"Those on {', '.join(others)} need one of their own: {command}")
    return lines
