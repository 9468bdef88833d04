"""``jfc job delete``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from jfcelery.cli.job.operate import Options, max_option, operate, waiting_options
from jfcelery.cli.options import add_options, job_selection

if TYPE_CHECKING:
    from jfcelery.controller.filters import JobFilter

#: What goes with deleted jobs.
extent_options = add_options(
    (
        click.option(
            "--output", "-o", "outputs", is_flag=True, help="Delete their outputs in the JobStore."
        ),
        click.option(
            "--files", "-fi", "files", is_flag=True, help="Delete their run folders on the workers."
        ),
        click.option("--all", "-a", "everything", is_flag=True, help="Both --output and --files."),
    )
)


@click.command()
@job_selection
@max_option("delete more jobs")
@extent_options
@waiting_options
def delete(
    selected: JobFilter, most: int, outputs: bool, files: bool, everything: bool, **options: Any
) -> None:
    """Delete jobs.

    Their queue jobs are cancelled first. Jobs that wait for them are not touched and may then
    lack an input; to delete whole flows use `jfc flow delete`.
    """
    from jfcelery.controller.delete import Extent

    extent = Extent(outputs=outputs or everything, files=files or everything)
    operate(
        selected,
        Options(**options),
        lambda actions, jobs, manner: actions.delete(jobs, manner, extent),
        verb="Delete",
        done="deleted",
        warning="This cannot be undone.",
        most=most,
    )
