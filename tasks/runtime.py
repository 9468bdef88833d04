"""What the steps of one project share within one process: database, hosts, stores."""

from __future__ import annotations

import logging
import os
import threading
import time
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING

from jfcelery.database.connection import open_queue, translated
from jfcelery.database.hosts import HostRecords
from jfcelery.database.jobs import Jobs
from jfcelery.database.schema import prepare
from jfcelery.errors import ConfigError, JobStoreUnavailableError
from jfcelery.project import load_file
from jfcelery.services import database_endpoint

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import timedelta

    from jobflow.core.store import JobStore

    from jfcelery.database.connection import QueueDatabase
    from jfcelery.project import Project
    from jfcelery.scheduler_io.hosts.pool import Hosts

logger = logging.getLogger(__name__)

#: Seconds between two looks whether the project file changed.
LOOK_INTERVAL = 5.0
#: Seconds after which no step is taken to be at work with an earlier version of the project file.
LONGEST_USE = 3600.0


@contextmanager
def jobstore_outages() -> Iterator[None]:
    """Turn errors of connection to the JobStore's database into one of ours.

    Raises:
        JobStoreUnavailableError: It cannot be reached.
    """
    with translated(JobStoreUnavailableError, "The JobStore"):
        yield


class Runtime:
    """One project, opened.

    Args:
        project: The project as its file says.
    """

    def __init__(self, project: Project) -> None:
        self.project = project
        self._stores: dict[tuple[str | None, str], JobStore] = {}
        self._lock = threading.Lock()
        self._prepared = False

    @property
    def queue(self) -> QueueDatabase:
        """The database, its layout checked; found again where it moved."""
        queue = open_queue(self.project)
        if not self._prepared:
            prepare(queue)
            self._prepared = True
        return queue

    @property
    def jobs(self) -> Jobs:
        """The job documents."""
        return Jobs(self.queue)

    @property
    def host_records(self) -> HostRecords:
        """The breakers of the hosts."""
        return HostRecords(self.queue)

    @cached_property
    def hosts(self) -> Hosts:
        """The pool of connections, bounded over all processes by places in Redis."""
        from jfcelery.scheduler_io.hosts.pool import Hosts
        from jfcelery.scheduler_io.hosts.semaphore import Semaphores

        return Hosts(self.project, semaphores=Semaphores.of(self.project))

    def jobstore(self, name: str | None) -> JobStore:
        """Return a connected JobStore, by name or the project's own."""
        # An embedded database that was restarted may be at another address.
        key = (name, database_endpoint(self.project).uri)
        with self._lock:
            if key not in self._stores:
                store = self.project.get_jobstore(name)
                with jobstore_outages():
                    store.connect()
                self._stores[key] = store
            return self._stores[key]

    @property
    def lease_term(self) -> timedelta:
        """How long a lease lasts unless it is renewed."""
        from datetime import timedelta

        return timedelta(seconds=self.project.runner.lease)

    def close(self) -> None:
        """Close the connections to the hosts and JobStores."""
        if "hosts" in self.__dict__:
            self.hosts.close()
        with self._lock:
            stores, self._stores = self._stores, {}
        for store in stores.values():
            store.close()


class Current:
    """The runtime of the project that this process serves, renewed when its file changes.

    Args:
        project: The project at the start.
    """

    def __init__(self, project: Project) -> None:
        self._runtime = Runtime(project)
        self._pid = os.getpid()
        self._looked = time.monotonic()
        self._lock = threading.Lock()
        self._replaced: list[tuple[float, Runtime]] = []

    def get(self) -> Runtime:
        """Return the runtime, of the newest version of the project file that is sound."""
        with self._lock:
            if self._pid != os.getpid():  # a prefork child: connections are its parent's
                self._runtime, self._pid = Runtime(self._runtime.project), os.getpid()
            if time.monotonic() - self._looked > LOOK_INTERVAL:
                self._looked = time.monotonic()
                self._look()
            return self._runtime

    def _look(self) -> None:
        self._close_replaced()
        project = self._runtime.project
        if project.source is None:
            return
        try:
            new = load_file(project.source)
        except (ConfigError, OSError) as error:
            logger.warning("The project file is unsound, kept: %s", error)
            return
        if new.digest != project.digest:
            # Steps are at work with the old one: its connections must not be cut off.
            self._replaced.append((time.monotonic(), self._runtime))
            self._runtime = Runtime(new)

    def _close_replaced(self) -> None:
        kept = []
        for since, runtime in self._replaced:
            if time.monotonic() - since > LONGEST_USE:
                runtime.close()
            else:
                kept.append((since, runtime))
        self._replaced = kept
