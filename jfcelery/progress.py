"""A progress bar for jobs, in a terminal or a notebook."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from jfcelery.states import JobState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextmanager
def progress_bar() -> Iterator[Callable[[dict[JobState, int]], None]]:
    """Show a bar that grows with the number of COMPLETED jobs.

    Yields:
        A function to call with the number of jobs in each state.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[words]}"),
    )
    with Progress(*columns) as progress:
        task = progress.add_task("jobs", total=None, words="")

        def show(counts: dict[JobState, int]) -> None:
            others = {s: n for s, n in counts.items() if s != JobState.COMPLETED and n}
            progress.update(
                task,
                total=sum(counts.values()),
                completed=counts.get(JobState.COMPLETED, 0),
                words=", ".join(f"{n} {state}" for state, n in sorted(others.items())),
            )

        yield show
