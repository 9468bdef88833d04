"""``jfc job history``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from jfcelery.cli.options import job_arguments, json_option

if TYPE_CHECKING:
    from jfcelery.controller.filters import JobFilter


@click.command()
@job_arguments
@json_option
def history(selected: JobFilter, as_json: bool) -> None:
    """Show every change of a job's state: when, by whom, why."""
    from jfcelery.cli.output import console, escape, local_time, styled_state, table, write_json
    from jfcelery.cli.state import open_controller
    from jfcelery.controller.queries import find_one_job
    from jfcelery.database.history import History

    with open_controller() as controller:
        doc = find_one_job(controller.queue, selected)
        changes = History(controller.queue).of(doc)
    if as_json:
        write_json([change.model_dump(mode="python") for change in changes])
        return
    shown = table(f"Job {doc.db_id}: {escape(doc.job.name)}", ["When", "State", "Try", "By", "Why"])
    for change in changes:
        shown.add_row(
            local_time(change.at, seconds=True),
            styled_state(change.target),
            str(change.attempt),
            escape(change.by),
            escape(change.why),
        )
    console().print(shown)
