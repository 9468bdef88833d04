"""``jfc job files ls``."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import click

from jfcelery.cli.options import job_arguments, json_option

if TYPE_CHECKING:
    from jfcelery.controller.filters import JobFilter


@click.command()
@job_arguments
@json_option
def ls(selected: JobFilter, as_json: bool) -> None:
    """List the files of a run folder."""
    from jfcelery.cli.output import write_json
    from jfcelery.cli.state import open_controller
    from jfcelery.controller.queries import find_one_job
    from jfcelery.errors import RunFolderError
    from jfcelery.scheduler_io.run_folder import run_folder

    with open_controller() as controller:
        doc = find_one_job(controller.queue, selected)
        with run_folder(controller.project, doc) as (host, folder):
            result = host.run(f"cd {shlex.quote(str(folder))} && ls -A")
    if not result.ok:
        raise RunFolderError(
            f"{host.name}: cannot list {folder}: {result.stderr.strip()}",
            remedy="It may have been removed: `jfc job info` says when the job ended.",
        )
    names = result.stdout.splitlines()
    if as_json:
        write_json({"run_dir": str(folder), "files": names})
        return
    click.secho(f"{host.name}:{folder}", fg="cyan")
    for name in names:
        click.echo(name)
