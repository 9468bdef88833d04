"""``jfc flow delete``."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import click

from jfcelery.cli.flow.selection import flow_selection
from jfcelery.cli.job.delete import extent_options
from jfcelery.cli.job.operate import (
    break_lock_option,
    max_option,
    refuse_more,
    report,
    wait_option,
)
from jfcelery.cli.options import json_option, verbosity_option, yes_option

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jfcelery.controller.filters import FlowFilter
    from jfcelery.controller.info import FlowInfo


@click.command()
@flow_selection
@yes_option
@max_option("delete more flows")
@verbosity_option
@extent_options
@click.option(
    "--keep-processes", "-kp", is_flag=True, help="Do not cancel queue jobs, nor wait for them."
)
@wait_option
@break_lock_option
@json_option
def delete(
    selected: FlowFilter,
    yes: bool,
    most: int,
    verbosity: int,
    outputs: bool,
    files: bool,
    everything: bool,
    keep_processes: bool,
    as_json: bool,
    **manner: Any,
) -> None:
    """Delete flows with all their jobs; their queue jobs are cancelled first.

    ID is the uuid of a flow or the db id of one of its jobs.
    """
    from jfcelery.cli.output import counted, progress
    from jfcelery.cli.state import open_controller
    from jfcelery.controller.bulk import Manner
    from jfcelery.controller.delete import Extent
    from jfcelery.controller.queries import find_flows

    extent = Extent(
        outputs=outputs or everything, files=files or everything, processes=not keep_processes
    )
    with open_controller() as controller:
        flows = find_flows(controller.queue, selected, sort=[("created_on", 1)])
        _check(flows, selected, most)
        jobs = sum(flow.n_jobs for flow in flows)
        _preview(flows, extent, verbosity)
        what = f"Delete {counted(len(flows), 'flow')} with {counted(jobs, 'job')}?"
        if not yes and not click.confirm(what, err=True):
            raise click.Abort
        with progress("Delete", jobs) as advance:
            result = controller.flow_actions.delete(
                [flow.flow_id for flow in flows], Manner(progress=advance, **manner), extent
            )
    report(result, "deleted", as_json=as_json)


def _check(flows: Sequence[FlowInfo], selected: FlowFilter, most: int) -> None:
    from jfcelery.errors import FlowNotFoundError

    if not flows:
        raise FlowNotFoundError(
            f"No flow matches: {selected.describe()}.", remedy="`jfc flow list` shows the flows."
        )
    refuse_more("flow", len(flows), selected, most, "deleted")


def _preview(flows: Sequence[FlowInfo], extent: Any, verbosity: int) -> None:
    """Show what is going to be deleted."""
    from jfcelery.cli.flow.list import flow_table
    from jfcelery.cli.output import print_fitting

    print_fitting(partial(flow_table, flows, verbosity), stderr=True)
    also = [
        words
        for words, wanted in (
            ("their outputs in the JobStore", extent.outputs),
            ("their run folders on the workers", extent.files),
        )
        if wanted
    ]
    if also:
        click.secho(f"With them go {' and '.join(also)}.", fg="yellow", err=True)
