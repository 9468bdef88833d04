"""``jfc admin upgrade``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from jfcelery.cli.options import json_option, yes_option

if TYPE_CHECKING:
    from jfcelery.database.connection import QueueDatabase
    from jfcelery.project import Project


@click.command()
@click.option(
    "--backup",
    "-b",
    "folder",
    type=click.Path(path_type=Path),
    help="Folder of the backup that is made before. By default one below the project's base_dir.",
)
@yes_option
@json_option
def upgrade(folder: Path | None, yes: bool, as_json: bool) -> None:
    """Bring the database to the layout of this version.

    Where there is something to do, a backup is made before; stop all runners first. Missing
    indexes are created in any case. A database that a newer version wrote is left alone.
    """
    from jfcelery.cli.output import progress, say
    from jfcelery.cli.state import load_project
    from jfcelery.controller.admin import build_indexes
    from jfcelery.database.connection import open_queue
    from jfcelery.database.documents import SCHEMA_VERSION
    from jfcelery.database.indexes import NUMBER
    from jfcelery.database.schema import prepare
    from jfcelery.database.upgrades import layout_of, pending
    from jfcelery.database.upgrades import upgrade as bring_up

    project = load_project()
    queue = open_queue(project)
    found = layout_of(queue)
    layouts = pending(found)
    backup = None
    if layouts:
        what = f"Bring the database of {project.name} from layout {found} to {SCHEMA_VERSION}?"
        if not yes and not click.confirm(what, err=True):
            raise click.Abort
        backup = _backup(project, queue, folder, layout=layouts[0])
        click.echo(f"Backup: {backup}", err=as_json)
        bring_up(queue, layouts)
    prepare(queue)
    with progress("Indexes", NUMBER) as advance:
        build_indexes(queue, progress=advance)
    done = "upgraded" if layouts else "up to date, nothing to do"
    data = {"layout": SCHEMA_VERSION, "upgraded": bool(layouts), "backup": backup}
    say(f"Layout {SCHEMA_VERSION}: {done}.", data, as_json=as_json)


def _backup(project: Project, queue: QueueDatabase, folder: Path | None, *, layout: int) -> Path:
    """Write a backup of the database as it is, and return its folder."""
    from jfcelery.cli.output import progress
    from jfcelery.controller.backup import collections, dump

    chosen = folder
    if chosen is None:
        stamp = queue.clock.now().strftime("%Y%m%d-%H%M%S")
        chosen = Path(project.base_dir) / "backups" / f"layout-{layout}-{stamp}"
    total = sum(c.estimated_document_count() for c in collections(queue).values())
    with progress("Backup", total) as advance:
        dump(project, queue, chosen, compress=True, layout=layout, progress=advance)
    return chosen
