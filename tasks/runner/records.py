"""What each process of the runner writes down about itself, so that it can be found again."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from enum import StrEnum
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, ValidationError

from jfcelery.services.processes import ProcessIdentity, machine, start_token
from jfcelery.services.record import write_private
from jfcelery.tasks.runner.folder import RunnerFolder

if TYPE_CHECKING:
    import signal

#: Name of the record of the process that supervises the others.
SUPERVISOR = "supervisor"


class Phase(StrEnum):
    """How far a process is with its life."""

    STARTING = "starting"
    WORKING = "working"
    FAILING = "failing"
    ENDING = "ending"


class Record(BaseModel):
    """One process of the runner.

    Args:
        name: Its name, as in the layout.
        pid: Its process id.
        started: When it started, in the system's own words.
        machine: The boot and namespace to which both belong.
        since: When it started, as Unix time in seconds.
        phase: How far it is.
        words: Why it fails, in one line.
        socket: Where supervisor answers (only in its own record).
        foreground: Whether it runs in somebody's terminal or container (supervisor only).
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str
    pid: int
    started: str
    machine: str
    since: float
    phase: Phase = Phase.STARTING
    words: str = ""
    socket: str = ""
    foreground: bool = False

    @classmethod
    def of(cls, pid: int, name: str, *, socket: str = "", foreground: bool = False) -> Record:
        """Return the record of a process that has just started."""
        return cls(
            name=name,
            pid=pid,
            started=start_token(pid) or "",
            machine=machine(),
            since=time.time(),
            socket=socket,
            foreground=foreground,
        )

    @property
    def identity(self) -> ProcessIdentity:
        """The process that is meant."""
        return ProcessIdentity(self.pid, self.started, self.machine)

    @property
    def alive(self) -> bool:
        """Whether the process still runs."""
        return self.identity.alive

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the process if it still runs."""
        if self.alive:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(self.pid, number)


class Records:
    """The records of a runner: one file for each process.

    Args:
        folder: The runner's folder.
    """

    def __init__(self, folder: RunnerFolder) -> None:
        self._folder = folder.records

    def write(self, record: Record) -> None:
        """Keep a record, in place of an earlier one of that name."""
        write_private(self._folder / f"{record.name}.json", record.model_dump_json())

    def advance(self, record: Record, phase: Phase, words: str = "") -> Record:
        """Write that a process has reached a phase; return its new record."""
        advanced = record.model_copy(update={"phase": phase, "words": words})
        self.write(advanced)
        return advanced

    def remove(self, record: Record) -> None:
        """Forget a record, unless another process has taken its name since."""
        kept = self.get(record.name)
        if kept and kept.identity == record.identity:
            (self._folder / f"{record.name}.json").unlink(missing_ok=True)

    def get(self, name: str) -> Record | None:
        """Return the record of that name, None if there is none that can be read."""
        try:
            return Record.model_validate_json((self._folder / f"{name}.json").read_bytes())
        except (OSError, ValidationError):
            return None

    def all(self) -> list[Record]:
        """Return all records, by name."""
        names = sorted(path.stem for path in self._folder.glob("[!.]*.json"))
        return [record for name in names if (record := self.get(name))]

    def living(self) -> list[Record]:
        """Return the records whose processes still run."""
        return [record for record in self.all() if record.alive]

    def supervisor(self) -> Record | None:
        """Return the record of the supervisor if it lives."""
        record = self.get(SUPERVISOR)
        return record if record and record.alive else None

    def forget_dead(self) -> list[Record]:
        """Remove the records of processes that have ended; return them."""
        dead = [record for record in self.all() if not record.alive]
        for record in dead:
            self.remove(record)
        return dead


def find_folder(usual: RunnerFolder) -> RunnerFolder:
    """Return the folder in which processes of this machine are on record, else the usual one.

    A laptop may have had another name when they were started.
    """
    paths = sorted(usual.path.parent.glob("*/processes"))
    for path in paths:
        folder = RunnerFolder(path.parent, usual.logs.parent / path.parent.name)
        if Records(folder).living():
            return folder
    return usual
