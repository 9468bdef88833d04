"""The command ``jfc flower``: Celery's web page."""

from __future__ import annotations

import sys

import click

from jfcelery.cli.state import load_project


@click.command()
@click.option("--port", "-p", type=click.IntRange(1, 65535), help="Port; by default a free one.")
@click.option("--address", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--open", "-o", "browser", is_flag=True, help="Open it in a browser.")
def flower(port: int | None, address: str, browser: bool) -> None:
    """Show Flower's address; start Flower here if the runner does not run it.

    Flower listens on this machine only and asks for a login, which is part of the address that is
    shown; FLOWER_BASIC_AUTH=user:password gives another one, FLOWER_BASIC_AUTH_FILE names a file
    that holds it. From elsewhere, forward the port: ssh -L 5555:127.0.0.1:5555 THIS_MACHINE.
    """
    from jfcelery.browsing import open_privately
    from jfcelery.tasks.runner.layout import Layout
    from jfcelery.tasks.runner.lifecycle import Runner

    runner = Runner(load_project())
    url = runner.info().flower
    if not url:
        Layout(flower=True).check()
        sys.stdout.flush()
        runner.run_flower(address, port or 0, browser=browser)
    click.echo(f"Flower: {url}")
    if browser:
        open_privately(url, runner.folder.path)
