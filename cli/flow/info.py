"""``jfc flow info``."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import click

from jfcelery.cli.flow.arguments import flow_argument
from jfcelery.cli.options import json_option, max_results_option, verbosity_option

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jfcelery.controller.info import FlowInfo


@click.command()
@flow_argument
@verbosity_option
@max_results_option
@click.option(
    "--stored-data-key", "-sdk", "stored_data", multiple=True, help="Key of stored_data to show."
)
@click.option("--output", "-o", "columns", metavar="NAMES", help="Columns, separated by commas.")
@click.option(
    "--jobs-sort",
    "--sort",
    type=click.Choice(["db_id", "created_on", "updated_on"]),
    default="db_id",
    show_default=True,
    help="Field to sort the jobs by, ascending.",
)
@click.option(
    "--reverse-jobs-sort", "-jrevs", "--reverse-sort", "-revs", "descending", is_flag=True,
    help="Sort the jobs in descending order.",
)  # fmt: skip
@click.option("--tree", is_flag=True, help="Show which job waits for which.")
@click.option("--report", "-rep", is_flag=True, help="Count the jobs by state, too.")
@json_option
def info(
    flow_id: str,
    by_job: bool,
    verbosity: int,
    max_results: int,
    stored_data: tuple[str, ...],
    columns: str | None,
    jobs_sort: str,
    descending: bool,
    tree: bool,
    report: bool,
    as_json: bool,
) -> None:
    """Show a flow with its jobs; with --json, --tree or --report all of them.

    ID is the flow's uuid or the db id of one of its jobs; with --job it is a job's uuid.
    """
    from jfcelery.cli.flow.arguments import find_uuid
    from jfcelery.cli.flow.list import flow_data
    from jfcelery.cli.job.columns import chosen_columns
    from jfcelery.cli.output import write_json
    from jfcelery.cli.state import open_controller
    from jfcelery.controller.filters import FlowFilter
    from jfcelery.controller.queries import find_flows
    from jfcelery.settings import settings

    names = chosen_columns(columns, settings().cli_job_list_columns, verbosity)
    with open_controller() as controller:
        uuid = find_uuid(controller, flow_id, by_job=by_job)
        order = [(jobs_sort, -1 if descending else 1)]
        wanted = FlowFilter(flow_ids=(uuid,))
        limit = 0 if as_json or tree or report else max_results
        (flow,) = find_flows(
            controller.queue, wanted, with_jobs=True, jobs_sort=order, jobs_limit=limit
        )
    if as_json:
        write_json(flow_data(flow) | {"jobs": flow.jobs_info or []})
        return
    _print_head(flow, verbosity, counts=not report)
    if report:
        _print_report(flow)
    if tree:
        _print_tree(flow)
    else:
        _print_jobs(flow, max_results, names, stored_data)
    _suggest(flow)


def _print_head(flow: FlowInfo, verbosity: int, *, counts: bool) -> None:
    from jfcelery.cli.output import console, escape, styled_state

    out = console()
    state = styled_state(flow.state, errors=flow.n_errors)
    out.print(f"[bold]{escape(flow.name)}[/]  {flow.flow_id}  {state}")
    if counts:
        out.print(", ".join(f"{n} {styled_state(state)}" for state, n in flow.counts.items()))
    if verbosity and flow.flow_metadata:
        out.print(escape(", ".join(f"{k}={v}" for k, v in flow.flow_metadata.items())))


def _print_tree(flow: FlowInfo) -> None:
    from jfcelery.cli.flow.tree import job_tree
    from jfcelery.cli.output import console

    console().print(job_tree(flow.jobs_info or []))


def _print_jobs(
    flow: FlowInfo, max_results: int, names: Sequence[str], stored_data: Sequence[str]
) -> None:
    from jfcelery.cli.job.columns import job_table
    from jfcelery.cli.output import counted, hint, print_fitting

    shown = (flow.jobs_info or [])[: max_results or None]
    print_fitting(partial(job_table, shown, names, stored_data=stored_data))
    if len(shown) < sum(flow.counts.values()):
        hint(f"Only {counted(len(shown), 'job')} shown; --max-results (-m) shows more, 0 all.")


def _print_report(flow: FlowInfo) -> None:
    from jfcelery.cli.output import console, counted, duration, styled_state

    out = console()
    for state, number in flow.counts.items():
        out.print(f"{number:>8}  {styled_state(state)}")
    times = [job.run_time for job in flow.jobs_info or () if job.run_time is not None]
    if times:
        total, longest = duration(sum(times)), duration(max(times))
        out.print(
            f"Run time of {counted(len(times), 'job')}: {total} in all, {longest} the longest"
        )


def _suggest(flow: FlowInfo) -> None:
    from jfcelery.cli.output import counted, hint
    from jfcelery.states import FlowState

    if flow.n_errors:
        hint(f"It is stuck at {counted(flow.n_errors, 'job')}: jfc job list -e -fid {flow.flow_id}")
    elif flow.state is FlowState.FAILED:
        hint(f"What went wrong: jfc job list -e -fid {flow.db_id}")
    elif flow.state in (FlowState.PAUSED, FlowState.STOPPED):
        hint(f"To let it go on: jfc flow resume {flow.db_id}")
