"""One thing in full on the screen: names on the left, values on the right."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from jfcelery.cli.output import console, duration, escape, local_time, styled_state, zone

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

#: Names whose values are states, to be shown in their colours.
_STATES = frozenset({"state", "previous_state"})
#: Names whose values are durations in seconds; from a minute on they have hours and minutes.
_SECONDS, MINUTE = frozenset({"run_time"}), 60


def print_mapping(content: Mapping[str, Any], *, show_none: bool = False) -> None:
    """Print names and values, nested ones below each other.

    Args:
        content: What to print.
        show_none: Print names without a value, too.
    """
    from rich.table import Table

    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(style="cyan", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, text in _rows(content, show_none=show_none):
        grid.add_row(name, text)
    console().print(grid)


def _rows(
    content: Mapping[str, Any], *, show_none: bool, indent: str = ""
) -> Iterator[tuple[str, str]]:
    for name, value in content.items():
        if value is None or value in ([], {}):
            if show_none:
                yield f"{indent}{escape(name)}", "None" if value is None else escape(value)
        elif isinstance(value, dict) and value:
            rows = list(_rows(value, show_none=show_none, indent=f"{indent}  "))
            if rows:
                yield f"{indent}{escape(name)}", ""
                yield from rows
        else:
            yield f"{indent}{escape(name)}", _text(name, value)


def _text(name: str, value: Any) -> str:
    if isinstance(value, datetime):
        return f"{local_time(value, seconds=True)} {zone()}"
    if isinstance(value, list):
        return _listed(value)
    if name in _STATES:
        return styled_state(str(value))
    if name in _SECONDS:
        return f"{value:g} s" if value < MINUTE else duration(value)
    if isinstance(value, float):
        return f"{value:g}"
    return escape(value)


def _listed(values: Iterable[Any]) -> str:
    return "\n".join(escape(value) for value in values)
