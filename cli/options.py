"""The options that many commands share, each written once."""

from __future__ import annotations

import functools
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import click

from jfcelery.cli.completion import flow_ids, job_ids, worker_names
from jfcelery.cli.params import DB_ID, JOB_ID, JOB_UUID, Dictionary, LocalDate, StateType
from jfcelery.controller.filters import FlowFilter, JobFilter
from jfcelery.controller.ids import check_db_id, is_uuid
from jfcelery.errors import InputError
from jfcelery.states import FlowState, JobState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_F = TypeVar("_F", bound="Callable[..., Any]")

_FLOW_IDS = click.option(
    "--flow-id",
    "-fid",
    "flow_ids",
    multiple=True,
    metavar="ID",
    shell_complete=flow_ids,
    help="uuid of a flow, or db id of one of its jobs.  [repeatable]",
)
_DB_IDS = click.option(
    "--db-id",
    "-did",
    "db_ids",
    multiple=True,
    type=DB_ID,
    shell_complete=job_ids,
    help="db id of a job.  [repeatable]",
)
_DATES = (
    click.option(
        "--start-date", "-sdate", type=LocalDate(), help="Changed since then (local time)."
    ),
    click.option("--end-date", "-edate", type=LocalDate(), help="Changed before (local time)."),
)
_AGES = (
    click.option("--days", "-ds", type=click.IntRange(1), help="Changed in the last N days."),
    click.option("--hours", "-hs", type=click.IntRange(1), help="Changed in the last N hours."),
)
_NAME = click.option(
    "--name", "-n", metavar="PATTERN", help="Name; may hold the wildcards * ? [abc]."
)
_METADATA = click.option(
    "--metadata", "-meta", type=Dictionary(), help="key=value pairs, or JSON, of the metadata."
)

workers_option = click.option(
    "--worker",
    "-wk",
    "workers",
    multiple=True,
    shell_complete=worker_names,
    help="Name of a worker.  [repeatable]",
)

#: JFILT of the documentation: what selects jobs.
JOB_FILTER_OPTIONS = (
    click.option(
        "--job-id",
        "-jid",
        "job_ids",
        multiple=True,
        type=JOB_ID,
        metavar="UUID:INDEX",
        help="uuid and index of a job.  [repeatable]",
    ),
    _DB_IDS,
    _FLOW_IDS,
    click.option(
        "--state",
        "-s",
        "states",
        multiple=True,
        type=StateType(JobState),
        help="State, also as short form (R, RERR …).  [repeatable]",
    ),
    *_DATES,
    _NAME,
    _METADATA,
    *_AGES,
    workers_option,
    click.option("--query", "-q", type=Dictionary(), help="Raw MongoDB query, as JSON."),
    click.option("--error-class", metavar="NAME", help="Class of the job's error."),
    click.option(
        "--error-regex",
        metavar="REGEX",
        help="Pattern in the text of the error; of a long one, in its first and last lines.",
    ),
)

#: FFILT of the documentation: what selects flows.
FLOW_FILTER_OPTIONS = (
    click.option(
        "--job-id",
        "-jid",
        "job_ids",
        multiple=True,
        type=JOB_UUID,
        metavar="UUID",
        help="uuid of a job of the flow.  [repeatable]",
    ),
    _DB_IDS,
    _FLOW_IDS,
    click.option(
        "--state",
        "-s",
        "states",
        multiple=True,
        type=StateType(FlowState),
        help="State.  [repeatable]",
    ),
    *_DATES,
    _NAME,
    *_AGES,
)

#: Arguments of JFILT, to take them out of a command's keyword arguments.
_JOB_NAMES = (
    "job_ids",
    "db_ids",
    "flow_ids",
    "states",
    "start_date",
    "end_date",
    "name",
    "metadata",
    "workers",
    "query",
    "error_class",
    "error_regex",
)
_FLOW_NAMES = ("job_ids", "db_ids", "flow_ids", "states", "start_date", "end_date", "name")

json_option = click.option("--json", "as_json", is_flag=True, help="Write JSON (times in UTC).")
yes_option = click.option("--yes", "-y", is_flag=True, help="Do not ask.")
verbosity_option = click.option("--verbosity", "-v", count=True, help="Show more; -vv still more.")
locked_option = click.option(
    "--locked", "-l", is_flag=True, help="Only what a step works on at this moment."
)
count_option = click.option("--count", is_flag=True, help="Only count.")
metadata_option = _METADATA
max_results_option = click.option(
    "--max-results",
    "-m",
    type=click.IntRange(0),
    default=100,
    show_default=True,
    help="Show at most N; 0 for all.",
)
reverse_option = click.option(
    "--reverse-sort", "-revs", is_flag=True, help="Sort in ascending order."
)


