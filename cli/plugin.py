"""The commands ``jfc plugin …``."""

from __future__ import annotations

import click

from jfcelery.cli.lazy import Entry, LazyGroup
from jfcelery.cli.options import json_option

#: Commands of ``jfc plugin``.
COMMANDS: dict[str, Entry] = {
    "list": Entry("jfcelery.cli.plugin:list_plugins", "List what other packages can replace."),
}
#: Beginning of the names of all groups of entry points.
PREFIX = "jfcelery."


@click.group(cls=LazyGroup, name="plugin", entries=COMMANDS)
def plugin() -> None:
    """Look at plugins."""


@click.command("list")
@json_option
def list_plugins(as_json: bool) -> None:
    """List the entry points of jfcelery, which package gives each, and whether it loads."""
    from importlib.metadata import distributions

    from jfcelery.cli.output import console, escape, table, write_json

    rows: list[dict[str, str]] = []
    points = {point: one.name for one in distributions() for point in one.entry_points}
    for point in sorted(points, key=lambda point: (point.group, point.name)):
        if not point.group.startswith(PREFIX):
            continue
        try:
            point.load()
        except Exception as error:  # noqa: BLE001 - somebody else's code: whatever it raises
            state = f"{type(error).__name__}: {error}"
        else:
            state = "ok"
        rows.append(
            {
                "group": point.group,
                "name": point.name,
                "package": points[point],
                "target": point.value,
                "state": state,
            }
        )
    if as_json:
        write_json(rows)
        return
    shown = table("", ["Group", "Name", "Package", "Target", "State"])
    for row in rows:
        shown.add_row(*(escape(value) for value in row.values()))
    console().print(shown)
