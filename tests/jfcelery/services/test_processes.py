"""Identity of processes."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from jfcelery.services import processes
from jfcelery.services.processes import ProcessIdentity, command_line, machine, start_token

if TYPE_CHECKING:
    import pytest

_SLEEPER = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(600)"]
#: A process that ignores SIGTERM.
_STUBBORN = [
    sys.executable,
    "-c",
    "import signal; signal.signal(15, signal.SIG_IGN);" + _SLEEPER[2],
]


def started(command: list[str]) -> subprocess.Popen[str]:
    """Start a process and wait until it says that it is up."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"
    return process


def test_own_process_is_alive() -> None:
    """The identity of a running process holds."""
    ours = ProcessIdentity.of(os.getpid())
    assert ours is not None
    assert ours.alive
    assert ours.machine == machine()


def test_other_start_or_machine_is_another_process() -> None:
    """The pid alone does not make it the same."""
    ours = ProcessIdentity.of(os.getpid())
    assert ours is not None
    assert not replace(ours, started="1").alive
    assert not replace(ours, machine="another").alive


def test_ended_process_is_not_alive() -> None:
    """That holds for one that nobody has waited for, too."""
    with started(_SLEEPER) as process:
        identity = ProcessIdentity.of(process.pid)
        assert identity is not None
        identity.end(grace=10)
        assert not identity.alive, "a zombie counts as dead"
        assert ProcessIdentity.of(process.pid) is None
    identity.end(grace=0)


def test_stubborn_process_is_killed() -> None:
    """Who does not follow SIGTERM in time gets SIGKILL."""
    with started(_STUBBORN) as process:
        identity = ProcessIdentity.of(process.pid)
        assert identity is not None
        identity.end(grace=0.1)
        assert process.wait() == -9


def test_command_line_is_readable() -> None:
    """The arguments of a process tell whose it is."""
    assert Path(sys.executable).name in command_line(os.getpid())
    assert command_line(2**22 + 1) == ""


def test_without_proc_the_system_is_asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where there is no /proc, as on macOS, ``ps`` knows when a process started."""
    monkeypatch.setattr(processes, "_PROC", tmp_path)
    said = {str(os.getpid()): "Sat Nov 28 21:50:00 2026"}
    monkeypatch.setattr(processes, "_output", lambda *command: said.get(command[-1], ""))
    assert start_token(os.getpid()) == "Sat Nov 28 21:50:00 2026"
    assert start_token(1) is None
    assert command_line(os.getpid()) == "Sat Nov 28 21:50:00 2026"
