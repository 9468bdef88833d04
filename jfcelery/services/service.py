"""An embedded service: one instance, however many processes ask for it at once."""

from __future__ import annotations

import logging
import time
from abc import ABC, abstractmethod
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar

from jfcelery.errors import ServiceStartError
from jfcelery.services.credentials import Credentials
from jfcelery.services.layout import ServiceFiles
from jfcelery.services.locks import LockFile, locked
from jfcelery.services.log import ServerLog
from jfcelery.services.processes import ProcessIdentity, command_line
from jfcelery.services.record import ServiceRecord
from jfcelery.services.spawn import read_pid, spawn

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

logger = logging.getLogger(__name__)

#: Seconds in which a server must answer after its start; recovery after a crash is part of it.
START_SECONDS = 90.0
#: Seconds that a process waits for another one that starts or stops the service.
TURN_SECONDS = 300.0
#: Seconds that a running server may leave a probe unanswered before it is restarted.
PATIENCE_SECONDS = 30.0
#: Seconds between SIGTERM and SIGKILL.
GRACE_SECONDS = 20.0
#: Seconds to wait for the lock of an instance that just died (a child may live on for a moment).
LEFTOVER_SECONDS = 15.0
#: Seconds between two looks.
POLL_SECONDS = 0.03


class Service(ABC):
    """One embedded service of one project.

    Args:
        base: ``base_dir`` of the project.
        logs: ``log_dir`` of the project.
    """

    #: Name in messages, folders and the log's file name.
    name: ClassVar[str]
    #: Variables in the environment of its server.
    variables: ClassVar[Mapping[str, str]] = MappingProxyType({})

    def __init__(self, base: Path, logs: Path) -> None:
        self.files = ServiceFiles(base.absolute(), logs.absolute() / f"{self.name}.log", self.name)

    @abstractmethod
    def start(self, lock: LockFile) -> ServiceRecord:
        """Start the server, which is known not to run, and return its record.

        Args:
            lock: The lock that tells that the server lives; to be inherited by it.
        """

    @abstractmethod
    def answers(self, address: str) -> bool:
        """Return whether the server at an address answers us, within seconds."""

    def credentials(self) -> Credentials:
        """Return user and password; the first call, under the service's lock, makes them."""
        return Credentials.of(self.files.credentials)

    def record(self) -> ServiceRecord | None:
        """Return what is written about the latest instance."""
        return ServiceRecord.read(self.files.record)

    def running(self) -> ServiceRecord | None:
        """Return the record of the instance that runs on this machine, None if none does."""
        record = self.record()
        return record if record is not None and record.running else None

    def ensure(self, *, probe: bool = False) -> ServiceRecord:
        """Return the running instance; start it if none runs.

        Args:
            probe: Also ask the server for an answer, and restart it if it gives none.

        Raises:
            ServiceStartError: It cannot be started.
        """
        record = self.running()
        if record is not None and not (probe and not self.answers(record.address)):
            return record
        self.files.make()
        with locked(self.files.start_lock, timeout=TURN_SECONDS):
            record = self.running()
            if record is not None:
                if not probe or self._answers_in_time(record):
                    return record
                logger.warning("The embedded %s does not answer: restarting it", self.name)
                record.process.end(grace=GRACE_SECONDS)
            return self._start_alone()

    def _answers_in_time(self, record: ServiceRecord) -> bool:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while record.process.alive and self._has_address(record):
            if self.answers(record.address):
                return True
            if time.monotonic() > deadline:
                return False
            time.sleep(POLL_SECONDS)
        return False

    def _has_address(self, record: ServiceRecord) -> bool:
        """Return whether the record's address can still be reached at all."""
        return bool(record.address)

    def _start_alone(self) -> ServiceRecord:
        self._end_leftover()
        lock = LockFile(self.files.alive_lock)
        try:
            if not lock.acquire(timeout=LEFTOVER_SECONDS):
                raise self._held_elsewhere()
            return self.start(lock)
        finally:
            lock.close()

    def _end_leftover(self) -> None:
        """End an instance whose starter died before it was ready; nobody can have used it."""
        pid = read_pid(self.files.pid)
        process = ProcessIdentity.of(pid) if pid else None
        if process is not None and str(self.files.data) in command_line(process.pid):
            process.end(grace=GRACE_SECONDS)

    def _held_elsewhere(self) -> ServiceStartError:
        record = self.record()
        where = f"on {record.host}, pid {record.process.pid}" if record else "by an unknown process"
        return ServiceStartError(
            f"The embedded {self.name} in {self.files.folder} is already run {where}",
            remedy="Work on that machine, stop it there with 'jfc runner stop', or name an "
            "external database and broker, which several machines can share.",
        )

    def stop(self, *, grace: float = GRACE_SECONDS) -> bool:
        """Stop the instance on this machine; return whether there was one."""
        if not self.files.folder.is_dir():
            return False
        with locked(self.files.start_lock, timeout=TURN_SECONDS):
            record = self.running()
            if record is None:
                self._end_leftover()
                return False
            record.process.end(grace=grace)
            return True

    def launch(
        self,
        command: Sequence[str],
        lock: LockFile,
        *,
        find: Callable[[str], str | None],
        answers: Callable[[str], bool],
        final: bool = True,
    ) -> ServiceRecord:
        """Start a server and wait until it answers.

        Args:
            command: Program and arguments.
            lock: The lock that it inherits.
            find: Returns its address from what it has said so far.
            answers: Says whether the server at that address answers.
            final: Whether others may use this instance.

        Raises:
            ServiceStartError: It ended or did not answer in time.
        """
        log = ServerLog(self.files.log)
        pid = spawn(
            command,
            pid_file=self.files.pid,
            log=self.files.log,
            lock=lock,
            variables=self.variables,
        )
        process = ProcessIdentity.of(pid)
        deadline = time.monotonic() + START_SECONDS
        while process is not None and process.alive:
            address = find(log.text())
            if address and answers(address):
                record = ServiceRecord.here(
                    process, address=address, program=command[0], ready=final
                )
                record.write(self.files.record)
                return record
            if time.monotonic() > deadline:
                process.end(grace=GRACE_SECONDS)
                raise ServiceStartError(
                    f"The embedded {self.name} did not answer within {START_SECONDS:.0f} s",
                    remedy=log.remedy(),
                )
            time.sleep(POLL_SECONDS)
        raise ServiceStartError(
            f"The embedded {self.name} cannot start: {log.reason()}", remedy=log.remedy()
        )
