"""Directives that draw the diagrams from the code itself, as SVG that needs no program.

``pipeline-diagram``  the steps, from ``PIPELINE``
``way-diagram``       the states of a job that goes well, from the state table
``state-diagram``     all changes of a job's state, from the state table
"""

from __future__ import annotations

import inspect
import textwrap
from html import escape
from typing import TYPE_CHECKING

from docutils import nodes
from docutils.parsers.rst import Directive

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sphinx.application import Sphinx

    from jfcelery.states import JobState, Transition

#: Tells a browser what it is.
SVG = "http://www.w3.org/2000/svg"
#: The events of a job that goes well, in their order; the others are in the whole table only.
WAY = ("release", "checkout", "upload", "submit", "run", "end", "download", "finalize")
#: One sheet for all diagrams, within them alone: a page has rules of its own.
STYLE = "".join(
    f".diagram {rule}\n"
    for rule in (
        ".sheet{fill:#ffffff}",
        "text{fill:#0f172a;font:12px Helvetica,Arial,sans-serif}",
        ".mid{text-anchor:middle}",
        ".end{text-anchor:end}",
        ".code{font-family:Menlo,Consolas,monospace}",
        ".state{fill:#dcfce7;stroke:#15803d}",
        ".event{fill:#dbeafe;stroke:#1d4ed8}",
        ".edge{fill:none;stroke:#475569;stroke-width:1.3}",
        ".column{stroke:#cbd5e1}",
        ".from{fill:#ffffff;stroke:#475569;stroke-width:1.5}",
        ".to{fill:#475569}",
    )
)
#: The head of an arrow.
ARROW = (
    '<marker id="tip" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" '
    'orient="auto"><path d="M0 0 10 5 0 10z" fill="#475569"/></marker>'
)


class Diagram(Directive):
    """Puts a drawing into the page."""

    #: What the drawing shows, for those who cannot see it.
    title = ""

    def draw(self) -> tuple[int, int, Iterable[str]]:
        """Return width, height and the elements."""
        raise NotImplementedError

    def run(self) -> list[nodes.Node]:
        """Return the node of the drawing."""
        width, height, elements = self.draw()
        parts = (
            f'<svg xmlns="{SVG}" class="diagram" viewBox="0 0 {width} {height}" role="img"',
            f'style="max-width:{width}px;width:100%">',
            f"<title>{escape(self.title)}</title><style>{STYLE}</style><defs>{ARROW}</defs>",
            f'<rect class="sheet" width="{width}" height="{height}"/>',
            *elements,
            "</svg>",
        )
        return [nodes.raw("", "\n".join(parts), format="html")]


def box(kind: str, x: float, y: float, width: float, height: float) -> str:
    """Return a box around a point."""
    left, top = x - width / 2, y - height / 2
    return (
        f'<rect class="{kind}" x="{left:g}" y="{top:g}" width="{width:g}" height="{height:g}" '
        'rx="6"/>'
    )


def text(words: str, x: float, y: float, kind: str = "mid") -> str:
    """Return a text."""
    return f'<text class="{kind}" x="{x:g}" y="{y:g}">{escape(words)}</text>'


def arrow(path: str) -> str:
    """Return a path with a head."""
    return f'<path class="edge" marker-end="url(#tip)" d="{path}"/>'


class PipelineDiagram(Diagram):
    """The steps one after the other: from which state each starts, and what it does."""

    title = "The steps of the pipeline, from the state that each starts from to the next"

    def draw(self) -> tuple[int, int, Iterable[str]]:
        """Return width, height and the elements."""
        from jfcelery.tasks.pipeline import PIPELINE

        return 5 + 145 * len(PIPELINE), 180, self._steps()

    def _steps(self) -> Iterator[str]:
        from jfcelery.tasks.pipeline import PIPELINE

        for number, step in enumerate(PIPELINE):
            x = 75 + 145 * number
            yield box("state", x, 25, 124, 28)
            yield text(step.source, x, 29)
            yield arrow(f"M{x} 39V58")
            yield box("event", x, 75, 134, 32)
            yield text(step.name, x, 79, "mid code")
            if number + 1 < len(PIPELINE):
                yield arrow(f"M{x + 67} 75H{x + 76}")
            said = (inspect.getdoc(step.body) or "").partition("\n")[0]
            for line, part in enumerate(textwrap.wrap(said, 20)):
                yield text(part, x, 110 + 15 * line)


