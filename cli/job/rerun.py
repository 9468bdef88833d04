"""``jfc job rerun``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from jfcelery.cli.job.operate import Options, locking_options, operate
from jfcelery.cli.options import job_selection

if TYPE_CHECKING:
    from jfcelery.controller.filters import JobFilter


@click.command()
@job_selection
@click.option(
    "--force",
    "-f",
    is_flag=True,
    help="Rerun also what is COMPLETED, or has started jobs below it; these start again, too.",
)
@click.option(
    "--no-delete",
    "-nd",
    is_flag=True,
    help="Accepted for habit: the files of earlier attempts are always kept.",
)
@locking_options
def rerun(selected: JobFilter, force: bool, no_delete: bool, **options: Any) -> None:
    """Run jobs again from their beginning.

    Their queue jobs are cancelled, jobs that depend on them wait for them again, jobs that they
    had made are archived. The earlier attempts stay in `jfc job history`.
    """
    from jfcelery.controller.words import rerun_wording

    del no_delete
    spoken = rerun_wording(force=force)
    operate(
        selected,
        Options(**options),
        lambda actions, jobs, manner: actions.rerun(jobs, manner, force=force),
        verb=spoken.verb,
        done=spoken.done,
        warning=spoken.warning,
    )
