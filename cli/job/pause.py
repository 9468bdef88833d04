"""``jfc job pause``."""

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
def pause(selected: JobFilter, **options: Any) -> None:
    """Keep READY and WAITING jobs from starting; `resume` lets them go on."""
    operate(
        selected,
        Options(**options),
        lambda actions, jobs, manner: actions.pause(jobs, manner),
        verb="Pause",
        done="paused",
        only=sources_of("pause"),
    )
