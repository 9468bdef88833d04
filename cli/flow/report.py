"""``jfc flow report``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from jfcelery.cli.report import print_report, report_arguments

if TYPE_CHECKING:
    from jfcelery.controller.reports import FlowsReport


@click.command()
@report_arguments(("period", "state"))
def report(interval: str, number: int | None, as_json: bool, as_csv: bool, by: str | None) -> None:
    """Count flows, and show how they went over time.

    INTERVAL is hours, days (the default), weeks, months or years, NUM how many of them.
    """
    from jfcelery.cli.state import open_controller
    from jfcelery.controller.reports import flows_report

    zone = "UTC" if as_json or as_csv else "local"
    with open_controller() as controller:
        found = flows_report(controller.queue, interval, number, zone)
    print_report(found, lambda: _print(found), as_json=as_json, as_csv=as_csv, by=by)


def _print(found: FlowsReport) -> None:
    from jfcelery.cli.output import zone
    from jfcelery.cli.report import print_counts, print_trends

    print_counts("Flows by state", found.state_counts)
    print_trends(found.trends, zone())
