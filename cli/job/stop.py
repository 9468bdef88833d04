"""``jfc job stop``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from jfcelery.cli.job.operate import Options, locking_options, operate
from jfcelery.cli.options import job_selection

if TYPE_CHECKING:
    from jfcelery.controller.filters import JobFilter


@click.command()
@job_selection
@locking_options
def stop(selected: JobFilter, **options: Any) -> None:
    """Stop READY and running jobs, and remove them from their queues."""
    operate(
        selected,
        Options(**options),
        lambda actions, jobs, manner: actions.stop(jobs, manner),
        verb="Stop",
        done="stopped",
    )
