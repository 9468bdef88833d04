"""``jfc job resume``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from jfcelery.cli.job.operate import Options, operate, waiting_options
from jfcelery.cli.options import job_selection
from jfcelery.states import sources_of

if TYPE_CHECKING:
    from jfcelery.controller.filters import JobFilter


@click.command()
@job_selection
@waiting_options
def resume(selected: JobFilter, **options: Any) -> None:
    """Let PAUSED, STOPPED and USER_STOPPED jobs go on."""
    operate(
        selected,
        Options(**options),
        lambda actions, jobs, manner: actions.resume(jobs, manner),
        verb="Resume",
        done="resumed",
        only=sources_of("resume"),
    )
