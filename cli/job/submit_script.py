"""``jfc job submit-script``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from jfcelery.cli.options import job_arguments

if TYPE_CHECKING:
    from jfcelery.controller.filters import JobFilter


@click.command("submit-script")
@job_arguments
def submit_script(selected: JobFilter) -> None:
    """Print the script with which a job is, or would be, submitted; nothing is done.

    What it says follows from the project file as it is now: a way to try out resources,
    exec_config and pre_run before anything runs.
    """
    from jfcelery.cli.state import open_controller
    from jfcelery.controller.queries import find_one_job
    from jfcelery.scripts import job_script
    from jfcelery.states import ACTIVE_STATES

    with open_controller() as controller:
        doc = find_one_job(controller.queue, selected)
        if doc.state not in ACTIVE_STATES:  # it is the next attempt's
            doc = doc.with_fields({"attempt": doc.attempt + 1})
        script = job_script(controller.project, doc)
    click.echo(script, nl=not script.endswith("\n"))
