"""``jfc project remove``."""

from __future__ import annotations

import click

from jfcelery.cli.options import json_option, yes_option


@click.command()
@click.argument("name")
@click.option("--keep-folders", "-k", is_flag=True, help="Remove the project's file only.")
@yes_option
@json_option
def remove(name: str, keep_folders: bool, yes: bool, as_json: bool) -> None:
    """Remove a project: its file, and its folders with the embedded database.

    What lies in databases of your own, and on workers, is not touched.
    """
    from jfcelery.cli.output import say
    from jfcelery.errors import StateError
    from jfcelery.project import folders_of, load_project, remove_project
    from jfcelery.services import in_use, stop

    project = load_project(name)
    doomed = [str(project.source), *(() if keep_folders else map(str, folders_of(project)))]
    click.echo("\n".join(doomed), err=True)
    if not yes and not click.confirm(f"Remove all this of project {name}?", err=True):
        raise click.Abort
    if not keep_folders:
        if in_use(project):
            raise StateError(
                f"Project {name} is in use: something still talks to its services.",
                remedy=f"Stop it first: jfc -p {name} runner stop",
            )
        stop(project)
    removed = [str(path) for path in remove_project(project, folders=not keep_folders)]
    text = "\n".join(f"Removed {path}" for path in removed)
    say(text, {"project": name, "removed": removed}, as_json=as_json)
