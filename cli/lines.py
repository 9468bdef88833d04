"""A table as lines of text, whose rows go on in further lines where the terminal is narrow.

It looks as rich makes it, who measures, pads and wraps each cell: a tenth of a second for a
hundred jobs. rich has no rows of several lines of cells either.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from rich.table import Table
    from rich.text import Text

#: Characters between two columns.
GAP = 2
#: Characters that a column needs so that texts can go on in its next line.
FOLDED = 12


@dataclass(frozen=True)
class _Column:
    """One column.

    Args:
        title: The lines of its title.
        cells: The lines of each of its cells.
        width: Characters that the longest of these needs.
        least: Characters that it needs at least, if texts go on in further lines.
    """

    title: list[Text]
    cells: list[list[Text]]
    width: int
    least: int

    @classmethod
    def of(cls, header: str, cells: Iterable[str], *, whole: bool) -> _Column:
        """Return a column; the cells of a whole one stay in one line."""
        title, texts = list(_text(header).split()), [_text(cell) for cell in cells]
        width = max(text.cell_len for text in (*title, *texts))
        least = width if whole else min(width, FOLDED)
        return cls(title, [[text] for text in texts], width, least)

    def folded(self, most: int) -> _Column:
        """Return it with texts that go on in further lines where they are too long."""
        if self.width <= most:
            return self
        from rich.console import Console

        out = Console()
        cells = [
            [line for text in cell for line in text.wrap(out, most, overflow="fold")]
            for cell in self.cells
        ]
        return replace(self, cells=cells, width=most)


def in_lines(shown: Table, room: int) -> Text | None:
    """Return a table whose rows have room in a line each, or in a few.

    Args:
        shown: The table; its titles have their words below each other.
        room: Characters of a line.

    Returns:
        None where rich does better: it has a title, cells of several lines, or long texts that can
        go on below themselves while all else has room; or the terminal is narrower than anybody's.
    """
    from rich.text import Text

    texts = [list(map(str, column.cells)) for column in shown.columns]
    if shown.title or any("\n" in cell for column in texts for cell in column):
        return None
    columns = [
        _Column.of(str(made.header), cells, whole=made.no_wrap)
        for made, cells in zip(shown.columns, texts, strict=True)
    ]
    least = sum(column.least for column in columns) + GAP * (len(columns) - 1)
    if least <= room < _width(columns):
        return None
    rest = room - columns[0].width - GAP
    if rest < FOLDED:
        return None
    parts = list(_parts([columns[0], *(column.folded(rest) for column in columns[1:])], room))
    widest = max(map(_width, parts))
    heads, bodies = zip(*(_lines_of(part) for part in parts), strict=True)
    lines = [line for head in heads for line in head]
    for line in lines:
        line.stylize("bold")
    lines.append(Text("─" * widest))
    lines += [line for row in zip(*bodies, strict=True) for part in row for line in part]
    return Text("\n").join(lines)


def _width(columns: Sequence[_Column]) -> int:
    return sum(column.width for column in columns) + GAP * (len(columns) - 1)


def _parts(columns: Sequence[_Column], room: int) -> Iterator[list[_Column]]:
    """Yield the columns of each line of a row; the first column indents all but the first line."""
    part: list[_Column] = []
    for column in columns:
        if part and _width([*part, column]) > room:
            yield part
            first = columns[0]
            part = [replace(first, title=[], cells=[[]] * len(first.cells))]
        part.append(column)
    yield part


def _lines_of(columns: Sequence[_Column]) -> tuple[list[Text], list[list[Text]]]:
    """Return the lines of the titles, and those of each row."""
    height = max(len(column.title) for column in columns)
    blank = [_text("")]
    titles = [blank * (height - len(column.title)) + column.title for column in columns]
    widths = [column.width for column in columns]
    rows = zip(*(column.cells for column in columns), strict=True)
    return (
        [_line(line, widths) for line in zip(*titles, strict=True)],
        [_row(row, widths) for row in rows],
    )


def _row(cells: Sequence[Sequence[Text]], widths: Sequence[int]) -> list[Text]:
    return [_line(line, widths) for line in zip_longest(*cells, fillvalue=_text(""))]


def _text(cell: str) -> Text:
    from rich.text import Text

    return Text.from_markup(cell, emoji=False) if "[" in cell or "\\" in cell else Text(cell)


def _line(row: Sequence[Text], widths: Sequence[int]) -> Text:
    from rich.text import Text

    line = Text()
    for place, (cell, width) in enumerate(zip(row, widths, strict=True)):
        line.append(" " * GAP if place else "").append_text(cell)
        line.append(" " * (width - cell.cell_len))
    return line
