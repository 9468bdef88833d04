"""The hosts of a project's workers, each opened once a process and shared by its threads."""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from jfcelery.scheduler_io.hosts.local import LocalHost

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jfcelery.project import Project
    from jfcelery.project.connection import ConnectionData
    from jfcelery.project.worker import BaseRemoteWorker, WorkerBase
    from jfcelery.scheduler_io.hosts.base import Host


class Hosts:
    """Lends the hosts of a project's workers; thread-safe.

    Args:
        project: The project.
    """

    def __init__(self, project: Project) -> None:
        self._project = project
        self._lock = threading.Lock()
        self._hosts: dict[tuple[object, ...], Host] = {}
        self._pid = os.getpid()

    @contextmanager
    def lease(self, worker_name: str) -> Iterator[Host]:
        """Lend the host that runs a worker's commands.

        Raises:
            UnknownNameError: The project has no such worker.
        """
        worker = self._project.get_worker(worker_name)
        yield self._get(worker, transfer=False)

    @contextmanager
    def transfer(self, worker_name: str) -> Iterator[Host]:
        """Lend the host through which a worker's files go: its data-transfer node, if it has one.

        Raises:
            UnknownNameError: The project has no such worker.
        """
        worker = self._project.get_worker(worker_name)
        yield self._get(worker, transfer=True)

    def close(self) -> None:
        """Close all connections."""
        with self._lock:
            hosts, self._hosts = self._hosts, {}
        for host in hosts.values():
            host.close()

    def _get(self, worker: WorkerBase, *, transfer: bool) -> Host:
        data = worker.transfer_connection if transfer else worker.connection
        key = _key(worker, data)
        with self._lock:
            if self._pid != os.getpid():  # a fork must not speak on its parent's connections
                self._pid, self._hosts = os.getpid(), {}
            if key not in self._hosts:
                self._hosts[key] = self._make(worker, data)
            return self._hosts[key]

    def _make(self, worker: WorkerBase, data: ConnectionData | None) -> Host:
        from jfcelery.project.worker import BaseRemoteWorker

        if data is None or not isinstance(worker, BaseRemoteWorker):
            return LocalHost(timeout=worker.timeout_execute)
        return self._make_remote(worker, data)

    def _make_remote(self, worker: BaseRemoteWorker, data: ConnectionData) -> Host:
        from jfcelery.scheduler_io.hosts.place import Place
        from jfcelery.scheduler_io.hosts.ssh import SshHost

        return SshHost(
            Place.of(data, worker),
            timeout=worker.timeout_execute,
            shell=worker.shell_cmd or "bash",
            login=worker.login_shell,
            max_sessions=self._project.limits.sessions_per_connection,
        )


def _key(worker: WorkerBase, data: ConnectionData | None) -> tuple[object, ...]:
    """Return what two workers must have in common to share a host object."""
    if data is None:
        return ("local", worker.timeout_execute)
    options = ("timeout_execute", "shell_cmd", "login_shell", "connect_timeout", "keepalive")
    return (data.identity, *(getattr(worker, name, None) for name in options))
