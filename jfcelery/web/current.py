"""The controller of the project as its file says now."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING

from jfcelery.controller import JobController
from jfcelery.database.connection import open_queue
from jfcelery.errors import ConfigError
from jfcelery.project import load_file
from jfcelery.web.shared import Shared

if TYPE_CHECKING:
    from jfcelery.project import Project

logger = logging.getLogger(__name__)

#: Seconds between two looks at the project file.
LOOK_INTERVAL = 2.0


class Current:
    """Keeps one controller, and renews it when the project file changes.

    Args:
        project: The project at the start.

    Attributes:
        shared: What its open pages show.
        logins: The workers that somebody is logging in to with a browser.
    """

    def __init__(self, project: Project) -> None:
        self._project = project
        self._controller: JobController | None = None
        self._looked = time.monotonic()
        self.shared = Shared()
        self.logins: set[str] = set()
        self._lock = threading.Lock()

    @property
    def project(self) -> Project:
        """The project, of the newest version of its file that is sound."""
        with self._lock:
            self._look()
            return self._project

    def controller(self) -> JobController:
        """Return the controller; its database is found again where it moved.

        Raises:
            ServiceError: The database cannot be reached.
        """
        with self._lock:
            self._look()
            if self._controller is None:
                self._controller = JobController.from_project(self._project)
            else:
                open_queue(self._project)
            return self._controller

    def _look(self) -> None:
        source = self._project.source
        if source is None or time.monotonic() - self._looked < LOOK_INTERVAL:
            return
        self._looked = time.monotonic()
        try:
            new = load_file(source)
        except (ConfigError, OSError) as error:
            logger.warning("The project file is unsound, kept: %s", error)
            return
        if new.digest != self._project.digest:
            self._project, self._controller = new, None
