"""``jfc job dump``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from jfcelery.cli.options import job_filter, verbosity_option

if TYPE_CHECKING:
    from jfcelery.controller.filters import JobFilter


@click.command()
@job_filter
@click.option(
    "--path",
    "-p",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("jobs_dump.json"),
    show_default=True,
    help="The file.",
)
@verbosity_option
def dump(selected: JobFilter, path: Path, verbosity: int) -> None:
    """Write the documents of jobs, and the serialised jobs, to a JSON file."""
    from bson import json_util

    from jfcelery.cli.state import open_controller
    from jfcelery.database.payloads import load_payload

    with open_controller() as controller:
        docs = controller.actions.select(selected)
        content: list[dict[str, Any]] = [
            {**doc.raw, "payload": load_payload(controller.queue, doc.id)} for doc in docs
        ]
    text = json_util.dumps(content, json_options=json_util.RELAXED_JSON_OPTIONS)
    path.write_text(json.dumps(json.loads(text), indent=2) + "\n", encoding="utf-8")
    click.echo(f"{len(content)} documents written to {path}")
    if verbosity:
        click.echo("\n".join(f"{doc.db_id} {doc.job.name} {doc.state}" for doc in docs))
