"""The commands ``jfc backup …``."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from jfcelery.cli.lazy import Entry, LazyGroup
from jfcelery.cli.options import add_options, json_option

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jfcelery.database.connection import QueueDatabase

_how_options = add_options(
    (
        click.option(
            "--mongo-path",
            "-m",
            "tools",
            type=click.Path(exists=True, file_okay=False, path_type=Path),
            help="Folder of mongodump and mongorestore, if they are not on the PATH.",
        ),
        click.option("--python", "-p", is_flag=True, help="Do without MongoDB's tools."),
    )
)


@click.command()
@click.argument("folder", metavar="[DIR]", type=click.Path(path_type=Path), default=Path())
@click.option("--compress", "-c", is_flag=True, help="Compress the files with gzip.")
@_how_options
@json_option
def create(folder: Path, compress: bool, tools: Path | None, python: bool, as_json: bool) -> None:
    """Write a backup of the queue into a folder.

    It holds jobs, flows and their history, not the outputs in the JobStore. Without --python it
    is made by mongodump, where that is installed; the files have the same format either way.
    """
    from jfcelery.cli.output import progress
    from jfcelery.cli.state import open_controller
    from jfcelery.controller import backup, mongodump

    with open_controller() as controller:
        project, queue = controller.project, controller.queue
        by_tools = _by_tools(tools, "mongodump", python=python)
        dump = partial(mongodump.dump, tools=tools) if by_tools else backup.dump
        with progress("Backup", _size(queue)) as advance:
            counts = dump(project, queue, folder, compress=compress, progress=advance)
    _report(f"Backup in {folder.absolute()}", counts, as_json=as_json)


@click.command()
@click.argument("folder", metavar="[DIR]", type=click.Path(path_type=Path), default=Path())
@_how_options
@json_option
def restore(folder: Path, tools: Path | None, python: bool, as_json: bool) -> None:
    """Fill an empty queue from a backup."""
    from jfcelery.cli.output import progress
    from jfcelery.cli.state import open_controller
    from jfcelery.controller import backup, mongodump

    with open_controller() as controller:
        project, queue = controller.project, controller.queue
        by_tools = _by_tools(tools, "mongorestore", python=python)
        load = partial(mongodump.restore, tools=tools) if by_tools else backup.restore
        total = sum(backup.read_manifest(folder).counts.values())
        with progress("Restore", total) as advance:
            counts = load(project, queue, folder, progress=advance)
        controller.actions.wake()
    _report("Restored", counts, as_json=as_json)


def _by_tools(tools: Path | None, name: str, *, python: bool) -> bool:
    """Return whether MongoDB's own tools are used: if asked for, or if they are there."""
    import shutil

    if python and tools:
        raise click.UsageError("Give only one of --mongo-path and --python.")
    return not python and (tools is not None or shutil.which(name) is not None)


def _size(queue: QueueDatabase) -> int:
    from jfcelery.controller.backup import collections

    return sum(c.estimated_document_count() for c in collections(queue).values())


def _report(title: str, counts: Mapping[str, int], *, as_json: bool) -> None:
    from jfcelery.cli.output import console, table, write_json

    if as_json:
        write_json(counts)
        return
    shown = table(title, ["Collection", "Documents"])
    for name, number in counts.items():
        shown.add_row(name, str(number))
    console().print(shown)


#: Commands of ``jfc backup``.
COMMANDS: dict[str, Entry] = {
    "create": Entry("jfcelery.cli.backup:create", "Write a backup of the queue."),
    "restore": Entry("jfcelery.cli.backup:restore", "Fill an empty queue from a backup."),
}


@click.group(cls=LazyGroup, name="backup", entries=COMMANDS)
def backup_group() -> None:
    """Save the queue, and get it back."""
