"""The commands ``jfc flow …``."""

from __future__ import annotations

import click

from jfcelery.cli.lazy import Entry, LazyGroup

_HERE = "jfcelery.cli.flow"

#: Commands of ``jfc flow``, in the order of its help.
COMMANDS: dict[str, Entry] = {
    "list": Entry(f"{_HERE}.list:list_flows", "List flows."),
    "info": Entry(f"{_HERE}.info:info", "Show a flow with its jobs."),
}


@click.group(cls=LazyGroup, name="flow", entries=COMMANDS)
def flow() -> None:
    """Look at flows and change them."""
