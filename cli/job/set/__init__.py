"""The commands ``jfc job set …``."""

from __future__ import annotations

import click

from jfcelery.cli.lazy import Entry, LazyGroup

_WHERE = "jfcelery.cli.job.set.commands"

#: Commands of ``jfc job set``.
COMMANDS: dict[str, Entry] = {
    "worker": Entry(f"{_WHERE}:worker", "Set the worker of jobs."),
    "exec-config": Entry(f"{_WHERE}:exec_config", "Set the execution configuration of jobs."),
    "resources": Entry(f"{_WHERE}:resources", "Set the resources of jobs."),
    "priority": Entry(f"{_WHERE}:priority", "Set the priority of jobs."),
}


@click.group(cls=LazyGroup, name="set", entries=COMMANDS)
def set_() -> None:
    """Set where and how jobs run that are not under way."""
