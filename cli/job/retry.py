"""``jfc job retry``."""

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
def retry(selected: JobFilter, **options: Any) -> None:
    """Try the step again at which jobs ended in REMOTE_ERROR."""
    operate(
        selected,
        Options(**options),
        lambda actions, jobs, manner: actions.retry(jobs, manner),
        verb="Retry",
        done="will be tried again",
    )
