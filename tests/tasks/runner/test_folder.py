"""Where the runner's files lie."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

import pytest

from jfcelery.errors import RunnerError
from jfcelery.tasks.runner.folder import MAX_SOCKET_PATH, RunnerFolder, machine_name

if TYPE_CHECKING:
    from pathlib import Path

    from jfcelery.project import Project


def test_apart_for_each_machine(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Machines that share a project's folders do not share the runner's files."""
    here = RunnerFolder.of(project)
    monkeypatch.setattr(socket, "gethostname", lambda: "other/machine")
    assert machine_name() == "other-machine"
    there = RunnerFolder.of(project)
    assert {here.path, here.logs}.isdisjoint({there.path, there.logs})


def test_private(folder: RunnerFolder) -> None:
    """Only the owner may enter, whatever the umask."""
    assert folder.path.stat().st_mode & 0o777 == 0o700
    assert folder.records.stat().st_mode & 0o777 == 0o700


def test_socket_path_is_short(tmp_path: Path) -> None:
    """However deep the project lies, the socket's path fits into what the system allows."""
    deep = RunnerFolder(tmp_path / ("d" * 120) / "machine", tmp_path / "log")
    deep.make()
    assert len(os.fsencode(deep.socket)) <= MAX_SOCKET_PATH
    assert deep.socket.parent.stat().st_mode & 0o777 == 0o700
    deep.socket.parent.rmdir()


def test_cannot_be_made(tmp_path: Path) -> None:
    """A folder that cannot be made is named, with the option that moves it."""
    (tmp_path / "file").write_text("")
    with pytest.raises(RunnerError, match=r"file.*\n.*daemon_dir"):
        RunnerFolder(tmp_path / "file" / "machine", tmp_path / "log").make()


def test_somebody_elses(tmp_path: Path) -> None:
    """A link that somebody put in the folder's place is refused."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "machine").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RunnerError, match="somebody else"):
        RunnerFolder(tmp_path / "machine", tmp_path / "log").make()
