"""``jfc job output``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from jfcelery.cli.options import job_arguments, json_option

if TYPE_CHECKING:
    from jfcelery.controller.filters import JobFilter


@click.command()
@job_arguments
@click.option(
    "--path",
    "-p",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write it to this file; .json, .yaml or .yml says how.",
)
@click.option("--load", "-l", is_flag=True, help="Load the data in additional stores, too.")
@json_option
def output(selected: JobFilter, path: Path | None, load: bool, as_json: bool) -> None:
    """Show the output of a job, from the JobStore."""
    from jfcelery.cli.output import console, write_json
    from jfcelery.cli.state import open_controller
    from jfcelery.controller.outputs import job_output
    from jfcelery.controller.queries import find_one_job

    if path is not None and path.suffix not in (".json", ".yaml", ".yml"):
        raise click.UsageError(f"{path}: the ending must be .json, .yaml or .yml.")
    with open_controller() as controller:
        doc = find_one_job(controller.queue, selected)
        value = job_output(controller.project, controller.queue, doc, load=load)
    if path is not None:
        _dump(value, path)
        click.echo(f"Written to {path}")
    elif as_json:
        write_json(_plain(value))
    else:
        from rich.pretty import Pretty

        console().print(Pretty(value))


def _dump(value: Any, path: Path) -> None:
    from monty.serialization import dumpfn

    dumpfn(value, path)


def _plain(value: Any) -> Any:
    from monty.json import jsanitize

    return jsanitize(value, strict=True, enum_values=True, recursive_msonable=True)
