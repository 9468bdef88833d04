"""``jfc job files delete``."""

from __future__ import annotations

import click

from jfcelery.cli.completion import job_ids
from jfcelery.cli.options import json_option, one_job, yes_option
from jfcelery.states import ACTIVE_STATES


@click.command()
@click.argument("job", metavar="ID", shell_complete=job_ids)
@click.option("--index", "-i", type=click.IntRange(1), help="Index of the job; else the largest.")
@click.option("--all-states", "-as", is_flag=True, help="Also of a job that is under way.")
@click.option("--force", "-f", is_flag=True, hidden=True, help="Accepted for habit.")
@yes_option
@json_option
def delete(
    job: str, index: int | None, all_states: bool, force: bool, yes: bool, as_json: bool
) -> None:
    """Remove a run folder, with those of earlier attempts, from the worker.

    Only a folder that holds the job's own marker file is removed.
    """
    from jfcelery.cli.output import say
    from jfcelery.cli.state import open_controller
    from jfcelery.controller.queries import find_one_job
    from jfcelery.errors import RunFolderError, StateError
    from jfcelery.scheduler_io.removal import outside, owner_of
    from jfcelery.scheduler_io.run_folder import run_folder

    with open_controller() as controller:
        doc = find_one_job(controller.queue, one_job(job, index))
        if doc.state in ACTIVE_STATES and not all_states:
            raise StateError(
                f"Job {doc.db_id} is {doc.state}: it needs its run folder.",
                remedy="Stop it first (`jfc job stop`), or insist with --all-states.",
            )
        if doc.run_dir and (reason := outside(controller.project, doc)):
            raise RunFolderError(f"{doc.worker}: {reason}")
        with run_folder(controller.project, doc) as (host, folder):
            if not (yes or force):
                click.confirm(f"Remove {folder} on {host.name}?", abort=True, err=True)
            if not host.remove(folder, owner=owner_of(doc)):
                raise RunFolderError(f"{host.name}: there is no run folder any more at {folder}")
    removed = {"removed": str(folder), "worker": doc.worker}
    say(f"Removed {folder}", removed, as_json=as_json)
