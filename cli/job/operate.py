"""What all commands that change jobs have in common: say what will be touched, ask, do, report."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from jfcelery.cli.failures import EXIT_REFUSED
from jfcelery.cli.options import add_options, json_option, verbosity_option, yes_option
from jfcelery.cli.output import counted
from jfcelery.states import JobState

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from jfcelery.controller.actions import Actions
    from jfcelery.controller.bulk import Manner, Result
    from jfcelery.controller.filters import FlowFilter, JobFilter
    from jfcelery.database.documents import JobDoc

wait_option = click.option(
    "--wait",
    "-w",
    type=click.FloatRange(0),
    help="Seconds to wait for jobs that a step works on.  [default: 30]",
)
break_lock_option = click.option(
    "--break-lock", "-bl", is_flag=True, help="Take jobs away from the steps that work on them."
)
raise_option = click.option(
    "--raise-on-error", "-re", is_flag=True, help="Stop at the first job that is refused."
)
_COMMON = (raise_option, yes_option, verbosity_option, json_option)

#: Options of operations that may take a job away from a step.
locking_options = add_options((wait_option, break_lock_option, *_COMMON))
#: Options of operations that never do.
waiting_options = add_options((wait_option, *_COMMON))
#: Options of operations that do not wait, either.
plain_options = add_options(_COMMON)


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options that all operations share."""

    wait: float | None = None
    break_lock: bool = False
    raise_on_error: bool = False
    yes: bool = False
    verbosity: int = 0
    as_json: bool = False


def operate(
    selected: JobFilter,
    options: Options,
    act: Callable[[Actions, JobFilter, Manner], Result],
    *,
    verb: str,
    done: str,
    warning: str | Callable[[Sequence[JobDoc]], str] = "",
    most: int = 0,
    only: Collection[JobState] = (),
) -> None:
    """Do something to all jobs that a filter selects, and end with status 1 if any is refused.

    Args:
        selected: The filter.
        options: The options that all operations share.
        act: Does it.
        verb: What is going to be done, as in ``Pause 3 jobs``.
        done: What was done, as in ``3 jobs paused``.
        warning: What the person is asked to confirm, whatever the filter; or what finds it.
        most: Refuse to touch more jobs than this; 0 for no limit.
        only: States of jobs for which it is meant. Others are left as they are where a filter
            selects some of both; what is named is refused.
    """
    from jfcelery.cli.output import progress
    from jfcelery.cli.state import open_controller
    from jfcelery.controller.bulk import Manner

    with open_controller() as controller:
        docs, meant, others = controller.actions.select(selected), selected, Counter[JobState]()
        if only and not (selected.names_jobs or options.raise_on_error):
            meant, others = _meant(selected, docs, only)
            docs = controller.actions.select(meant) if others else docs
        refuse_more("job", len(docs), meant, most, done)
        _announce(docs, options, verb)
        words = warning(docs) if callable(warning) else warning
        if not _agreed(selected, options, words, verb, len(docs)):
            raise click.Abort
        with progress(verb, len(docs)) as advance:
            manner = Manner(
                wait=options.wait,
                break_lock=options.break_lock,
                strict=options.raise_on_error,
                progress=advance,
            )
            result = act(controller.actions, meant, manner)
    if others and not options.as_json:
        from jfcelery.controller.words import left

        click.echo(left(others), err=True)
    report(result, done, as_json=options.as_json)


def _meant(
    selected: JobFilter, docs: Sequence[JobDoc], only: Collection[JobState]
) -> tuple[JobFilter, Counter[JobState]]:
    """Return the filter for the jobs in some states, and how many others there are by state.

    Where none is in these states it stays as it is, so that all are refused with the reason.
    """
    states = Counter(doc.state for doc in docs)
    chosen = tuple(state for state in states if state in only)
    if not chosen:
        return selected, Counter()
    others = Counter({state: n for state, n in states.items() if state not in only})
    return replace(selected, states=chosen), others


def max_option(what: str) -> Callable[[Any], Any]:
    """Return the option that bounds how many things a command touches."""
    return click.option(
        "--max",
        "-m",
        "most",
        type=click.IntRange(0),
        default=10,
        show_default=True,
        help=f"Refuse to {what} than this; 0 for no limit.",
    )


def refuse_more(
    noun: str, number: int, selected: JobFilter | FlowFilter, most: int, done: str
) -> None:
    """Refuse to touch more things than a limit, 0 for none.

    Raises:
        InputError: There are more.
    """
    from jfcelery.errors import InputError

    if most and number > most:
        raise InputError(
            f"{number} {noun}s match: {selected.describe()}; at most {most} are {done}.",
            remedy=f"If all of them are meant: --max {number}",
        )


def report(result: Result, done: str, *, as_json: bool) -> None:
    """Say what was changed and what was refused."""
    if as_json:
        from jfcelery.cli.output import write_json

        refused, remarks = (
            [{"db_id": one.db_id, "reason": one.reason} for one in told]
            for told in (result.refused, result.remarks)
        )
        write_json({"changed": list(result.changed), "refused": refused, "remarks": remarks})
    else:
        from jfcelery.controller.words import outcome, refusals

        click.echo(outcome(done, result))
        for line in refusals(result):
            click.echo(click.style(line, fg="yellow"), err=True)
    if result.refused:
        raise click.exceptions.Exit(EXIT_REFUSED)


def _announce(docs: Sequence[JobDoc], options: Options, verb: str) -> None:
    """Print on stderr what will be touched."""
    from jfcelery.controller.words import announcement

    click.echo(announcement(verb, docs), err=True)
    if options.verbosity:
        from jfcelery.cli.job.columns import chosen_columns, job_table
        from jfcelery.cli.output import print_fitting
        from jfcelery.controller.info import JobInfo

        columns = chosen_columns(None, None, options.verbosity - 1)
        jobs = [JobInfo.of(doc) for doc in docs]
        print_fitting(partial(job_table, jobs, columns), stderr=True)


def _agreed(selected: JobFilter, options: Options, warning: str, verb: str, number: int) -> bool:
    """Ask, where something is to be asked."""
    if options.yes or not (warning or selected.is_empty):
        return True
    if selected.is_empty:
        click.echo("No filter is given, so these are all jobs of the project.", err=True)
    if warning:
        click.echo(click.style(warning, fg="yellow"), err=True)
    return click.confirm(f"{verb} {counted(number, 'job')}?", err=True)
