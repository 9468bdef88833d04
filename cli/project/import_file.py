"""``jfc project import``."""

from __future__ import annotations

from pathlib import Path

import click

from jfcelery.cli.options import json_option


@click.command("import")
@click.argument("file", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--name", "-n", help="Name of the project, if not the one in the file.")
@click.option(
    "--database",
    "-d",
    help="Name of a new database for the queue on the MongoDB server that the file names; "
    "without it the queue is in the embedded database.",
)
@json_option
def import_file(file: Path, name: str | None, database: str | None, as_json: bool) -> None:
    """Make a project of a project file of jobflow-remote.

    Workers, execution configurations and jobstores stay as they are, comments too. The queue gets
    a database of its own, the project its own folders. FILE is not changed.
    """
    from jfcelery.cli.output import hint, say
    from jfcelery.migration.project_file import converted
    from jfcelery.project import save_project

    chosen, text = converted(file, name=name, database=database)
    path = save_project(chosen, text)
    say(f"Written: {path}", {"project": chosen, "file": path}, as_json=as_json)
    hint(f"Next: jfc -p {chosen} project check; jfc -p {chosen} admin import {file}")