def sort_option(*fields: str) -> Callable[[_F], _F]:
    """Return the option ``--sort`` over some fields, the first being the default."""
    return click.option(
        "--sort",
        type=click.Choice(fields),
        default=fields[0],
        show_default=True,
        help="Field to sort by, descending.",
    )


def add_options(options: Iterable[Callable[[_F], _F]]) -> Callable[[_F], _F]:
    """Return a decorator that adds options in the given order."""

    def decorate(function: _F) -> _F:
        for option in reversed(tuple(options)):
            function = option(function)
        return function

    return decorate


def job_filter(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add JFILT to a command, which gets it as one argument ``selected``."""

    @functools.wraps(function)
    def wrapper(**kwargs: Any) -> Any:
        return function(selected=_job_filter(kwargs), **kwargs)

    return add_options(JOB_FILTER_OPTIONS)(wrapper)


def flow_filter(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add FFILT to a command, which gets it as one argument ``selected``."""

    @functools.wraps(function)
    def wrapper(**kwargs: Any) -> Any:
        given = {name: kwargs.pop(name) for name in _FLOW_NAMES}
        given |= {name: kwargs.pop(name) or {} for name in ("metadata",) if name in kwargs}
        dates = _dates(given, kwargs)
        return function(selected=FlowFilter(**(given | dates)), **kwargs)

    return add_options(FLOW_FILTER_OPTIONS)(wrapper)


def job_selection(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``[ID] [INDEX]`` and JFILT to a command, which gets them as one ``selected``.

    An empty filter means that neither was given: the command must then ask.
    """

    @functools.wraps(function)
    def wrapper(job: str | None, index: int | None, **kwargs: Any) -> Any:
        selected = _job_filter(kwargs)
        if job is not None:
            if not selected.is_empty:
                raise click.UsageError("Give either an ID or filter options, not both.")
            selected = one_job(job, index)
        return function(selected=selected, **kwargs)

    arguments = (
        click.argument("job", metavar="[ID]", required=False, shell_complete=job_ids),
        click.argument("index", metavar="[INDEX]", required=False, type=click.IntRange(1)),
    )
    return add_options((*arguments, *JOB_FILTER_OPTIONS))(wrapper)


def one_job(job: str, index: int | None = None) -> JobFilter:
    """Return the filter for the ``ID [INDEX]`` of a command.

    Args:
        job: db id or uuid.
        index: With a uuid, the index; None for the largest one.
    """
    if not is_uuid(job):
        if index is not None:
            raise InputError(
                f"{job} is a db id, which names one job: the index {index} has no meaning",
                remedy="Leave the index out, or give the uuid and the index.",
            )
        return JobFilter(db_ids=(check_db_id(job),))
    return JobFilter(newest=(job,)) if index is None else JobFilter(job_ids=((job, index),))


def job_arguments(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``ID [INDEX]`` to a command about one job, which gets it as ``selected``."""

    @functools.wraps(function)
    def wrapper(job: str, index: int | None, **kwargs: Any) -> Any:
        return function(selected=one_job(job, index), **kwargs)

    arguments = (
        click.argument("job", metavar="ID", shell_complete=job_ids),
        click.argument("index", metavar="[INDEX]", required=False, type=click.IntRange(1)),
    )
    return add_options(arguments)(wrapper)


def _job_filter(kwargs: dict[str, Any]) -> JobFilter:
    """Take the options of JFILT out of a command's arguments."""
    given = {name: kwargs.pop(name) for name in _JOB_NAMES}
    for name in ("metadata", "query"):
        given[name] = given[name] or {}
    return JobFilter(**(given | _dates(given, kwargs)))


def _dates(given: dict[str, Any], kwargs: dict[str, Any]) -> dict[str, Any]:
    """Take days and hours out of a command's arguments and return the start and end date."""
    days, hours = kwargs.pop("days"), kwargs.pop("hours")
    start, end = given["start_date"], given["end_date"]
    used = [
        option
        for option, value in (("--start-date", start), ("--days", days), ("--hours", hours))
        if value
    ]
    if len(used) > 1:
        raise click.UsageError(f"Give only one of {' and '.join(used)}.")
    if days or hours:
        start = datetime.now().astimezone() - timedelta(days=days or 0, hours=hours or 0)
    return {"start_date": start, "end_date": end}
