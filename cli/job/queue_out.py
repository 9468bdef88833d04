"""``jfc job queue-out``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from jfcelery.cli.options import job_arguments, json_option

if TYPE_CHECKING:
    from jfcelery.controller.filters import JobFilter


@click.command("queue-out")
@job_arguments
@json_option
def queue_out(selected: JobFilter, as_json: bool) -> None:
    """Show stdout and stderr of a job's queue job, from its run folder."""
    from jfcelery.cli.output import write_json
    from jfcelery.cli.state import open_controller
    from jfcelery.controller.queries import find_one_job
    from jfcelery.folders import RunFolder
    from jfcelery.scheduler_io.run_folder import run_folder

    with open_controller() as controller:
        doc = find_one_job(controller.queue, selected)
        with run_folder(controller.project, doc) as (host, folder):
            texts = {
                name: host.read_text(folder / name)
                for name in (RunFolder.QUEUE_OUT, RunFolder.QUEUE_ERR)
            }
    if as_json:
        write_json({"run_dir": str(folder), **texts})
        return
    for name, text in texts.items():
        click.secho(f"── {folder / name}", fg="cyan")
        if text is None:
            click.echo("(not there)")
        else:
            click.echo(text, nl=not text.endswith("\n"))
