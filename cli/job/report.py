"""``jfc job report``."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import click

from jfcelery.cli.report import report_arguments

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jfcelery.controller.reports import JobsReport
    from jfcelery.controller.usage import Usage


@click.command()
@report_arguments
def report(interval: str, number: int | None, as_json: bool, as_csv: bool) -> None:
    """Count jobs, show how they went over time and what they took.

    INTERVAL is hours, days (the default), weeks, months or years, NUM how many of them.
    """
    from jfcelery.cli.output import write_json
    from jfcelery.cli.report import write_trends
    from jfcelery.cli.state import open_controller
    from jfcelery.controller.reports import jobs_report

    zone = "UTC" if as_json or as_csv else "local"
    with open_controller() as controller:
        workers = controller.project.workers
        found = jobs_report(controller.queue, interval, number, zone, workers=workers)
    if as_json:
        write_json(found)
    elif as_csv:
        write_trends(found.trends)
    else:
        _print(found)


def _print(found: JobsReport) -> None:
    from jfcelery.cli.job.columns import BY_VERBOSITY, job_table
    from jfcelery.cli.output import print_fitting, zone
    from jfcelery.cli.report import print_counts, print_trends

    print_counts("Jobs by state", found.state_counts)
    print_trends(found.trends, zone())
    if found.longest_running:
        columns = [*BY_VERBOSITY[0][:3], "run_time", "worker"]
        longest = found.longest_running
        print_fitting(partial(job_table, longest, columns, title="Longest running"))
    _print_usage("Worker", found.usage.by_worker)
    _print_usage("Flow", found.usage.by_flow)


def _print_usage(what: str, rows: Mapping[str, Usage]) -> None:
    from jfcelery.cli.output import console, duration, escape, table

    if not rows:
        return
    headers = [what, "Jobs", "In queue", "Transfer", "Run time", "Core-hours"]
    shown = table(f"Took, by {what.lower()}", headers)
    for name, one in sorted(rows.items(), key=lambda row: -row[1].core_hours):
        times = map(duration, (one.queued, one.transferred, one.run))
        shown.add_row(escape(name), str(one.jobs), *times, f"{one.core_hours:.2f}")
    console().print(shown)
