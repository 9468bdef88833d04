"""``jfc watch``: flows, jobs, hosts and throughput, live in the terminal."""

from __future__ import annotations

import sys

import click

from jfcelery.cli.completion import flow_ids


@click.command()
@click.argument("flow", metavar="[FLOW]", required=False, shell_complete=flow_ids)
@click.option(
    "--interval",
    "-i",
    type=click.FloatRange(0.2),
    default=2.0,
    show_default=True,
    help="Seconds between two looks at the database.",
)
@click.option("--once", is_flag=True, help="Print the view once, and end.")
def watch(flow: str | None, interval: float, once: bool) -> None:
    """Show flows, jobs, hosts and throughput, live; keys act on what is chosen.

    With FLOW (its uuid, or the db id of one of its jobs) its jobs are shown first. The last line
    says which keys there are; q ends.
    """
    from jfcelery.cli.output import console
    from jfcelery.cli.state import open_controller
    from jfcelery.cli.watch.session import Session
    from jfcelery.controller.resolve import flow_uuid

    with open_controller() as controller:
        chosen = None if flow is None else flow_uuid(controller.queue, flow)
        session = Session(controller, chosen)
        if once:
            session.look()
            console().print(session.screen(console().width, 0))
            return
        if not (sys.stdin.isatty() and sys.stdout.isatty()):
            raise click.UsageError("There is no terminal to show it in; --once prints it once.")
        from jfcelery.cli.watch.terminal import run

        run(session, interval)
