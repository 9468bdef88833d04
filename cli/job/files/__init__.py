"""The commands ``jfc job files …``."""

from __future__ import annotations

import click

from jfcelery.cli.lazy import Entry, LazyGroup

#: Commands of ``jfc job files``.
COMMANDS: dict[str, Entry] = {
    "ls": Entry("jfcelery.cli.job.files.ls:ls", "List the files of a run folder."),
    "get": Entry("jfcelery.cli.job.files.get:get", "Copy files from a run folder."),
    "delete": Entry("jfcelery.cli.job.files.delete:delete", "Remove a run folder."),
}


@click.group(cls=LazyGroup, name="files", entries=COMMANDS)
def files() -> None:
    """Look at the files in a job's run folder, copy or remove them."""
