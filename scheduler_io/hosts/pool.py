"""The hosts of a project's workers, each opened once a process and shared by its threads."""

from __future__ import annotations

import os
import threading
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Self

from jfcelery.scheduler_io.hosts.semaphore import PersonsSemaphores
from jfcelery.scheduler_io.hosts.this_machine import ThisMachine

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jfcelery.project import Project
    from jfcelery.project.connection import ConnectionData
    from jfcelery.project.worker import BaseRemoteWorker, WorkerBase
    from jfcelery.scheduler_io.hosts.base import Host
    from jfcelery.scheduler_io.hosts.multiplexed import MultiplexedHost
    from jfcelery.scheduler_io.hosts.semaphore import Semaphores

#: Options of a worker that two workers must have in common to share a host's connections.
_SHARED_OPTIONS = (
    "timeout_execute",
    "shell_cmd",
    "login_shell",
    "connect_timeout",
    "keepalive",
    "forward_agent",
    "interactive_login",
)


class Hosts:
    """Lends the hosts of a project's workers; thread-safe.

    A host keeps few connections, opens them when they are needed, shares each among as many
    threads as ``limits.sessions_per_connection`` allows, and replaces those that broke.

    Args:
        project: The project.
        semaphores: Limits the sessions on a host over all processes; None: no such limit.
    """

    def __init__(
        self, project: Project, *, semaphores: Semaphores | PersonsSemaphores | None = None
    ) -> None:
        self._project, self._semaphores = project, semaphores
        self._lock = threading.Lock()
        self._hosts: dict[tuple[object, ...], Host] = {}
        self._pid = os.getpid()

    @classmethod
    @contextmanager
    def of_person(cls, project: Project) -> Iterator[Self]:
        """Yield the hosts for a person's command; their sessions count with all others."""
        semaphores = PersonsSemaphores(project)
        hosts = cls(project, semaphores=semaphores)
        try:
            yield hosts
        finally:
            hosts.close()
            semaphores.close()

    @contextmanager
    def lease(self, worker_name: str) -> Iterator[Host]:
        """Lend the host that runs a worker's commands.

        Raises:
            UnknownNameError: The project has no such worker.
            BackPressureError: All sessions on the host are in use.
        """
        worker = self._project.get_worker(worker_name)
        with self._place(worker, worker.connection):
            yield self._get(worker_name, worker, worker.connection)

    @contextmanager
    def transfer(self, worker_name: str) -> Iterator[Host]:
        """Lend the host through which a worker's files go: its data-transfer node, if it has one.

        Raises:
            UnknownNameError: The project has no such worker.
            BackPressureError: All sessions on the host are in use.
        """
        worker = self._project.get_worker(worker_name)
        with self._place(worker, worker.transfer_connection):
            yield self._for_files(worker_name, worker)

    def interactive(self, worker_name: str) -> list[MultiplexedHost]:
        """Return the hosts of a worker that a person must log in to (``host.login()``)."""
        from jfcelery.scheduler_io.hosts.multiplexed import MultiplexedHost

        worker = self._project.get_worker(worker_name)
        both = (worker.connection, worker.transfer_connection)
        hosts = dict.fromkeys(self._get(worker_name, worker, data) for data in both)
        return [host for host in hosts if isinstance(host, MultiplexedHost)]

    def close(self) -> None:
        """Close all connections."""
        with self._lock:
            hosts, self._hosts = self._hosts, {}
        for host in hosts.values():
            host.close()

    def _place(
        self, worker: WorkerBase, data: ConnectionData | None
    ) -> AbstractContextManager[None]:
        """Return the context in which one of the host's sessions may be used."""
        if data is None or self._semaphores is None:
            return nullcontext()
        limits = self._project.limits
        limit = limits.sessions_per_host
        if getattr(worker, "interactive_login", False):  # one connection for all
            limit = min(limit, limits.sessions_per_connection)
        return self._semaphores.place(data.identity, limit)

    def _for_files(self, name: str, worker: WorkerBase) -> Host:
        """Return the host for a worker's files, which go by SFTP, by tar, or by what is offered."""
        wanted = getattr(worker, "file_transfer", "tar")
        door = self._get(name, worker, worker.transfer_connection)
        apart = worker.transfer_connection != worker.connection
        # Where commands run, a tar stream is one round trip; only a transfer node may run none.
        if wanted == "tar" or (wanted == "auto" and not apart):
            return door
        key = (name, id(door))
        with self._lock:
            if key not in self._hosts:
                self._hosts[key] = self._either(name, worker, door)
            return self._hosts[key]

    def _either(self, name: str, worker: WorkerBase, door: Any) -> Host:
        from jfcelery.scheduler_io.hosts.sftp import EitherHost, SftpHost

        def commands() -> AbstractContextManager[Host]:
            apart = worker.transfer_connection != worker.connection
            return self.lease(name) if apart else nullcontext(door)

        sftp = SftpHost(
            door,
            commands=commands,
            spool=PurePosixPath(worker.work_dir),
        )
        if worker.file_transfer == "sftp":  # type: ignore[attr-defined]
            return EitherHost(sftp, door)
        return EitherHost(door, sftp)

    def _get(self, name: str, worker: WorkerBase, data: ConnectionData | None) -> Host:
        options = tuple(getattr(worker, option, None) for option in _SHARED_OPTIONS)
        key = (data.identity if data else "", data.model_dump_json() if data else "", *options)
        with self._lock:
            if self._pid != os.getpid():  # a fork must not speak on its parent's connections
                self._pid, self._hosts = os.getpid(), {}
            if key not in self._hosts:
                self._hosts[key] = self._make(name, worker, data)
            return self._hosts[key]

    def _make(self, name: str, worker: WorkerBase, data: ConnectionData | None) -> Host:
        from jfcelery.project.worker import BaseRemoteWorker

        if data is None or not isinstance(worker, BaseRemoteWorker):
            return ThisMachine(timeout=worker.timeout_execute)
        return self._make_remote(name, worker, data)

    def _make_remote(self, name: str, worker: BaseRemoteWorker, data: ConnectionData) -> Host:
        from jfcelery.scheduler_io.hosts.multiplexed import MultiplexedHost
        from jfcelery.scheduler_io.hosts.place import Place
        from jfcelery.scheduler_io.hosts.ssh import SshHost

        place = Place.of(data, worker)
        options: dict[str, Any] = {
            "timeout": worker.timeout_execute,
            "shell": worker.shell_cmd or "bash",
            "login": worker.login_shell,
            "max_sessions": self._project.limits.sessions_per_connection,
        }
        if worker.interactive_login:
            return MultiplexedHost(place, worker=name, **options)
        return SshHost(place, **options)
