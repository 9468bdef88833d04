"""``jfc flow list``."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from jfcelery.cli.options import (
    count_option,
    flow_filter,
    json_option,
    locked_option,
    max_results_option,
    metadata_option,
    reverse_option,
    sort_option,
    verbosity_option,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.table import Table

    from jfcelery.controller.filters import FlowFilter
    from jfcelery.controller.info import FlowInfo


@click.command("list")
@flow_filter
@metadata_option
@locked_option
@verbosity_option
@count_option
@max_results_option
@sort_option("updated_on", "created_on", "db_id")
@reverse_option
@json_option
def list_flows(
    selected: FlowFilter,
    locked: bool,
    verbosity: int,
    count: bool,
    max_results: int,
    sort: str,
    reverse_sort: bool,
    as_json: bool,
) -> None:
    """List flows."""
    from jfcelery.cli.output import counted, hint, print_fitting, write_json
    from jfcelery.cli.state import open_queue
    from jfcelery.controller.queries import count_flows, find_flows

    selected = replace(selected, locked=locked)
    queue = open_queue()
    if count:
        number = count_flows(queue, selected)
        click.echo(f'{{"count": {number}}}' if as_json else f"Number of flows: {number}")
        return
    # Flows get their first db_id in the order in which they are added.
    order = [("created_on" if sort == "db_id" else sort, 1 if reverse_sort else -1)]
    flows = find_flows(queue, selected, sort=order, limit=max_results)
    if as_json:
        write_json([flow_data(flow) for flow in flows])
        return
    print_fitting(partial(flow_table, flows, verbosity))
    if not flows:
        hint(f"No flow matches: {selected.describe()}.")
    if max_results and len(flows) == max_results:
        shown = counted(max_results, "flow")
        hint(f"Only {shown} shown; --max-results (-m) shows more, 0 all.")


def flow_data(flow: FlowInfo) -> dict[str, Any]:
    """Return what ``--json`` says of a flow."""
    data = flow.model_dump(mode="python", exclude={"jobs_info"})
    return data | {"n_jobs": flow.n_jobs, "n_errors": flow.n_errors}


def flow_table(flows: Sequence[FlowInfo], verbosity: int, *, short: bool = False) -> Table:
    """Return the table of flows; with verbosity also the jobs' states and the metadata."""
    from jfcelery.cli.output import escape, identifier, local_time, styled_state, table, zone

    headers = ["DB id", "Name", "State", "Flow id", "Num jobs", f"Last updated\n\\[{zone()}]"]
    more = ["Job states", "JobStore", "Metadata"] if verbosity else []
    whole = {"DB id", "Flow id", *(() if verbosity else headers[-1:])}
    shown = table("", headers + more, whole=whole)
    for flow in flows:
        cells = [
            flow.db_id or "",
            escape(flow.name),
            styled_state(flow.state, errors=flow.n_errors),
            identifier(flow.flow_id, short=short),
            str(flow.n_jobs),
            local_time(flow.updated_on),
        ]
        if verbosity:
            states = " ".join(f"{state.short}:{number}" for state, number in flow.counts.items())
            metadata = ", ".join(f"{k}={v}" for k, v in flow.flow_metadata.items())
            cells += [states, escape(flow.jobstore or ""), escape(metadata)]
        shown.add_row(*cells)
    return shown
