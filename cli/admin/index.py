"""The commands ``jfc admin index …``."""

from __future__ import annotations

import click

from jfcelery.cli.lazy import Entry, LazyGroup
from jfcelery.cli.options import json_option


@click.command()
@click.option("--foreground", "-fg", is_flag=True, hidden=True, help="Accepted for habit.")
@json_option
def rebuild(foreground: bool, as_json: bool) -> None:
    """Drop all indexes of the queue and create them anew, one after the other.

    The embedded database needs a cache that is large enough for the largest of them; where it is
    not, nothing is dropped.
    """
    from jfcelery.cli.output import progress, say
    from jfcelery.cli.state import open_controller
    from jfcelery.controller.admin import build_indexes
    from jfcelery.database.indexes import NUMBER

    del foreground
    with open_controller() as controller, progress("Indexes", NUMBER) as advance:
        names = build_indexes(controller.queue, drop=True, progress=advance)
    say(f"{len(names)} indexes created.", {"created": names}, as_json=as_json)


@click.command()
@click.argument("field")
@click.argument("direction", type=click.Choice(["asc", "desc"]), default="asc")
@click.option(
    "--collection",
    "-c",
    type=click.Choice(["jobs", "flows", "auxiliary"]),
    default="jobs",
    show_default=True,
    help="The collection.",
)
@click.option("--unique", "-u", is_flag=True, help="No two documents may have the same value.")
@click.option("--foreground", "-fg", is_flag=True, hidden=True, help="Accepted for habit.")
@json_option
def create(
    field: str, direction: str, collection: str, unique: bool, foreground: bool, as_json: bool
) -> None:
    """Create an index on a field, for example job.metadata.formula."""
    from jfcelery.cli.output import say
    from jfcelery.cli.state import open_controller
    from jfcelery.controller.admin import create_index

    del foreground
    keys = [(field, 1 if direction == "asc" else -1)]
    with open_controller() as controller:
        (name,) = create_index(controller.queue, [keys], collection=collection, unique=unique)
    say(f"Created: {name}", {"created": [name], "collection": collection}, as_json=as_json)


_HERE = "jfcelery.cli.admin.index"

#: Commands of ``jfc admin index``.
COMMANDS: dict[str, Entry] = {
    "rebuild": Entry(f"{_HERE}:rebuild", "Drop all indexes and create them anew."),
    "create": Entry(f"{_HERE}:create", "Create an index of your own."),
}


@click.group(cls=LazyGroup, name="index", entries=COMMANDS)
def index() -> None:
    """Create and rebuild indexes."""
