"""``jfc flow report``."""

from __future__ import annotations

import click

from jfcelery.cli.report import report_arguments


@click.command()
@report_arguments
def report(interval: str, number: int | None, as_json: bool, as_csv: bool) -> None:
    """Count flows, and show how they went over time.

    INTERVAL is hours, days (the default), weeks, months or years, NUM how many of them.
    """
    from jfcelery.cli.output import write_json, zone
    from jfcelery.cli.report import print_counts, print_trends, write_trends
    from jfcelery.cli.state import open_controller
    from jfcelery.controller.reports import flows_report

    with open_controller() as controller:
        shown_zone = "UTC" if as_json or as_csv else "local"
        found = flows_report(controller.queue, interval, number, shown_zone)
    if as_json:
        write_json(found)
    elif as_csv:
        write_trends(found.trends)
    else:
        print_counts("Flows by state", found.state_counts)
        print_trends(found.trends, zone())
