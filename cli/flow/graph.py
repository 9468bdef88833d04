"""``jfc flow graph``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from jfcelery.cli.flow.arguments import flow_argument

if TYPE_CHECKING:
    from jfcelery.controller.graph import FlowGraph

#: Endings of the files that ``--path`` writes.
ENDINGS = (".svg", ".png", ".html", ".mmd")


@click.command()
@flow_argument
@click.option(
    "--label",
    "-l",
    type=click.Choice(["name", "db_id", "both"]),
    default="both",
    show_default=True,
    help="What stands in the boxes.",
)
@click.option(
    "--path",
    "-p",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write it to this file: .svg, .png, .html or .mmd (Mermaid).",
)
@click.option("--all", "-a", "each", is_flag=True, help="Draw each job, however many there are.")
@click.option("--dash", "-d", "browse", is_flag=True, help="Show it in the browser.")
@click.option("--mermaid", "-m", "as_text", is_flag=True, help="Print it in Mermaid's language.")
def graph(
    flow_id: str,
    by_job: bool,
    label: str,
    path: Path | None,
    each: bool,
    browse: bool,
    as_text: bool,
) -> None:
    """Draw a flow as a graph: full arrows to who uses an output, dashed ones to what a job made.

    Of a large flow, jobs of like names are one node; --all draws each.
    Without --path and --dash the text for Mermaid is printed, which GitHub and others draw.
    """
    from jfcelery.cli.flow.arguments import find_uuid
    from jfcelery.cli.flow.drawing import mermaid
    from jfcelery.cli.output import hint, printable
    from jfcelery.cli.state import open_controller
    from jfcelery.controller.graph import FlowGraph
    from jfcelery.controller.grouping import grouped
    from jfcelery.database.edges import with_parents

    if path is not None and path.suffix.lower() not in ENDINGS:
        raise click.UsageError(f"{path}: the ending must be one of {', '.join(ENDINGS)}.")
    with open_controller() as controller:
        uuid = find_uuid(controller, flow_id, by_job=by_job)
        docs = with_parents(controller.queue, controller.flow_actions.jobs_of([uuid]))
        whole = FlowGraph.of(docs)
    drawn = whole if each else grouped(whole)
    if path is not None:
        _write(drawn, label, path, uuid)
        click.echo(f"Written: {path}")
    if browse:
        _browse(_text(drawn, label, ".html", uuid))
    if as_text or not (path or browse):
        click.echo(printable(mermaid(drawn, label)), nl=False)
    if len(drawn.nodes) < len(whole.nodes):
        hint(f"Of {len(whole.nodes)} jobs, those of like names are one node; --all draws each.")


def _write(drawn: FlowGraph, label: str, path: Path, title: str) -> None:
    from jfcelery.cli.flow.picture import write_png
    from jfcelery.errors import InputError

    ending = path.suffix.lower()
    try:
        if ending == ".png":
            write_png(drawn, label, path)
        else:
            path.write_text(_text(drawn, label, ending, title), encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror or error}") from error


def _text(drawn: FlowGraph, label: str, ending: str, title: str) -> str:
    from jfcelery.cli.flow.drawing import mermaid, page, svg

    if ending == ".svg":
        return svg(drawn, label)
    return page(drawn, label, title) if ending == ".html" else mermaid(drawn, label)


def _browse(text: str) -> None:
    import tempfile
    import webbrowser

    with tempfile.NamedTemporaryFile(
        "w", prefix="jfc-flow-", suffix=".html", delete=False, encoding="utf-8"
    ) as file:
        file.write(text)
    click.echo(f"Opened in the browser: {file.name}")
    webbrowser.open(Path(file.name).as_uri())
