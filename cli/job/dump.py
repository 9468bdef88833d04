"""``jfc job dump``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from jfcelery.cli.options import job_filter, json_option, verbosity_option

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
@json_option
def dump(selected: JobFilter, path: Path, verbosity: int, as_json: bool) -> None:
    """Write the documents of jobs, and the serialised jobs, to a JSON file."""
    from bson import json_util

    from jfcelery.cli.output import counted, say
    from jfcelery.cli.state import open_controller
    from jfcelery.database.payloads import load_payload

    with open_controller() as controller:
        docs = controller.actions.select(selected)
        content: list[dict[str, Any]] = [
            {**doc.raw, "payload": load_payload(controller.queue, doc.id)} for doc in docs
        ]
    text = json_util.dumps(content, json_options=json_util.RELAXED_JSON_OPTIONS)
    path.write_text(json.dumps(json.loads(text), indent=2) + "\n", encoding="utf-8")
    done = {"file": str(path), "jobs": [doc.db_id for doc in docs]}
    say(f"{counted(len(content), 'document')} written to {path}", done, as_json=as_json)
    if verbosity and not as_json:
        click.echo("\n".join(f"{doc.db_id} {doc.job.name} {doc.state}" for doc in docs))
