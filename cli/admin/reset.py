"""``jfc admin reset``."""

from __future__ import annotations

import click

from jfcelery.cli.options import json_option, yes_option

#: From this number of flows on, today's date must be given.
MANY = 25


@click.command()
@click.argument("date", metavar="[DATE]", required=False)
@click.option("--output", "-o", "outputs", is_flag=True, help="Remove all outputs, too.")
@click.option(
    "--force", "-f", is_flag=True, help="Also while jobs are under way; they are not cancelled."
)
@yes_option
@json_option
def reset(date: str | None, outputs: bool, force: bool, yes: bool, as_json: bool) -> None:
    """Empty the queue: all jobs, flows and their history.

    With 25 flows or more, DATE must be today's date (YYYY-MM-DD). Queue jobs are not cancelled,
    run folders not removed: use `jfc flow delete` where that is wanted.
    """
    from jfcelery.cli.output import console, say
    from jfcelery.cli.state import open_controller
    from jfcelery.controller.filters import JobFilter
    from jfcelery.controller.queries import count_jobs
    from jfcelery.database.upgrades import jobs_under_way
    from jfcelery.errors import InputError, StateError

    with open_controller() as controller:
        project, queue = controller.project, controller.queue
        flows, jobs = controller.count_flows(), count_jobs(queue, JobFilter())
        console(stderr=True).print(f"Project {project.name}: {flows} flows, {jobs} jobs")
        under_way = jobs_under_way(queue)
        if under_way and not force:
            raise StateError(
                f"{under_way} jobs are under way; their queue jobs would run on unseen.",
                remedy="Stop them: jfc job stop. Or leave them to themselves: --force",
            )
        what = "Remove all of them" + (", and ALL outputs in the JobStores?" if outputs else "?")
        if not yes and not click.confirm(what, err=True):
            raise click.Abort
        if not controller.reset(reset_output=outputs, max_limit=MANY, validation=date):
            raise InputError(
                f"There are {flows} flows: today's date must be given to remove so many.",
                remedy="For example: jfc admin reset 2026-01-31",
            )
    removed = {"flows": flows, "jobs": jobs}
    say("The queue is empty.", {"removed": removed, "outputs": outputs}, as_json=as_json)