class WayDiagram(Diagram):
    """The states of a job that goes well, and the events between them, from above to below."""

    title = "The states of a job on its way from WAITING to COMPLETED or FAILED"
    #: The middle, and how far from it pairs stand and lines run around others.
    MIDDLE, ASIDE, AROUND = 230, 110, 205
    #: Height of a line, and half the widths of states and events.
    HIGH, STATE, EVENT = 54, 75, 50

    def draw(self) -> tuple[int, int, Iterable[str]]:
        """Return width, height and the elements."""
        from jfcelery.states import TRANSITIONS

        rows = [row for row in TRANSITIONS if row.event in WAY]
        missing = set(WAY) - {row.event for row in rows}
        if missing:
            raise self.error(f"the state table has no {', '.join(sorted(missing))}")
        places = dict(self._places(rows))
        height = round(max(y for _, y in places.values())) + 30
        return 2 * self.MIDDLE, height, self._shapes(rows, places)

    def _places(self, rows: list[Transition]) -> Iterator[tuple[object, tuple[int, int]]]:
        """Yield the middle of each state and row: each stands below all that leads to it."""
        depth: dict[object, int] = {}
        for _ in range(2 * len(rows)):
            for row in rows:
                depth[row] = 1 + max(depth.setdefault(state, 0) for state in row.sources)
                for state in row.targets:
                    depth[state] = max(depth.get(state, 0), depth[row] + 1)
        lines: dict[int, list[object]] = {}
        for thing in sorted(depth, key=_order):
            lines.setdefault(depth[thing], []).append(thing)
        for line, things in lines.items():
            for at, thing in enumerate(things):
                x = self.MIDDLE + (2 * at - len(things) + 1) * self.ASIDE
                yield thing, (x, 30 + self.HIGH * line)

    def _shapes(
        self, rows: list[Transition], places: dict[object, tuple[int, int]]
    ) -> Iterator[str]:
        for row in rows:
            here = places[row]
            for state in row.sources:
                yield self._edge(places[state], here, self.STATE, self.EVENT)
            for state in row.targets:
                yield self._edge(here, places[state], self.EVENT, self.STATE)
        for thing, (x, y) in places.items():
            if isinstance(thing, str):
                yield box("state", x, y, 2 * self.STATE, 28)
                yield text(thing, x, y + 4)
            else:
                yield box("event", x, y, 2 * self.EVENT, 24)
                yield text(getattr(thing, "event", ""), x, y + 4, "mid code")

    def _edge(
        self, above: tuple[int, int], below: tuple[int, int], reach: int, reach_below: int
    ) -> str:
        (x1, y1), (x2, y2) = above, below
        if y2 - y1 == self.HIGH:
            y1, y2 = y1 + 13, y2 - 15
            return arrow(f"M{x1} {y1}C{x1} {y1 + 18} {x2} {y2 - 18} {x2} {y2}")
        # around what stands between them
        side = 1 if max(x1, x2) > self.MIDDLE else -1
        out, half = self.MIDDLE + side * self.AROUND, (y1 + y2) / 2
        start, end = x1 + side * reach, x2 + side * reach_below
        curve = f"M{start} {y1}C{out} {y1} {out} {y1 + 20} {out} {half:g}"
        return arrow(f"{curve}S{out} {y2} {end} {y2}")


def _order(thing: object) -> tuple[int, str]:
    """Return a sort key by which what belongs to batch mode stands on the right."""
    from jfcelery.states import POOL_STATES

    states = {thing} if isinstance(thing, str) else set(getattr(thing, "sources", ()))
    return (1 if states and states <= set(POOL_STATES) else 0, str(thing))


class StateDiagram(Diagram):
    """All changes: a row for each event, a column for each state."""

    title = "All changes of a job's state: by which event, from which states, to which states"
    #: Widths and heights of the columns and rows.
    LEFT, TOP, WIDE, HIGH = 110, 120, 36, 24

    def draw(self) -> tuple[int, int, Iterable[str]]:
        """Return width, height and the elements."""
        from jfcelery.states import TRANSITIONS, JobState

        states = list(JobState)
        width = self.LEFT + self.WIDE * len(states) + 70
        return width, self.TOP + self.HIGH * len(TRANSITIONS) + 40, self._shapes(states)

    def _shapes(self, states: list[JobState]) -> Iterator[str]:
        from jfcelery.states import TRANSITIONS

        bottom = self.TOP + self.HIGH * len(TRANSITIONS)
        for column, state in enumerate(states):
            x = self.LEFT + self.WIDE * column + self.WIDE / 2
            yield f'<path class="column" d="M{x:g} {self.TOP - 6}V{bottom}"/>'
            at = f'transform="translate({x + 4:g} {self.TOP - 10}) rotate(-45)"'
            yield f"<text {at}>{escape(state)}</text>"
        for line, row in enumerate(TRANSITIONS):
            yield from self._row(row, states, self.TOP + self.HIGH * line + self.HIGH / 2)
        y = bottom + 24
        yield f'<circle class="from" cx="{self.LEFT + 8}" cy="{y - 4}" r="6"/>'
        yield text("may start there", self.LEFT + 20, y, "")
        yield f'<circle class="to" cx="{self.LEFT + 138}" cy="{y - 4}" r="3"/>'
        yield text("may lead there", self.LEFT + 150, y, "")

    def _row(self, row: Transition, states: list[JobState], y: float) -> Iterator[str]:
        x = {state: self.LEFT + self.WIDE * (at + 0.5) for at, state in enumerate(states)}
        used = [x[state] for state in row.sources | row.targets]
        yield text(row.event, self.LEFT - 8, y + 4, "end code")
        yield f'<path class="edge" d="M{min(used):g} {y:g}H{max(used):g}"/>'
        for state in states:
            if state in row.sources:
                yield f'<circle class="from" cx="{x[state]:g}" cy="{y:g}" r="6"/>'
            if state in row.targets:
                yield f'<circle class="to" cx="{x[state]:g}" cy="{y:g}" r="3"/>'


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directives."""
    app.add_directive("pipeline-diagram", PipelineDiagram)
    app.add_directive("way-diagram", WayDiagram)
    app.add_directive("state-diagram", StateDiagram)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
