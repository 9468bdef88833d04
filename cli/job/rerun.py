"""``jfc job rerun``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from jfcelery.cli.job.operate import Options, locking_options, operate
from jfcelery.cli.options import job_selection

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jfcelery.controller.filters import JobFilter
    from jfcelery.database.documents import JobDoc


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
    del no_delete
    operate(
        selected,
        Options(**options),
        lambda actions, jobs, manner: actions.rerun(jobs, manner, force=force),
        verb="Rerun",
        done="set to start again",
        warning=lambda docs: _warning(docs, force=force),
    )


def _warning(docs: Sequence[JobDoc], *, force: bool) -> str:
    """Return what is lost, if anything is."""
    from jfcelery.cli.output import counted
    from jfcelery.states import JobState

    words = []
    running = [d for d in docs if d.state in {JobState.RUNNING, JobState.BATCH_RUNNING}]
    if running:
        verb = "runs" if len(running) == 1 else "run"
        words.append(f"{counted(len(running), 'job')} {verb} at this moment, and would be killed.")
    if force:
        words.append("Results that depend on these jobs are given up and computed anew.")
    return "\n".join(words)
