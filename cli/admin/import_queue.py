"""``jfc admin import``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from jfcelery.cli.options import json_option, yes_option

if TYPE_CHECKING:
    from jfcelery.migration.checking import Survey


@click.command("import")
@click.argument("file", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--rerun-active",
    is_flag=True,
    help="Start jobs that are under way again from their beginning.",
)
@yes_option
@json_option
def import_queue(file: Path, rerun_active: bool, yes: bool, as_json: bool) -> None:
    """Take over the queue database of jobflow-remote 1.0.

    FILE is the project file that jobflow-remote uses; its database is only read. The project
    here must have an empty queue, and the workers and jobstore of that file.

    Jobs keep their ids, states, numbers and run folders. Queue jobs of jobs that are under way
    are cancelled with --rerun-active; pilots, and processes of workers without a scheduler, are
    not: end those first.
    """
    from jfcelery.cli.output import console, progress, write_json
    from jfcelery.cli.state import open_controller
    from jfcelery.migration.importing import Import
    from jfcelery.migration.source import Source
    from jfcelery.project import load_file

    with open_controller() as controller:
        source = Source(load_file(file))
        try:
            work = Import(controller.project, source, rerun_active=rerun_active)
            found = work.check()
            err = console(stderr=True)
            err.print(
                f"{source}: {found.flows} flows, {found.jobs} jobs, "
                f"into project {controller.project.name}",
                markup=False,
            )
            if found.active:
                err.print(f"{len(found.active)} jobs start again from their beginning.")
            if found.cancelled:
                numbers = ", ".join(found.cancelled.values())
                err.print(f"Queue jobs that are cancelled: {numbers}", markup=False)
            if not yes and not click.confirm("Import them?", err=True):
                raise click.Abort
            with progress("Import", found.jobs) as advance:
                found = work.run(advance)
        finally:
            source.close()
        controller.actions.wake(cancel=bool(found.cancelled))
    if as_json:
        write_json(_as_json(found))
        return
    _show(found)


def _as_json(found: Survey) -> dict[str, object]:
    return {
        "flows": found.flows,
        "jobs": found.jobs,
        "before": {state.value: number for state, number in found.before.items()},
        "after": {state.value: number for state, number in found.after.items()},
        "cancelled": found.cancelled,
    }


def _show(found: Survey) -> None:
    from jfcelery.cli.output import console, styled_state, table
    from jfcelery.states import JobState

    shown = table("Imported", ["State", "In jobflow-remote", "Here"])
    for state in JobState:
        before, after = found.before.get(state, 0), found.after.get(state, 0)
        if before or after:
            shown.add_row(styled_state(state.value), str(before), str(after))
    console().print(shown)
