"""The commands ``jfc job …``."""

from __future__ import annotations

import click

from jfcelery.cli.lazy import Entry, LazyGroup

#: Commands of ``jfc job``, in the order of its help.
COMMANDS: dict[str, Entry] = {
    "list": Entry("jfcelery.cli.job.list:list_jobs", "List jobs."),
    "info": Entry("jfcelery.cli.job.info:info", "Show all that is known of one job."),
    "output": Entry("jfcelery.cli.job.output:output", "Show the output of a job."),
    "queue-out": Entry("jfcelery.cli.job.queue_out:queue_out", "Show stdout and stderr of a job."),
    "history": Entry("jfcelery.cli.job.history:history", "Show every change of a job's state."),
    "files": Entry("jfcelery.cli.job.files:files", "Look at files of a run folder."),
}


@click.group(cls=LazyGroup, name="job", entries=COMMANDS)
def job() -> None:
    """Look at jobs and change them."""
