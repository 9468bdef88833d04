"""How results look: tables that fit the terminal, stable JSON, local times on the screen."""

from __future__ import annotations

import json
import os
import re
import sys
from contextlib import contextmanager
from dataclasses import fields, is_dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import TYPE_CHECKING, Any

import click

from jfcelery.cli.lines import FOLDED, GAP, in_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Iterator, Mapping

    from rich.console import Console
    from rich.table import Column, Table

#: How a time is written on the screen.
DATE_FORMAT = "%Y-%m-%d %H:%M"
#: How far a time may be from now to be clear without its year.
CLEAR = timedelta(days=180)
#: Characters of a uuid where the whole of it has no room; enough to tell flows and jobs apart.
SHORT_ID = 8
#: Markup of rich, but for escaped brackets.
_MARKUP = re.compile(r"(?<!\\)\[[^\[\]]*\]")
#: What a terminal obeys: sequences of colours and the like, and titles; see ECMA-48.
_SEQUENCES = re.compile(r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\r")
#: All else that is no text, but for lines and tabs; and what turns the direction of text.
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
#: Columns where the output is no terminal and COLUMNS is not set: wide, so that ids stay whole.
PIPE_WIDTH = 200
#: Colours of the states of jobs and flows.
STATE_STYLES = {
    "WAITING": "bright_black",
    "READY": "cyan",
    "CHECKED_OUT": "blue",
    "UPLOADED": "blue",
    "SUBMITTED": "bright_blue",
    "BATCH_SUBMITTED": "bright_blue",
    "RUNNING": "yellow",
    "BATCH_RUNNING": "yellow",
    "RUN_FINISHED": "blue",
    "DOWNLOADED": "blue",
    "COMPLETED": "green",
    "FAILED": "bold red",
    "REMOTE_ERROR": "bold red",
    "PAUSED": "magenta",
    "STOPPED": "dark_orange",
    "USER_STOPPED": "dark_orange",
}


def console(*, stderr: bool = False) -> Console:
    """Return a console of the width of the terminal, or of COLUMNS, or wide in a pipe."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    width = None
    if not stream.isatty() and not os.environ.get("COLUMNS", "").isdigit():
        width = PIPE_WIDTH
    return Console(file=stream, width=width, highlight=False, soft_wrap=False, emoji=False)


def table(title: str, headers: Iterable[str], *, whole: Container[str] = ()) -> Table:
    """Return an empty table without outer lines, which leaves more room for the content.

    Args:
        title: What stands above.
        headers: Titles of the columns.
        whole: Titles of columns whose cells are not broken into lines.
    """
    from rich import box
    from rich.table import Table

    made = Table(title=title or None, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    made.show_edge = False
    made.min_width = len(title)  # or rich folds it to the width of the columns
    for header in headers:
        made.add_column(header, overflow="fold", no_wrap=header in whole)
    return made


def print_fitting(make: Callable[..., Table], *, stderr: bool = False) -> None:
    """Print a table with whole uuids where a row then has room in a line, else with short ones.

    Where that is not enough, columns in which nothing stands are left out, then titles get a line
    for each word, then long texts or, if there are too many columns, rows go on in further lines.

    Args:
        make: Makes the table; its argument ``short`` says whether ids are cut short.
        stderr: Whether it goes to stderr.
    """
    out = console(stderr=stderr)
    shown = make(short=False)
    if _width(shown) > out.width:
        shown = make(short=True)
    if _width(shown) > out.width and shown.row_count:
        full = (column for column in shown.columns if any(column.cells))
        shown.columns = [replace(column, _index=place) for place, column in enumerate(full)]
    if _width(shown) > out.width:
        for column in shown.columns:
            column.header = str(column.header).replace(" ", "\n")
    lines = in_lines(shown, out.width)
    if lines is None:  # long texts are folded; short ones stay whole, if all of them can
        least = sum(min(_widest(column), FOLDED) for column in shown.columns)
        for column in shown.columns if least + GAP * len(shown.columns) <= out.width else ():
            column.no_wrap = column.no_wrap or _widest(column) <= FOLDED
    out.print(shown if lines is None else lines)


def _width(shown: Table) -> int:
    """Return the width of a table without a broken line; rich's own measuring takes longer."""
    return sum(map(_widest, shown.columns)) + GAP * (len(shown.columns) - 1)


def _widest(column: Column) -> int:
    texts = (str(column.header), *map(str, column.cells))
    return max(len(line) for text in texts for line in _plain_lines(text))


def _plain_lines(text: str) -> list[str]:
    return _MARKUP.sub("", text).split("\n") if "[" in text else text.split("\n")


def identifier(uuid: str, *, short: bool) -> str:
    """Return a uuid, or its first characters."""
    return f"{uuid[:SHORT_ID]}…" if short else uuid


def styled_state(state: str, *, errors: int = 0) -> str:
    """Return a state in its colour; with errors, their number behind it."""
    style = STATE_STYLES.get(state, "default")
    extra = f" [bold red]({errors} in REMOTE_ERROR)[/]" if errors else ""
    return f"[{style}]{state}[/]{extra}"


def escape(text: object) -> str:
    """Return a text so that rich does not read it as markup, nor the terminal as orders."""
    from rich.markup import escape as rich_escape

    return rich_escape(printable(str(text)))


def printable(text: str) -> str:
    """Return a text that no terminal obeys: names and errors may come from a worker's host."""
    if text.isprintable():
        return text
    return _CONTROLS.sub("\N{REPLACEMENT CHARACTER}", _SEQUENCES.sub("", text))


def counted(number: int, noun: str) -> str:
    """Return a number with its noun: ``1 job``, ``2 jobs``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def local_time(moment: datetime | None, *, seconds: bool = False) -> str:
    """Return a time as the screen shows it: local; an empty string for None."""
    if moment is None:
        return ""
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return aware.astimezone().strftime(DATE_FORMAT + (":%S" if seconds else ""))


def short_time(moment: datetime | None) -> str:
    """Return a time without the year; without the hour if it takes the year to be clear."""
    day, _, hour = local_time(moment).partition(" ")
    if moment is None or abs(datetime.now(UTC) - moment) > CLEAR:
        return day
    return f"{day.partition('-')[2]} {hour}"


def zone() -> str:
    """Return the name of the local time zone, for headers."""
    return datetime.now().astimezone().tzname() or "local"


def duration(seconds: float | None) -> str:
    """Return a duration as ``h:mm:ss``; an empty string for None."""
    if seconds is None:
        return ""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"


def write_json(value: Any) -> None:
    """Write a value as JSON: sorted by nothing, times as ISO 8601 in UTC."""
    click.echo(json.dumps(value, indent=2, default=_plain, ensure_ascii=False))


def say(text: str, data: Mapping[str, Any], *, as_json: bool) -> None:
    """Write what a command did: a sentence for a person, or an object for a program."""
    if as_json:
        write_json(data)
    else:
        click.echo(printable(text))


def _plain(value: Any) -> Any:
    """Return what JSON has for a value that it does not know."""
    if isinstance(value, datetime):
        aware = value if value.tzinfo else value.replace(tzinfo=UTC)
        return aware.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, (set, frozenset, tuple)):
        return list(value)
    return _fields(value) or str(value)


def _fields(value: Any) -> dict[str, Any] | None:
    """Return a model, a dataclass or an MSONable as a dictionary; None for anything else."""
    if hasattr(value, "model_dump"):
        dumped: dict[str, Any] = value.model_dump(mode="python")
        return dumped
    if hasattr(value, "as_dict"):
        written: dict[str, Any] = value.as_dict()
        return written
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    return None


def hint(text: str) -> None:
    """Write a suggestion to stderr, unless the settings switch suggestions off."""
    from jfcelery.settings import settings

    if settings().cli_suggestions:
        click.echo(click.style(printable(text), fg="yellow"), err=True)


@contextmanager
def progress(label: str, total: int | None = None) -> Iterator[Callable[[int], None]]:
    """Show a progress bar on stderr while the body runs; it calls what it gets with a count.

    Nothing is shown where stderr is no terminal.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    out = console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=out, transient=True, disable=not out.is_terminal) as bar:
        task = bar.add_task(label, total=total)
        yield lambda count: bar.update(task, completed=count)
