"""``jfc admin upgrade``."""

from __future__ import annotations

import click


@click.command()
def upgrade() -> None:
    """Bring the database to the layout of this version.

    Missing indexes are created. A database that needs more says so; this version knows of no
    earlier layout.
    """
    from jfcelery.cli.state import load_project
    from jfcelery.controller.admin import build_indexes, schema_of
    from jfcelery.database.connection import open_queue
    from jfcelery.database.documents import SCHEMA_VERSION
    from jfcelery.database.schema import prepare
    from jfcelery.errors import SchemaVersionError

    project = load_project()
    queue = open_queue(project)
    found = schema_of(queue)
    if found not in (None, SCHEMA_VERSION):
        raise SchemaVersionError(
            f"The database has layout {found}; this version knows {SCHEMA_VERSION} only.",
            remedy="Install the version of jfcelery that wrote it, or a newer one.",
        )
    prepare(queue, project.name)
    build_indexes(queue)
    click.echo(f"Layout {SCHEMA_VERSION}: up to date.")
