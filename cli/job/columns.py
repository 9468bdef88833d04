"""The columns of a list of jobs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from itertools import cycle
from typing import TYPE_CHECKING, Any

from jfcelery.cli.lazy import did_you_mean
from jfcelery.cli.output import (
    SHORT_ID,
    duration,
    escape,
    identifier,
    local_time,
    short_time,
    styled_state,
    table,
    zone,
)
from jfcelery.errors import InputError
from jfcelery.states import JobState

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rich.table import Table

    from jfcelery.controller.info import JobInfo

#: Style of the state of a job that a step failed on and that is tried again by itself.
RETRY_STYLE = "bold orange3"
#: Colours by which jobs of one flow are told from those of another.
FLOW_COLOURS = ("green", "yellow", "blue", "magenta", "cyan", "red", "bright_green", "bright_blue")
#: Most characters of metadata in a cell.
METADATA_LENGTH = 60
_RUNS = frozenset({JobState.RUNNING, JobState.BATCH_RUNNING})


@dataclass(frozen=True)
class Column:
    """One column.

    Args:
        header: Its title.
        cell: Returns the text of a job, as rich markup.
        zoned: Whether the time zone stands in the title.
        folds: Whether long texts go on in a second line.
        short: Returns a shorter text, for terminals on which the long one has no room.
    """

    header: str
    cell: Callable[[JobInfo], str]
    zoned: bool = False
    folds: bool = True
    short: Callable[[JobInfo], str] | None = None

    @property
    def title(self) -> str:
        """The title, with the time zone where one belongs there."""
        return f"{self.header}\n\\[{zone()}]" if self.zoned else self.header

    def text(self, job: JobInfo, *, short: bool) -> str:
        """Return the text of a job, a shorter one if there is one and it is wanted."""
        return self.short(job) if short and self.short else self.cell(job)


def _state(job: JobInfo) -> str:
    if job.retry_at is not None and job.remote.error:
        return f"[{RETRY_STYLE}]{job.state}[/]"
    return styled_state(job.state)


def _run_time(job: JobInfo) -> str:
    if job.state in _RUNS and job.start_time and not job.end_time:
        return f"~{duration(job.estimated_run_time)}"
    return duration(job.run_time)


def _queue_id(job: JobInfo, *, short: bool = False) -> str:
    number = job.remote.process_id or ""
    return escape(identifier(number, short=short and len(number) > SHORT_ID + 1))


def _job_id(job: JobInfo, *, short: bool = False) -> str:
    return f"{identifier(job.uuid, short=short)} ({job.index})"


def _metadata(job: JobInfo) -> str:
    text = ", ".join(f"{key}={value}" for key, value in job.metadata.items())
    return escape(text if len(text) <= METADATA_LENGTH else f"{text[:METADATA_LENGTH]}…")


#: All columns by the name by which ``--output`` asks for them.
COLUMNS: dict[str, Column] = {
    "db_id": Column("DB id", lambda job: job.db_id, folds=False),
    "name": Column("Name", lambda job: escape(job.name)),
    "state": Column("State", _state, folds=False),
    "job_id": Column("Job id\n(Index)", _job_id, folds=False, short=partial(_job_id, short=True)),
    "worker": Column("Worker", lambda job: escape(job.worker)),
    "last_updated": Column(
        "Last updated",
        lambda job: local_time(job.updated_on),
        zoned=True,
        folds=False,
        short=lambda job: short_time(job.updated_on),
    ),
    "queue_id": Column("Queue id", _queue_id, short=partial(_queue_id, short=True)),
    "run_time": Column("Run time", _run_time),
    "retry_time": Column(
        "Retry time",
        lambda job: local_time(job.retry_at),
        zoned=True,
        short=lambda job: short_time(job.retry_at),
    ),
    "prev_state": Column(
        "Prev state",
        lambda job: job.previous_state or "",
        short=lambda job: job.previous_state.short if job.previous_state else "",
    ),
    "locked": Column("Locked", lambda job: "*" if job.is_locked else ""),
    "lock_id": Column("Lock id", lambda job: escape(job.lock_id or "")),
    "lock_time": Column(
        "Lock time",
        lambda job: local_time(job.lock_time),
        zoned=True,
        short=lambda job: short_time(job.lock_time),
    ),
    "metadata": Column("Metadata", _metadata),
    "flow": Column(
        "Flow id",
        lambda job: job.flow,
        folds=False,
        short=lambda job: identifier(job.flow, short=True),
    ),
    "attempt": Column("Attempt", lambda job: str(job.attempt)),
    "priority": Column("Priority", lambda job: str(job.priority)),
    "error_class": Column("Error", lambda job: escape(job.error_class or "")),
    "waiting": Column("Waits for", lambda job: escape(job.remote.waiting or "")),
}
#: Columns without ``-v``, with one and with two.
BY_VERBOSITY = (
    ("db_id", "name", "state", "job_id", "worker", "last_updated"),
    ("queue_id", "run_time", "retry_time", "prev_state", "locked"),
    ("lock_id", "lock_time", "metadata", "attempt", "priority", "error_class", "waiting"),
)


def chosen_columns(
    asked: str | None, configured: Sequence[str] | None, verbosity: int
) -> list[str]:
    """Return the names of the columns to show.

    Args:
        asked: Names separated by commas, of ``--output``.
        configured: Names in the person's settings.
        verbosity: How often ``-v`` was given.

    Raises:
        InputError: There is no such column.
    """
    names = [name.strip() for name in asked.split(",")] if asked else list(configured or ())
    if not names or (verbosity and not asked):
        shown = BY_VERBOSITY[: verbosity + 1]
        return [name for group in shown for name in group]
    for name in names:
        if name not in COLUMNS:
            raise InputError(
                f"There is no column {name!r}.{did_you_mean(name, COLUMNS)}",
                remedy=f"Columns: {', '.join(COLUMNS)}",
            )
    return names


def job_table(
    jobs: Sequence[JobInfo],
    columns: Sequence[str],
    *,
    stored_data: Sequence[str] = (),
    colour_flows: bool = False,
    title: str = "",
    short: bool = False,
) -> Table:
    """Return the table of jobs.

    Args:
        jobs: The jobs.
        columns: Names of columns.
        stored_data: Keys of ``stored_data``, each a further column.
        colour_flows: Whether names of jobs of one flow get one colour.
        title: What stands above.
        short: Whether ids are cut short.
    """
    wanted = [COLUMNS[name] for name in columns]
    titles = [column.title for column in wanted]
    whole = {column.title for column in wanted if not column.folds}
    shown = table(title, [*titles, *map(escape, stored_data)], whole=whole)
    colours = dict(zip(dict.fromkeys(job.flow for job in jobs), cycle(FLOW_COLOURS), strict=False))
    for job in jobs:
        cells = [column.text(job, short=short) for column in wanted]
        if colour_flows and "name" in columns:
            place = list(columns).index("name")
            cells[place] = f"[{colours[job.flow]}]{cells[place]}[/]"
        cells += [_stored(job, key) for key in stored_data]
        shown.add_row(*cells)
    return shown


def _stored(job: JobInfo, key: str) -> str:
    value: Any = (job.stored_data or {}).get(key)
    return "" if value is None else escape(value)
