"""A flow's graph as a PNG image, for which Pillow must be installed."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

from jfcelery.cli.flow.drawing import BOX_HEIGHT, COLOURS, LINE, Drawing
from jfcelery.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

    from jfcelery.cli.flow.drawing import Arrow, Box
    from jfcelery.controller.graph import FlowGraph

#: Pixels of the image for one of the drawing, so that it is sharp in print.
SCALE = 2
#: Most pixels of an image; it takes four bytes of memory for each.
MOST_PIXELS = 200_000_000
#: A font that has Greek and mathematical letters; where it is missing, Pillow's own is used.
FONT, FONT_SIZE = "DejaVuSans.ttf", 12
#: Straight pieces of a curve; of a dashed one each second is drawn.
PIECES = 24
#: Half the width of an arrow's head, and its length.
HEAD = (3.5, 7)
#: What else there is.
OTHERS = "A path that ends in .svg or .html needs no library and has no limit."


def write_png(graph: FlowGraph, label: str, path: Path) -> None:
    """Write the graph as a PNG image.

    Raises:
        InputError: Pillow is not installed, or the graph is too large for an image.
    """
    try:
        from PIL import Image, ImageDraw
    except ImportError:
        raise InputError(
            "A PNG image needs Pillow, which is not installed.",
            remedy=f"Run: pip install 'jfcelery[image]'. {OTHERS}",
        ) from None
    drawing = Drawing.of(graph, label)
    size = (round(drawing.width) * SCALE, round(drawing.height) * SCALE)
    if size[0] * size[1] > MOST_PIXELS:
        raise InputError(
            f"The graph is too large for an image: {size[0]} by {size[1]} pixels.", remedy=OTHERS
        )
    image = Image.new("RGB", size, "white")
    pen, font = ImageDraw.Draw(image), _font()
    for arrow in drawing.arrows:
        _draw_arrow(pen, arrow)
    for box in drawing.boxes:
        _draw_box(pen, box, label, font)
    image.save(path, "PNG")


def _font() -> Any:
    from PIL import ImageFont

    try:
        return ImageFont.truetype(FONT, FONT_SIZE * SCALE)
    except OSError:
        return ImageFont.load_default(FONT_SIZE * SCALE)


def _draw_box(pen: Any, box: Box, label: str, font: Any) -> None:
    x, y, width, height = (n * SCALE for n in (box.x, box.y, box.width, BOX_HEIGHT))
    corners = (x, y, x + width, y + height)
    pen.rounded_rectangle(corners, 6 * SCALE, COLOURS[box.node.state], LINE, SCALE)
    middle = (x + width / 2, y + height / 2)
    pen.text(middle, box.node.label(label), "black", font, anchor="mm")


def _draw_arrow(pen: Any, arrow: Arrow) -> None:
    points = [_on_curve(arrow.points, number / PIECES) for number in range(PIECES + 1)]
    for number, piece in enumerate(pairwise(points)):
        if not (arrow.dashed and number % 2):
            pen.line(piece, LINE, SCALE)
    (x, y), (half, length) = points[-1], (n * SCALE for n in HEAD)
    pen.polygon([(x, y), (x - half, y - length), (x + half, y - length)], LINE)


def _on_curve(points: tuple[tuple[float, float], ...], t: float) -> tuple[float, float]:
    """Return a point of a Bézier curve in the image, ``t`` from 0 to 1."""
    weights = ((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3)
    x, y = (sum(w * p[axis] for w, p in zip(weights, points, strict=True)) for axis in (0, 1))
    return x * SCALE, y * SCALE
