"""The commands ``jfc flow …``."""

from __future__ import annotations

import click

from jfcelery.cli.lazy import Entry, LazyGroup

#: Commands of ``jfc flow``, in the order of its help.
COMMANDS: dict[str, Entry] = {
    "list": Entry("jfcelery.cli.flow.list:list_flows", "List flows."),
    "info": Entry("jfcelery.cli.flow.info:info", "Show a flow with its jobs."),
}


@click.group(cls=LazyGroup, name="flow", entries=COMMANDS)
def flow() -> None:
    """Look at flows and change them."""
