"""``jfc job todir``."""

from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING

import click

from jfcelery.cli.options import job_arguments

if TYPE_CHECKING:
    from jfcelery.controller.filters import JobFilter
    from jfcelery.project import ConnectionData, WorkerBase


@click.command()
@job_arguments
@click.option("--shell", "-s", default="bash", show_default=True, help="The shell to open.")
def todir(selected: JobFilter, shell: str) -> None:
    """Open a shell in a job's run folder, on its worker.

    Remote workers are reached by the system's ssh, which knows your keys and agents.
    """
    from jfcelery.cli.state import open_controller
    from jfcelery.controller.queries import find_one_job
    from jfcelery.errors import StateError

    with open_controller() as controller:
        doc = find_one_job(controller.queue, selected)
        if not doc.run_dir:
            raise StateError(f"Job {doc.db_id} is {doc.state}: it has no run folder yet.")
        worker = controller.project.get_worker(doc.worker)
        command = shell_command(worker, doc.run_dir, shell)
    click.echo(f"{doc.worker}:{doc.run_dir}", err=True)
    os.execvp(command[0], command)  # noqa: S606 - a program with its arguments, no shell


def shell_command(worker: WorkerBase, folder: str, shell: str) -> list[str]:
    """Return the command that opens a shell in a folder of a worker."""
    inside = f"cd {shlex.quote(folder)} && exec {shlex.quote(shell)} -i"
    connection = worker.connection
    if worker.is_local or connection is None:
        return ["/bin/sh", "-c", inside]
    return ["ssh", "-t", *_ssh_options(connection), connection.host, inside]


def _ssh_options(connection: ConnectionData) -> list[str]:
    options: list[str] = []
    if connection.user:
        options += ["-l", connection.user]
    if connection.port:
        options += ["-p", str(connection.port)]
    keys = connection.key_filename
    for key in [keys] if isinstance(keys, str) else keys or ():
        options += ["-i", key]
    gateway = connection.gateway
    if isinstance(gateway, str):
        options += ["-o", f"ProxyCommand={gateway}"]
    elif gateway is not None:
        hop = ["ssh", "-W", "%h:%p", *_ssh_options(gateway), gateway.host]
        options += ["-o", f"ProxyCommand={shlex.join(hop).replace(shlex.quote('%h:%p'), '%h:%p')}"]
    return options
