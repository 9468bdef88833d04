"""A flow's graph as text for Mermaid, as SVG and as a page for the browser."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jfcelery.controller.graph import FlowGraph, Node

#: Fill colours of the states.
COLOURS = {
    "WAITING": "#e0e0e0",
    "READY": "#b2ebf2",
    "CHECKED_OUT": "#bbdefb",
    "UPLOADED": "#bbdefb",
    "SUBMITTED": "#90caf9",
    "BATCH_SUBMITTED": "#90caf9",
    "RUNNING": "#fff59d",
    "BATCH_RUNNING": "#fff59d",
    "RUN_FINISHED": "#bbdefb",
    "DOWNLOADED": "#bbdefb",
    "COMPLETED": "#a5d6a7",
    "FAILED": "#ef9a9a",
    "REMOTE_ERROR": "#ef9a9a",
    "PAUSED": "#e1bee7",
    "STOPPED": "#ffcc80",
    "USER_STOPPED": "#ffcc80",
}
#: Colour of lines.
LINE = "#555"
#: The head of all arrows.
_ARROW_HEAD = (
    '<defs><marker id="a" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" '
    'markerHeight="7" orient="auto"><path d="M0 0 8 4 0 8z" fill="#555"/></marker></defs>'
)
#: Sizes in the drawing, in pixels.
BOX_HEIGHT, CHARACTER, PADDING, GAP_X, GAP_Y = 34, 7.2, 14, 24, 56


def mermaid(graph: FlowGraph, label: str) -> str:
    """Return the graph in Mermaid's language."""
    lines = ["flowchart TD"]
    for node in graph.nodes:
        text = node.label(label).replace('"', "#quot;").replace("`", "'")
        lines.append(f'    {node.key}("{text}"):::{node.state.lower()}')
    for edge in graph.edges:
        arrow = "-.->" if edge.made else "-->"
        lines.append(f"    {edge.start} {arrow} {edge.end}")
    states = dict.fromkeys(node.state for node in graph.nodes)
    lines += [f"    classDef {state.lower()} fill:{COLOURS[state]},color:#000" for state in states]
    return "\n".join(lines) + "\n"


@dataclass(frozen=True)
class Box:
    """Where a job stands in a drawing: from its upper left corner, in pixels."""

    node: Node
    x: float
    y: float
    width: float


@dataclass(frozen=True)
class Arrow:
    """A curve from under one box to above another, by the points that make it a Bézier curve."""

    points: tuple[tuple[float, float], ...]
    dashed: bool


@dataclass(frozen=True)
class Drawing:
    """A graph with the places of everything in it: arrows go down."""

    width: float
    height: float
    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...]

    @classmethod
    def of(cls, graph: FlowGraph, label: str) -> Drawing:
        """Place the jobs of a graph row by row, each row in the middle."""
        rows = [[(node, _box_width(node, label)) for node in layer] for layer in graph.layers()]
        widths = [sum(w for _, w in row) + GAP_X * (len(row) - 1) for row in rows]
        total = max(widths, default=0) + 2 * GAP_X
        boxes: dict[str, Box] = {}
        for number, row in enumerate(rows):
            x = (total - widths[number]) / 2
            y = GAP_Y / 2 + number * (BOX_HEIGHT + GAP_Y)
            for node, width in row:
                boxes[node.key] = Box(node, x, y, width)
                x += width + GAP_X
        arrows = (_arrow(boxes[e.start], boxes[e.end], dashed=e.made) for e in graph.edges)
        height = len(rows) * (BOX_HEIGHT + GAP_Y)
        return cls(total, height, tuple(boxes.values()), tuple(arrows))


def svg(graph: FlowGraph, label: str) -> str:
    """Return the graph as an SVG image: arrows go down, dashed ones to what a job made."""
    drawing = Drawing.of(graph, label)
    width, height = f"{drawing.width:.0f}", f"{drawing.height:.0f}"
    start = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" font-family="sans-serif" font-size="12">'
    )
    arrows = (_svg_arrow(arrow) for arrow in drawing.arrows)
    boxes = (_svg_box(box, label) for box in drawing.boxes)
    return "\n".join([start, _ARROW_HEAD, *arrows, *boxes, "</svg>"])


def page(graph: FlowGraph, label: str, title: str) -> str:
    """Return a page on which the graph can be moved and enlarged; it needs no network."""
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>
<style>body{{margin:0;overflow:hidden;background:#fafafa}}svg{{cursor:grab}}</style></head>
<body>{svg(graph, label)}
<script>
const s = document.querySelector("svg"), v = s.viewBox.baseVal;
s.setAttribute("width", "100vw"); s.setAttribute("height", "100vh");
s.style.width = "100vw"; s.style.height = "100vh";
s.addEventListener("wheel", e => {{
  e.preventDefault();
  const f = e.deltaY > 0 ? 1.15 : 1 / 1.15, k = v.width / s.clientWidth;
  v.x += e.clientX * k * (1 - f); v.y += e.clientY * k * (1 - f); v.width *= f; v.height *= f;
}}, {{passive: false}});
s.addEventListener("pointermove", e => {{
  if (!e.buttons) return;
  const k = Math.max(v.width / s.clientWidth, v.height / s.clientHeight);
  v.x -= e.movementX * k; v.y -= e.movementY * k;
}});
</script></body></html>
"""


def _box_width(node: Node, label: str) -> float:
    return len(node.label(label)) * CHARACTER + 2 * PADDING


def _arrow(start: Box, end: Box, *, dashed: bool) -> Arrow:
    x1, x2 = start.x + start.width / 2, end.x + end.width / 2
    y1, y2 = start.y + BOX_HEIGHT, end.y
    middle = (y1 + y2) / 2
    return Arrow(((x1, y1), (x1, middle), (x2, middle), (x2, y2)), dashed)


def _svg_box(box: Box, label: str) -> str:
    node = box.node
    hover = f"{node.label('both')}: {node.words}"
    return (
        f"<g><title>{escape(hover)}</title>"
        f'<rect x="{box.x:.1f}" y="{box.y:.1f}" width="{box.width:.1f}" height="{BOX_HEIGHT}" '
        f'rx="6" fill="{COLOURS[node.state]}" stroke="{LINE}"/>'
        f'<text x="{box.x + box.width / 2:.1f}" y="{box.y + BOX_HEIGHT / 2 + 4:.1f}" '
        f'text-anchor="middle">{escape(node.label(label))}</text></g>'
    )


def _svg_arrow(arrow: Arrow) -> str:
    first, *rest = (f"{x:.1f} {y:.1f}" for x, y in arrow.points)
    style = ' stroke-dasharray="5 4"' if arrow.dashed else ""
    return (
        f'<path d="M{first}C{" ".join(rest)}" fill="none" stroke="{LINE}"{style} '
        'marker-end="url(#a)"/>'
    )
