"""``jfc project list``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from jfcelery.cli.options import json_option

if TYPE_CHECKING:
    from jfcelery.project import Projects


@click.command("list")
@click.option("--warn", "-w", is_flag=True, help="Show what is wrong with files, too.")
@json_option
def list_projects(warn: bool, as_json: bool) -> None:
    """List the projects in the projects folder; * marks the one that is used by default."""
    from jfcelery.cli.output import console, escape, hint, table, write_json
    from jfcelery.project import find_projects

    found = find_projects()
    default = _default(found)
    if as_json:
        write_json(
            [
                {
                    "name": file.name,
                    "file": str(file.path),
                    "default": file.name is not None and file.name == default,
                    "error": str(file.error) if file.error else None,
                }
                for file in found.files
            ]
        )
        return
    shown = table(f"Projects in {escape(found.folder)}", ["Name", "", "File", "Workers"])
    for file in found.files:
        mark = "*" if file.name and file.name == default else ""
        workers = ", ".join(file.project.workers) if file.project else "[red]cannot be used[/]"
        shown.add_row(escape(file.name or "?"), mark, escape(file.path.name), workers)
    console().print(shown)
    for file in found.broken if warn else ():
        click.secho(str(file.error), fg="red", err=True)
    if not found.files:
        hint("Make one: jfc project generate NAME")
    elif found.broken and not warn:
        hint("What is wrong with files: jfc project list --warn")


def _default(found: Projects) -> str | None:
    from jfcelery.cli.state import current_state
    from jfcelery.settings import settings

    chosen = current_state().project or settings().project
    return chosen or (found.names[0] if len(found.names) == 1 else None)
