"""``jfc job set-state``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from jfcelery.cli.job.operate import Options, locking_options, operate
from jfcelery.cli.options import job_selection
from jfcelery.cli.params import StateType
from jfcelery.states import JobState

if TYPE_CHECKING:
    from jfcelery.controller.filters import JobFilter


@click.command("set-state")
@click.argument("new_state", type=StateType(JobState), metavar="NEW_STATE")
@job_selection
@locking_options
def set_state(new_state: JobState, selected: JobFilter, **options: Any) -> None:
    """Set the state of jobs by hand.

    Nothing checks that it makes sense: use it where rerun, retry, stop and resume do not help.
    """
    operate(
        selected,
        Options(**options),
        lambda actions, jobs, manner: actions.set_state(new_state, jobs, manner),
        verb=f"Set to {new_state}",
        done=f"set to {new_state}",
        warning="Nothing checks whether the new state is true: results may become inconsistent.",
    )
