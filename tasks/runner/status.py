"""How the runner of a project is, told without database and broker."""

from __future__ import annotations

import configparser
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from jfcelery.tasks.runner.client import ProcessState, SupervisorClient, SupervisorSilentError
from jfcelery.tasks.runner.flower import FlowerAccess
from jfcelery.tasks.runner.memory import memory_of
from jfcelery.tasks.runner.records import SUPERVISOR, Phase, Record, Records

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jfcelery.tasks.runner.folder import RunnerFolder

#: Seconds that the supervisor gets for an answer.
TIMEOUT = 10.0
#: Bytes at the end of a log in which its last line is looked for.
TAIL = 4096


class RunnerState(StrEnum):
    """The runner as a whole."""

    RUNNING = "running"
    STARTING = "starting"
    PARTIAL = "partially running"
    STOPPING = "stopping"
    SILENT = "not answering"
    LOST = "supervisor lost"
    STOPPED = "stopped"


@dataclass(frozen=True)
class ProcessInfo:
    """One process of the runner.

    Args:
        name: Its name in the layout; ``supervisor`` for the supervisor.
        pid: Its process id; 0 while it does not run.
        state: The supervisor's word for it, in small letters; ``failing`` while it waits before
            its next attempt; ``orphaned`` without a supervisor.
        ready: Whether it has begun to do its work.
        since: When it started (Unix time in seconds), None while it does not run.
        memory: Its share of memory in bytes, None if it cannot be told.
        log: Its log file.
        words: Why it does not work, as far as it is known.
    """

    name: str
    pid: int
    state: str
    ready: bool
    since: float | None
    memory: int | None
    log: Path
    words: str = ""


@dataclass(frozen=True)
class RunnerInfo:
    """A runner.

    Args:
        state: The runner as a whole.
        processes: Its processes, the supervisor first.
        foreground: Whether it runs in somebody's terminal or container.
        flower: Flower's address with the login in it; empty while Flower does not run.
    """

    state: RunnerState
    processes: tuple[ProcessInfo, ...] = ()
    foreground: bool = False
    flower: str = ""

    @property
    def supervisor(self) -> ProcessInfo | None:
        """The supervisor, None if it does not run."""
        return next((p for p in self.processes if p.name == SUPERVISOR), None)


#: The supervisor's words for processes in trouble; one that starts, or ends, is in none.
_TROUBLES = frozenset({"BACKOFF", "EXITED", "FATAL", "UNKNOWN"})
#: What a supervisor that does not answer is doing.
_SILENT_STATES = {Phase.STARTING: RunnerState.STARTING, Phase.ENDING: RunnerState.STOPPING}


def inspect(folder: RunnerFolder) -> RunnerInfo:
    """Return how the runner is whose files lie in a folder."""
    records = Records(folder)
    supervisor = records.supervisor()
    if supervisor is None:
        return _without_supervisor(folder, records.living())
    own = _of_record(folder, supervisor, "running")
    try:
        states = _client(folder, supervisor).processes()
    except SupervisorSilentError:
        living = [r for r in records.living() if r.name != SUPERVISOR]
        # While it ends it answers no questions.
        state = _SILENT_STATES.get(supervisor.phase, RunnerState.SILENT)
        words = "unknown" if state is RunnerState.SILENT else state.value
        members = [_of_record(folder, record, words) for record in living]
    else:
        members = [_of_state(folder, records, found) for found in states]
        state = summarise(members)
    return RunnerInfo(
        state=state,
        processes=(own, *members),
        foreground=supervisor.foreground,
        flower=_flower(folder, members),
    )


def summarise(members: Sequence[ProcessInfo]) -> RunnerState:
    """Return the state of a runner whose supervisor answers."""
    states = {member.state for member in members}
    if members and all(member.ready for member in members):
        return RunnerState.RUNNING
    if states & {"stopping", "stopped"}:
        return RunnerState.STOPPING
    if states <= {"running", "starting"}:
        return RunnerState.STARTING
    return RunnerState.PARTIAL


def last_line(log: Path) -> str:
    """Return the last line of a log that is not blank; empty if there is none."""
    try:
        with log.open("rb") as file:
            file.seek(max(file.seek(0, 2) - TAIL, 0))
            lines = file.read().decode(errors="replace").split("\n")
    except OSError:
        return ""
    return next((line.strip() for line in reversed(lines) if line.strip()), "")


def _without_supervisor(folder: RunnerFolder, living: list[Record]) -> RunnerInfo:
    state = RunnerState.LOST if living else RunnerState.STOPPED
    orphans = tuple(_of_record(folder, record, "orphaned") for record in living)
    return RunnerInfo(state=state, processes=orphans, flower=_flower(folder, orphans))


def _client(folder: RunnerFolder, supervisor: Record) -> SupervisorClient:
    parser = configparser.RawConfigParser()
    try:
        parser.read(folder.configuration)
        password = parser["unix_http_server"]["password"]
    except (configparser.Error, KeyError):
        password = ""
    return SupervisorClient(Path(supervisor.socket), password, timeout=TIMEOUT)


def _of_record(folder: RunnerFolder, record: Record, state: str) -> ProcessInfo:
    return ProcessInfo(
        name=record.name,
        pid=record.pid,
        state=state,
        ready=record.phase is Phase.WORKING,
        since=record.since,
        memory=memory_of(record.pid),
        log=folder.log(record.name),
        words=record.words,
    )


def _of_state(folder: RunnerFolder, records: Records, found: ProcessState) -> ProcessInfo:
    record = records.get(found.name)
    own = record if record and record.pid == found.pid and record.alive else None
    ready = found.state == "RUNNING" and own is not None and own.phase is Phase.WORKING
    log = folder.log(found.name)
    failing = own is not None and own.phase is Phase.FAILING
    words = own.words if own and failing else ""
    if not failing and found.state in _TROUBLES:
        words = last_line(log) or found.words
    return ProcessInfo(
        name=found.name,
        pid=found.pid,
        state="failing" if failing else found.state.lower(),
        ready=ready,
        since=own.since if own else None,
        memory=memory_of(found.pid) if found.pid else None,
        log=log,
        words=words,
    )


def _flower(folder: RunnerFolder, members: Sequence[ProcessInfo]) -> str:
    runs = any(member.name == "flower" and member.ready for member in members)
    return FlowerAccess.of(folder.flower).url if runs else ""
