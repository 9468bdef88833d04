"""How the runner is, told from records and supervisor."""

from __future__ import annotations

import os
import socket
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from jfcelery.tasks.runner.client import SupervisorClient, SupervisorSilentError
from jfcelery.tasks.runner.memory import memory_of
from jfcelery.tasks.runner.records import SUPERVISOR, Phase, Record, Records
from jfcelery.tasks.runner.status import ProcessInfo, RunnerState, inspect, last_line, summarise

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jfcelery.tasks.runner.folder import RunnerFolder


def member(state: str, *, ready: bool = False) -> ProcessInfo:
    """Return a process in a state."""
    return ProcessInfo("hosts-1", 1, state, ready, None, None, Path("log"))


@pytest.fixture
def babbler(tmp_path: Path) -> Iterator[Path]:
    """A socket on which something answers that is no supervisor."""
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()

        def babble() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(b"what?\r\n")

        thread = threading.Thread(target=babble)
        thread.start()
        yield path
        thread.join()


@pytest.mark.parametrize(
    "states,expected",
    [
        (["running+", "running+"], RunnerState.RUNNING),
        (["running+", "running"], RunnerState.STARTING),
        (["starting", "running+"], RunnerState.STARTING),
        (["running+", "backoff"], RunnerState.PARTIAL),
        (["running+", "failing"], RunnerState.PARTIAL),
        (["running+", "fatal"], RunnerState.PARTIAL),
        (["stopping", "running+"], RunnerState.STOPPING),
        (["stopped", "stopped"], RunnerState.STOPPING),
        ([], RunnerState.STARTING),
    ],
)
def test_summary(states: list[str], expected: RunnerState) -> None:
    """The state of the runner follows from those of its processes (+: it does its work)."""
    members = [member(state.rstrip("+"), ready=state.endswith("+")) for state in states]
    assert summarise(members) is expected


def test_stopped(folder: RunnerFolder) -> None:
    """Without any record nothing runs."""
    assert inspect(folder).state is RunnerState.STOPPED


def test_lost(folder: RunnerFolder) -> None:
    """Processes without their supervisor are told, each one."""
    Records(folder).write(Record.of(os.getpid(), "hosts-1"))
    info = inspect(folder)
    assert info.state is RunnerState.LOST
    assert [(p.name, p.pid, p.state) for p in info.processes] == [
        ("hosts-1", os.getpid(), "orphaned")
    ]


@pytest.mark.parametrize(
    "phase,expected",
    [
        (Phase.STARTING, RunnerState.STARTING),
        (Phase.WORKING, RunnerState.SILENT),
        (Phase.ENDING, RunnerState.STOPPING),
    ],
)
def test_silent(folder: RunnerFolder, phase: Phase, expected: RunnerState) -> None:
    """A supervisor that does not answer is starting, stopping, or in trouble."""
    record = Record.of(os.getpid(), SUPERVISOR, socket=str(folder.socket))
    Records(folder).advance(record, phase)
    assert inspect(folder).state is expected


def test_no_socket(tmp_path: Path) -> None:
    """Where nothing listens the client says so."""
    with pytest.raises(SupervisorSilentError):
        SupervisorClient(tmp_path / "none", "secret", timeout=60).processes()


def test_nonsense(babbler: Path) -> None:
    """An answer that is none counts as silence."""
    with pytest.raises(SupervisorSilentError):
        SupervisorClient(babbler, "secret", timeout=60).processes()


@pytest.mark.parametrize(
    "text,expected",
    [("", ""), ("one\ntwo\n", "two"), ("one\n \n\n", "one"), ("x" * 9000 + "\nlast", "last")],
)
def test_last_line(tmp_path: Path, text: str, expected: str) -> None:
    """The last line of a log that is not blank tells what went wrong."""
    (tmp_path / "log").write_text(text)
    assert last_line(tmp_path / "log") == expected


def test_no_log(tmp_path: Path) -> None:
    """A log that is not there says nothing."""
    assert last_line(tmp_path / "log") == ""


def test_memory() -> None:
    """The memory of a process is told in bytes; of none, not."""
    own = memory_of(os.getpid())
    assert own is not None
    assert own > 2**20
    assert memory_of(2**22 + 1) is None
