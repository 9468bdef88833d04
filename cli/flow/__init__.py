"""The commands ``jfc flow …``."""

from __future__ import annotations

import click

from jfcelery.cli.lazy import Entry, LazyGroup

_HERE = "jfcelery.cli.flow"

#: Commands of ``jfc flow``, in the order of its help.
COMMANDS: dict[str, Entry] = {
    "list": Entry(f"{_HERE}.list:list_flows", "List flows."),
    "info": Entry(f"{_HERE}.info:info", "Show a flow with its jobs."),
    "graph": Entry(f"{_HERE}.graph:graph", "Draw a flow as a graph."),
    "report": Entry(f"{_HERE}.report:report", "Count flows, and show how they went."),
    "resume": Entry(f"{_HERE}.resume:resume", "Let a paused or stopped flow go on."),
    "delete": Entry(f"{_HERE}.delete:delete", "Delete flows with their jobs."),
    "clean": Entry(f"{_HERE}.clean:clean", "Remove run folders of flows."),
    "set": Entry(f"{_HERE}.set:set_", "Set properties of flows."),
}


@click.group(cls=LazyGroup, name="flow", entries=COMMANDS)
def flow() -> None:
    """Look at flows and change them."""
