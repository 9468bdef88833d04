"""``jfc project generate``."""

from __future__ import annotations

import click

from jfcelery.cli.options import json_option


@click.command()
@click.argument("name")
@click.option(
    "--format",
    "-f",
    "file_format",
    type=click.Choice(["yaml", "json", "toml"]),
    default="yaml",
    show_default=True,
    help="Form of the file.",
)
@click.option("--full", is_flag=True, help="Write every option, with its description.")
@json_option
def generate(name: str, file_format: str, full: bool, as_json: bool) -> None:
    """Write the file of a new project, which runs on this machine as it is."""
    from jfcelery.cli.output import hint, say
    from jfcelery.project import create_project

    path = create_project(name, full=full, file_format=file_format)
    say(f"Written: {path}", {"project": name, "file": path}, as_json=as_json)
    hint(f"Change it as you need, then: jfc -p {name} project check")
