"""What the demonstration shows while its jobs run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jfcelery.states import JobState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType

    from jfcelery.database.documents import JobDoc

#: How a job's line looks: a sign and a style for the states that catch the eye.
SIGNS = {
    JobState.WAITING: ("·", "bright_black"),
    JobState.READY: ("·", "cyan"),
    JobState.RUNNING: ("►", "yellow"),
    JobState.COMPLETED: ("✓", "green"),
    JobState.FAILED: ("✗", "bold red"),
    JobState.REMOTE_ERROR: ("✗", "bold red"),
}
#: The same for every other state: the job is on its way to or from its worker.
ON_ITS_WAY = ("►", "blue")


def job_table(jobs: Sequence[JobDoc]) -> RenderableType:
    """Return a line for each job: name and state, in the order in which they were added."""
    from rich.table import Table

    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for doc in jobs:
        sign, style = SIGNS.get(doc.state, ON_ITS_WAY)
        table.add_row(f"[{style}]{sign}[/]", _label(doc), f"[{style}]{doc.state}[/]")
    done = sum(doc.state is JobState.COMPLETED for doc in jobs)
    table.caption = f"{done} of {len(jobs)} jobs completed"
    table.caption_justify = "left"
    return table


def _label(doc: JobDoc) -> str:
    """Return a job's name; the index tells a job from what has replaced it."""
    return doc.job.name if doc.index == 1 else f"{doc.job.name} ({doc.index})"
