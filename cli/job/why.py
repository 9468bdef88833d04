"""``jfc job why``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from jfcelery.cli.options import job_arguments, json_option

if TYPE_CHECKING:
    from jfcelery.controller.filters import JobFilter


@click.command()
@job_arguments
@json_option
def why(selected: JobFilter, as_json: bool) -> None:
    """Say why a job is where it is, and what would move it on."""
    from jfcelery.cli.output import write_json
    from jfcelery.cli.state import open_controller
    from jfcelery.controller.queries import find_one_job
    from jfcelery.controller.reasons import reasons

    with open_controller() as controller:
        doc = find_one_job(controller.queue, selected)
        found = reasons(controller.project, controller.queue, doc)
    if as_json:
        write_json({"db_id": doc.db_id, "state": doc.state, "reasons": found})
        return
    click.echo(f"Job {doc.db_id} ({doc.job.name}) is {doc.state}.")
    for reason in found:
        click.echo(f"- {reason.text}")
        if reason.command:
            click.echo(f"  {reason.command}")
