"""``jfc project check-conflicts``."""

from __future__ import annotations

import click

from jfcelery.cli.failures import EXIT_SETUP
from jfcelery.cli.options import json_option


@click.command("check-conflicts")
@json_option
def check_conflicts(as_json: bool) -> None:
    """Look for what projects share but must not: collections, folders.

    Ends with status 2 if there is anything.
    """
    from jfcelery.cli.output import write_json
    from jfcelery.project import check_conflicts as find
    from jfcelery.project import find_projects

    conflicts = find(find_projects().valid.values())
    if as_json:
        write_json([conflict.__dict__ for conflict in conflicts])
    elif not conflicts:
        click.echo("No conflicts.")
    else:
        for conflict in conflicts:
            click.secho(f"{' and '.join(conflict.projects)}: {conflict.message}", fg="red")
            click.echo(conflict.remedy)
    if conflicts:
        raise click.exceptions.Exit(EXIT_SETUP)
