"""Notice what changes below a running process: the project file, the embedded services."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from jfcelery.errors import JfceleryError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from jfcelery.project import Project

logger = logging.getLogger(__name__)

#: Seconds between two looks.
INTERVAL = 2.0


class Watcher:
    """A thread that keeps the embedded services up, and says when the process must start anew.

    A process reads the project once: queues, broker and all options. When the project file
    has changed and is sound, or a service has come back at another address, it is
    started again by its supervisor, after its running steps have ended.

    Args:
        project: What the process has read.
        on_change: Called once with the reason.
        vital: Threads without which the process is of no use.
        interval: Seconds between two looks.
    """

    def __init__(
        self,
        project: Project,
        on_change: Callable[[str], None],
        *,
        vital: Sequence[threading.Thread] = (),
        interval: float = INTERVAL,
    ) -> None:
        from jfcelery.services import endpoint

        self._project, self._on_change, self._interval = project, on_change, interval
        self._vital = vital
        self._endpoints = endpoint(project)
        self._stamp = _stamp(project)
        self._complaint = ""
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watcher", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._over.set()

    def look(self) -> str:
        """Look once; return why the process must start anew, or an empty string."""
        from jfcelery.services import endpoint

        for thread in self._vital:
            if not thread.is_alive():
                return f"the thread {thread.name} has ended"
        if self._file_changed():
            return "the project file has changed"
        if endpoint(self._project) != self._endpoints:
            return "a service has moved to another address"
        return ""

    def _run(self) -> None:
        while not self._over.wait(self._interval):
            try:
                reason = self.look()
            except JfceleryError as error:
                self._complain(str(error).replace("\n", " "))
                continue
            except Exception:  # the thread's outermost edge: it must outlive whatever happens
                logger.exception("Could not look at project file and services")
                continue
            self._complaint = ""
            if reason:
                self._on_change(reason)
                return

    def _file_changed(self) -> bool:
        """Return whether the file says something else; while it is unsound it does not count."""
        from jfcelery.project import load_file

        stamp = _stamp(self._project)
        if stamp == self._stamp or self._project.source is None:
            return False
        digest = load_file(self._project.source).digest
        self._stamp = stamp
        return digest != self._project.digest

    def _complain(self, text: str) -> None:
        if text != self._complaint:
            logger.warning("Going on as before: %s", text)
        self._complaint = text


def _stamp(project: Project) -> tuple[int, int, int] | None:
    """Return what tells versions of the project file apart without reading it."""
    if project.source is None:
        return None
    try:
        status = project.source.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino
