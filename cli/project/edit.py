"""The commands ``jfc project edit …``."""

from __future__ import annotations

import click

from jfcelery.cli.failures import EXIT_SETUP
from jfcelery.cli.lazy import Entry, LazyGroup
from jfcelery.cli.options import json_option, yes_option


@click.command()
@click.argument("old")
@click.argument("new")
@click.option("--all", "-a", "everywhere", is_flag=True, help="In the files of all projects.")
@click.option("--no-backup", "-nb", is_flag=True, help="Keep no copy of the old file.")
@yes_option
@json_option
def replace(
    old: str, new: str, everywhere: bool, no_backup: bool, yes: bool, as_json: bool
) -> None:
    """Replace a text in a project's file, wherever it stands.

    The change is shown first; a file that would be wrong afterwards is left as it is.
    """
    from jfcelery.cli.output import write_json
    from jfcelery.cli.state import load_project
    from jfcelery.project import find_projects, replace_text

    paths = [file.path for file in find_projects().files] if everywhere else [load_project().source]
    changed: list[dict[str, object]] = []
    refused: list[dict[str, object]] = []
    for path in paths:
        change = replace_text(str(path), old, new)
        if not change.changes:
            click.echo(f"{path}: nothing to replace", err=True)
            continue
        click.echo(change.diff, err=True)
        if change.error is not None:
            refused.append({"file": str(path), "reason": str(change.error)})
            click.secho(f"Not done: {change.error}", fg="red", err=True)
        elif yes or click.confirm(f"Change {path}?", err=True):
            copy = change.apply(backup=not no_backup)
            changed.append({"file": str(path), "backup": copy})
            text = f"Changed {path}" + (f", the old text is in {copy}" if copy else "")
            click.echo(text, err=as_json)
    if as_json:
        write_json({"changed": changed, "refused": refused})
    if refused:
        raise click.exceptions.Exit(EXIT_SETUP)


#: Commands of ``jfc project edit``.
COMMANDS: dict[str, Entry] = {
    "replace": Entry("jfcelery.cli.project.edit:replace", "Replace a text in project files."),
}


@click.group(cls=LazyGroup, name="edit", entries=COMMANDS)
def edit() -> None:
    """Change project files."""
