"""A progress bar for jobs, in a terminal or a notebook."""

from __future__ import annotations

import sys
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
    with _notebook_bar() if _in_notebook() else _terminal_bar() as show:
        yield show


@contextmanager
def _terminal_bar() -> Iterator[Callable[[dict[JobState, int]], None]]:
    """Show a bar in a terminal."""
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


def _in_notebook() -> bool:
    """Return whether this process is the kernel of a notebook."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return hasattr(shell, "kernel")


@contextmanager
def _notebook_bar() -> Iterator[Callable[[dict[JobState, int]], None]]:
    """Show a bar in a notebook; unlike rich's it needs no ipywidgets."""
    from IPython.display import HTML, DisplayHandle

    from jfcelery.notebook import progress as bar

    handle, shown = DisplayHandle(), ""
    handle.display(HTML(shown))

    def show(counts: dict[JobState, int]) -> None:
        nonlocal shown
        if (html := bar(counts)) != shown:
            handle.update(HTML(html))
            shown = html

    yield show
