"""``jfc job list``."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import click

from jfcelery.cli.options import (
    count_option,
    job_filter,
    json_option,
    locked_option,
    max_results_option,
    reverse_option,
    sort_option,
    verbosity_option,
)
from jfcelery.states import ACTIVE_STATES, JobState

if TYPE_CHECKING:
    from jfcelery.controller.filters import JobFilter
    from jfcelery.controller.info import JobInfo
    from jfcelery.database.connection import QueueDatabase

#: States that ``--error`` selects.
ERROR_STATES = (JobState.FAILED, JobState.REMOTE_ERROR)


@click.command("list")
@job_filter
@verbosity_option
@max_results_option
@sort_option("updated_on", "created_on", "db_id")
@reverse_option
@locked_option
@click.option(
    "--latest-flow", "-lf", type=click.IntRange(1), help="Only jobs of the N flows added last."
)
@click.option("--error", "-e", is_flag=True, help="Only FAILED and REMOTE_ERROR jobs.")
@click.option("--running", "-run", is_flag=True, help="Only jobs from CHECKED_OUT to DOWNLOADED.")
@count_option
@click.option(
    "--stored-data-key", "-sdk", "stored_data", multiple=True, help="Key of stored_data to show."
)
@click.option("--output", "-o", "columns", metavar="NAMES", help="Columns, separated by commas.")
@click.option("--color", "-col", "colour", is_flag=True, help="One colour for each flow's jobs.")
@json_option
def list_jobs(
    selected: JobFilter,
    verbosity: int,
    max_results: int,
    sort: str,
    reverse_sort: bool,
    locked: bool,
    latest_flow: int | None,
    error: bool,
    running: bool,
    count: bool,
    stored_data: tuple[str, ...],
    columns: str | None,
    colour: bool,
    as_json: bool,
) -> None:
    """List jobs."""
    from jfcelery.cli.job.columns import chosen_columns, job_table
    from jfcelery.cli.output import print_fitting, write_json
    from jfcelery.cli.state import open_queue
    from jfcelery.controller.queries import count_jobs, find_jobs, job_infos
    from jfcelery.settings import settings

    names = chosen_columns(columns, settings().cli_job_list_columns, verbosity)
    queue = open_queue()
    wanted = _wanted(queue, selected, latest_flow, error=error, running=running)
    wanted = replace(wanted, locked=locked)
    if count:
        number = count_jobs(queue, wanted)
        click.echo(f'{{"count": {number}}}' if as_json else f"Number of jobs: {number}")
        return
    order = [(sort, 1 if reverse_sort else -1)]
    docs = find_jobs(queue, wanted, sort=order, limit=max_results)
    jobs = job_infos(queue, docs)
    if as_json:
        write_json(jobs)
        return
    print_fitting(partial(job_table, jobs, names, stored_data=stored_data, colour_flows=colour))
    _suggest(jobs, max_results, wanted)


def _wanted(
    queue: QueueDatabase,
    selected: JobFilter,
    latest_flow: int | None,
    *,
    error: bool,
    running: bool,
) -> JobFilter:
    """Return the filter with what the command's own options add to it."""
    from jfcelery.controller.queries import latest_flows

    states = set(selected.states)
    if error:
        states.update(ERROR_STATES)
    if running:
        states.update(ACTIVE_STATES)
    selected = replace(selected, states=tuple(sorted(states)))
    if latest_flow is None:
        return selected
    if selected.flow_ids:
        raise click.UsageError("Give only one of --latest-flow and --flow-id.")
    flows = latest_flows(queue, latest_flow)
    return replace(selected, flow_ids=flows) if flows else selected


def _suggest(jobs: list[JobInfo], max_results: int, selected: JobFilter) -> None:
    """Say what the person may want to know or do next."""
    from jfcelery.cli.output import counted, hint

    if not jobs and selected.is_empty:
        hint("There are no jobs yet: `jfc submit FILE`")
    elif not jobs:
        hint(f"No job matches: {selected.describe()}.")
    if max_results and len(jobs) == max_results:
        shown = counted(max_results, "job")
        hint(f"Only {shown} shown; --max-results (-m) shows more, 0 all.")
    if any(job.retry_at and job.remote.error for job in jobs):
        hint("Jobs in orange met trouble on their worker; they are tried again by themselves.")
    failed = next((job for job in jobs if job.state in ERROR_STATES), None)
    if failed is not None:
        hint(f"What went wrong: jfc job info {failed.db_id}")
