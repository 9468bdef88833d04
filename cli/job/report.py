"""``jfc job report``."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import click

from jfcelery.cli.report import print_report, report_arguments

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from rich.table import Table

    from jfcelery.controller.reports import JobsReport
    from jfcelery.controller.usage import Usage, UsageReport

#: Flows that the screen shows.
MOST_FLOWS = 10


@click.command()
@report_arguments(("period", "state", "worker", "flow"))
def report(interval: str, number: int | None, as_json: bool, as_csv: bool, by: str | None) -> None:
    """Count jobs, show how they went over time and what they took.

    INTERVAL is hours, days (the default), weeks, months or years, NUM how many of them.
    """
    from jfcelery.cli.state import open_controller
    from jfcelery.controller.reports import jobs_report

    zone = "UTC" if as_json or as_csv else "local"
    with open_controller() as controller:
        workers = controller.project.workers
        found = jobs_report(controller.queue, interval, number, zone, workers=workers)
    print_report(found, lambda: _print(found), as_json=as_json, as_csv=as_csv, by=by)


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
    _print_usage(found.usage)


def _print_usage(usage: UsageReport) -> None:
    """Print what jobs took: of all workers, and of the flows that took most."""
    from jfcelery.cli.output import escape, hint, identifier, print_fitting

    def name_worker(name: str, *, short: bool) -> tuple[str]:
        del short
        return (escape(name),)

    def name_flow(uuid: str, *, short: bool) -> tuple[str, str]:
        return identifier(uuid, short=short), escape(usage.flow_names.get(uuid, ""))

    if not usage.by_worker:
        return
    flows = dict(sorted(usage.by_flow.items(), key=_weight)[:MOST_FLOWS])
    print_fitting(partial(_usage_table, ("Worker",), usage.by_worker, name_worker))
    print_fitting(partial(_usage_table, ("Flow", "Name"), flows, name_flow))
    if len(flows) < len(usage.by_flow):
        hint(f"The {len(flows)} of {len(usage.by_flow)} flows that took most; all: --csv --by flow")


def _usage_table(
    names: Sequence[str],
    rows: Mapping[str, Usage],
    named: Callable[..., tuple[str, ...]],
    *,
    short: bool,
) -> Table:
    from jfcelery.cli.output import duration, table

    headers = [*names, "Jobs", "In queue", "Transfer", "Run time", "Core-hours"]
    shown = table(f"Took, by {names[0].lower()}", headers, whole=names[:1])
    for name, one in sorted(rows.items(), key=_weight):
        times = map(duration, (one.queued, one.transferred, one.run))
        shown.add_row(*named(name, short=short), str(one.jobs), *times, f"{one.core_hours:.2f}")
    return shown


def _weight(row: tuple[str, Usage]) -> tuple[float, float]:
    """Return what sorts those who took most first."""
    return -row[1].core_hours, -row[1].run
