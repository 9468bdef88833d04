"""The files of a job's run folder: their names, and the end of each one that somebody opens."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from nicegui import run, ui

from jfcelery.errors import JfceleryError
from jfcelery.messages import messenger
from jfcelery.web.pages.frame import later, markup, problem
from jfcelery.web.pages.markup import Safe, text

if TYPE_CHECKING:
    from collections.abc import Callable

    from jfcelery.database.documents import JobDoc
    from jfcelery.web.current import Current

#: Most files of a folder that can be opened; the names of the others are not shown.
MOST_OPENED = 200


class Files:
    """A part of a page that lists a run folder once it is opened, and anew each time.

    Args:
        current: The project.
        find: Returns the job.
    """

    def __init__(self, current: Current, find: Callable[[], JobDoc]) -> None:
        self.current = current
        self.find = find
        with ui.expansion("Files of the run folder").classes("card").props("dense") as part:
            self.place = ui.element("div")
            with self.place:
                markup(Safe('<p class="soft">Open to load.</p>'))
        part.on("show", self._look)

    async def _look(self) -> None:
        found = await run.io_bound(self._read)
        if found is None:  # the server ends
            return
        head, names = found
        self.place.clear()
        with self.place:
            markup(head)
            for name in names:
                later(name, partial(tail_of, self.current, self.find, name), within=True)

    def _read(self) -> tuple[Safe, list[str]]:
        """Return what stands above the files, and those that can be opened."""
        try:
            doc = self.find()
            names = messenger(self.current.project).run_files(doc)
        except JfceleryError as error:
            return problem(error), []
        more = len(names) - MOST_OPENED
        others = f" and {more} more files than are shown" if more > 0 else ""
        return Safe(f"<p><code>{text(doc.run_dir)}</code>{others}</p>"), names[:MOST_OPENED]


def tail_of(current: Current, find: Callable[[], JobDoc], name: str) -> Safe:
    """Return the end of a file in a job's run folder."""
    end = text(messenger(current.project).file_tail(find(), name))
    label = f'tabindex="0" role="log" aria-label="End of {text(name)}"'
    return Safe(f'<div class="tail" {label}><pre>{end}</pre></div>')
