"""``jfc flow clean``."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from jfcelery.cli.failures import EXIT_REFUSED
from jfcelery.cli.flow.selection import flow_selection
from jfcelery.cli.job.operate import max_option, refuse_more
from jfcelery.cli.options import (
    json_option,
    locked_option,
    metadata_option,
    verbosity_option,
    yes_option,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jfcelery.controller.filters import FlowFilter
    from jfcelery.controller.removal import Removal
    from jfcelery.database.documents import JobDoc


@click.command()
@flow_selection
@metadata_option
@locked_option
@verbosity_option
@click.option("--force", "-f", is_flag=True, hidden=True, help="Accepted for habit.")
@yes_option
@max_option("clean more flows")
@click.option("--all-states", "-as", is_flag=True, help="Also of jobs that have not ended.")
@json_option
def clean(
    selected: FlowFilter,
    locked: bool,
    verbosity: int,
    force: bool,
    yes: bool,
    most: int,
    all_states: bool,
    as_json: bool,
) -> None:
    """Remove the run folders of flows from the workers; the jobs and outputs stay.

    ID is the uuid of a flow or the db id of one of its jobs.

    Only folders of COMPLETED, FAILED and REMOTE_ERROR jobs are removed, unless --all-states is
    given; in any case only such as hold the job's own marker file.
    """
    from jfcelery.cli.output import counted, write_json
    from jfcelery.cli.state import open_controller
    from jfcelery.controller.queries import find_flows
    from jfcelery.errors import FlowNotFoundError

    del force
    with open_controller() as controller:
        flows = find_flows(controller.queue, replace(selected, locked=locked))
        if not flows:
            raise FlowNotFoundError(f"No flow matches: {selected.describe()}.")
        refuse_more("flow", len(flows), selected, most, "cleaned")
        docs = controller.flow_actions.jobs_of([flow.flow_id for flow in flows])
        chosen = _with_folders(docs, all_states=all_states)
        for doc in chosen if verbosity else ():
            click.echo(f"{doc.worker}:{doc.run_dir}", err=True)
        of = f"{counted(len(chosen), 'job')} of {counted(len(flows), 'flow')}"
        if not yes and not click.confirm(f"Remove the run folders of {of}?", err=True):
            raise click.Abort
        result = _remove(controller.project, chosen)
    if as_json:
        write_json(result)
    else:
        _tell(result)
    if result.failed or result.kept:
        raise click.exceptions.Exit(EXIT_REFUSED)


def _with_folders(docs: Sequence[JobDoc], *, all_states: bool) -> list[JobDoc]:
    from jfcelery.controller.flows import CLEANABLE_STATES

    return [doc for doc in docs if doc.run_dir and (all_states or doc.state in CLEANABLE_STATES)]


def _remove(project: Any, docs: Sequence[JobDoc]) -> Removal:
    """Remove folders, a few at a time, with a progress bar."""
    from jfcelery.cli.output import progress
    from jfcelery.controller.removal import Removal, remove_folders
    from jfcelery.database.chunks import chunks

    result = Removal()
    with progress("Remove", len(docs)) as advance:
        done = 0
        for piece in chunks(docs, 50):
            result += remove_folders(project, piece)
            done += len(piece)
            advance(done)
    return result


def _tell(result: Removal) -> None:
    """Say what was removed, what was not there, and what stays for what reason."""
    from jfcelery.cli.output import counted
    from jfcelery.controller.words import by_reason

    gone = f" {counted(len(result.absent), 'job')} had none any more." if result.absent else ""
    click.echo(f"Run folders of {counted(len(result.removed), 'job')} removed.{gone}")
    for line in by_reason(result.kept | result.failed):
        click.secho(line, fg="yellow", err=True)
