"""A flow drawn: its graph, with jobs of like names as one where it is large, and its time line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jfcelery.controller.grouping import grouped
from jfcelery.controller.words import counted
from jfcelery.states import JobState
from jfcelery.web.pages.markup import Safe, look, text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from jfcelery.controller.graph import FlowGraph, Node
    from jfcelery.database.documents import Change, JobDoc

#: Sizes in pixels.
BOX_WIDTH, BOX_HEIGHT, GAP_X, GAP_Y = 150, 40, 18, 46
#: Most jobs of a time line, width of its names and of the whole, height of a row.
MOST_ROWS, NAMES, WIDTH, ROW = 100, 190, 1000, 20
#: Most characters of a name in a drawing.
CHARACTERS = 20

_S = JobState
#: What a job does, or waits for, while it is in a state.
KINDS = {
    _S.WAITING: "waiting",
    _S.READY: "waiting",
    _S.CHECKED_OUT: "transfer",
    _S.UPLOADED: "transfer",
    _S.SUBMITTED: "queue",
    _S.BATCH_SUBMITTED: "queue",
    _S.RUNNING: "run",
    _S.BATCH_RUNNING: "run",
    _S.RUN_FINISHED: "transfer",
    _S.DOWNLOADED: "transfer",
}


def graph_svg(graph: FlowGraph, flow: str) -> Safe:
    """Return a flow's graph as SVG; dashed arrows lead to what a job made while it ran."""
    shown = grouped(graph)
    layers = [layer for layer in shown.layers() if layer]
    longest = max(map(len, layers), default=0)
    places = {
        node.key: (
            round((column + (longest - len(layer)) / 2) * (BOX_WIDTH + GAP_X)) + 2,
            row * (BOX_HEIGHT + GAP_Y) + 2,
        )
        for row, layer in enumerate(layers)
        for column, node in enumerate(layer)
    }
    width = max((x for x, _ in places.values()), default=0) + BOX_WIDTH + 4
    height = max((y for _, y in places.values()), default=0) + BOX_HEIGHT + 4
    edges = sorted((edge.start, edge.end, edge.made) for edge in shown.edges)
    lines = "".join(_edge(places[a], places[b], made=made) for a, b, made in edges)
    nodes = "".join(_node(node, places[node.key], flow) for node in shown.nodes)
    head = (
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" '
        'markerHeight="7" orient="auto"><path d="M0 0 8 4 0 8z" fill="#8a949e"/></marker></defs>'
    )
    what = counted(len(graph.nodes), "job") + (
        "; those of like names are one node" if len(shown.nodes) < len(graph.nodes) else ""
    )
    return Safe(
        f'<p class="soft">{what}</p><div class="wide" tabindex="0" role="region" '
        f'aria-label="Graph of the flow"><svg role="group" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}">{head}{lines}{nodes}</svg></div>'
    )


def _node(node: Node, place: tuple[int, int], flow: str) -> str:
    from urllib.parse import quote, urlencode

    x, y = place
    times = f" ×{node.number}" if node.others else ""  # noqa: RUF001 - the sign for times
    room = CHARACTERS - len(times)
    name = node.name if len(node.name) <= room else f"{node.name[: room - 1]}…"
    target = f"/job/{quote(node.doc.db_id, safe='')}"
    if node.others:
        target = "/jobs?" + urlencode({"flow": flow, "name": node.name.replace("[", "[[]")})
    told = f"{text(node.name)}: {text(node.words)}"
    return (
        f'<a href="{text(target)}" aria-label="{told}">'
        f'<g class="node {look(node.state)}"><title>{told}</title>'
        f'<rect x="{x}" y="{y}" width="{BOX_WIDTH}" height="{BOX_HEIGHT}" rx="8"/>'
        f'<text x="{x + 8}" y="{y + 17}" font-size="12">{text(name + times)}</text>'
        f'<text x="{x + 8}" y="{y + 32}" font-size="10">{text(node.words[:26])}</text></g></a>'
    )


def _edge(start: tuple[int, int], end: tuple[int, int], *, made: bool) -> str:
    x1, y1 = start[0] + BOX_WIDTH / 2, start[1] + BOX_HEIGHT
    x2, y2 = end[0] + BOX_WIDTH / 2, end[1]
    middle = (y1 + y2) / 2
    return (
        f'<path class="edge{" made" if made else ""}" marker-end="url(#tip)" '
        f'd="M{x1} {y1} C{x1} {middle} {x2} {middle} {x2} {y2}"/>'
    )


def timeline_svg(
    shown: Sequence[JobDoc],
    changes: Mapping[str, Sequence[Change]],
    now: datetime,
    whole_number: int,
) -> Safe:
    """Return what each job did when: waiting, transfer, queue, run.

    Args:
        shown: The first jobs of a flow.
        changes: Their histories.
        now: Where the line of a job ends that goes on.
        whole_number: Jobs of the flow.
    """
    times = [change.at for doc in shown for change in changes.get(doc.id, ())]
    if not times:
        return Safe('<p class="soft">Nothing has happened yet.</p>')
    moving = any(doc.state in KINDS for doc in shown)
    start, end = min(times), now if moving else max(times)
    scale = (WIDTH - NAMES) / max((end - start).total_seconds(), 0.001)
    rows = "".join(
        _row(doc, changes.get(doc.id, ()), place, (start, end), scale)
        for place, doc in enumerate(shown)
    )
    height = len(shown) * ROW + 4
    legend = " ".join(
        f'<svg width="12" height="12" style="display:inline" aria-hidden="true"><rect width="12" '
        f'height="12" class="kind-{kind}"/></svg> {kind}'
        for kind in ("waiting", "transfer", "queue", "run")
    )
    rest = whole_number > len(shown)
    more = f" The first {len(shown)} jobs of {whole_number}." if rest else ""
    whole = f"{(end - start).total_seconds():.0f} s in all.{more}"
    return Safe(
        f'<p class="soft">{legend} · {whole}</p><div class="wide" tabindex="0" role="region" '
        f'aria-label="Time line of the flow"><svg role="list" width="{WIDTH}" height="{height}" '
        f'viewBox="0 0 {WIDTH} {height}">{rows}</svg></div>'
    )


def _row(
    doc: JobDoc,
    changes: Sequence[Change],
    place: int,
    span: tuple[datetime, datetime],
    scale: float,
) -> str:
    y = place * ROW
    name = f"{doc.db_id} {doc.job.name}"
    parts, told = [], []
    ends = [change.at for change in changes[1:]] + [span[1]]
    for change, end in zip(changes, ends, strict=True):
        kind = KINDS.get(change.target)
        if kind is None:
            continue
        x = NAMES + (change.at - span[0]).total_seconds() * scale
        width = max((end - change.at).total_seconds() * scale, 1.0)
        words = f"{change.target}: {(end - change.at).total_seconds():.1f} s"
        told.append(words)
        parts.append(
            f'<rect class="kind-{kind}" x="{x:.1f}" y="{y + 4}" width="{width:.1f}" '
            f'height="{ROW - 6}"><title>{text(words)}</title></rect>'
        )
    return (
        f'<g role="listitem" aria-label="{text(", ".join([name, *told]))}">'
        f'<text x="0" y="{y + 14}" font-size="12">{text(name[: CHARACTERS + 6])}</text>'
        f"{''.join(parts)}</g>"
    )
