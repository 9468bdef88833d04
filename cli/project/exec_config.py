"""The commands ``jfc project exec_config …``."""

from __future__ import annotations

import click

from jfcelery.cli.lazy import Entry, LazyGroup
from jfcelery.cli.options import json_option, verbosity_option


@click.command("list")
@verbosity_option
@json_option
def list_configs(verbosity: int, as_json: bool) -> None:
    """List the execution configurations of a project."""
    from jfcelery.cli.output import console, escape, table, write_json
    from jfcelery.cli.state import load_project

    configs = load_project().exec_config
    if as_json:
        write_json({name: config.model_dump(mode="json") for name, config in configs.items()})
        return
    if not configs:
        click.echo("The project has no execution configuration.")
        return
    headers = ["Name", "modules", "export", "pre_run", "post_run"]
    shown = table("Execution configurations", headers if verbosity else headers[:1])
    for name, config in sorted(configs.items()):
        export = "\n".join(f"{key}={value}" for key, value in (config.export or {}).items())
        details = [
            "\n".join(config.modules or ()),
            export,
            config.pre_run or "",
            config.post_run or "",
        ]
        shown.add_row(escape(name), *(map(escape, details) if verbosity else ()))
    console().print(shown)


#: Commands of ``jfc project exec_config``.
COMMANDS: dict[str, Entry] = {
    "list": Entry(
        "jfcelery.cli.project.exec_config:list_configs", "List the execution configurations."
    ),
}


@click.group(cls=LazyGroup, name="exec_config", entries=COMMANDS)
def exec_config() -> None:
    """Look at execution configurations."""
