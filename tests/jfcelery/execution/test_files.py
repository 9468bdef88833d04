"""Files written as a whole, even on a disk that is full for a while."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from jfcelery.errors import DiskFullError
from jfcelery.execution import files
from jfcelery.execution.files import Patience, write_atomic
from jfcelery.execution.outcome import read_outcome
from jfcelery.execution.run import NO_OUTCOME
from jfcelery.execution.status import Stage, Status
from jfcelery.execution.stores import read_documents
from jfcelery.folders import RunFolder
from tests.support.faults import writes_much
from tests.support.jobs import add
from tests.support.waiting import wait_until
from tests.support.warm import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Prepare = Callable[..., Path]


def full_for(times: int, code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the next writes fail."""
    really = files._replace
    left = iter(range(times))

    def replace(path: Path, data: bytes) -> None:
        if next(left, None) is not None:
            raise OSError(code, os.strerror(code))
        really(path, data)

    monkeypatch.setattr(files, "_replace", replace)


def test_writes_and_replaces(tmp_path: Path) -> None:
    """A file is written, then replaced, and nothing else is left."""
    path = tmp_path / "file"
    write_atomic(path, "one")
    write_atomic(path, "zwei ü")
    assert path.read_text(encoding="utf-8") == "zwei ü"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_waits_for_room(code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk or quota is waited for, and said once."""
    full_for(3, code, monkeypatch)
    said: list[int] = []
    patience = Patience(timeout=60, interval=0.001)
    write_atomic(tmp_path / "file", "x", patience=patience, waiting=lambda: said.append(1))
    assert (tmp_path / "file").read_text() == "x"
    assert said == [1]


def test_gives_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that stays full is an error that says which file needed how much."""
    full_for(10**6, errno.ENOSPC, monkeypatch)
    with pytest.raises(DiskFullError, match=r"no room for 3 bytes of file in .*No space left"):
        write_atomic(tmp_path / "file", "abc", patience=Patience(timeout=0.01, interval=0.001))


def test_other_errors_are_not_waited_for(tmp_path: Path) -> None:
    """Where the folder is gone, waiting does not help."""
    with pytest.raises(FileNotFoundError):
        write_atomic(tmp_path / "gone" / "file", "x", patience=Patience(60, 60))


def test_patience_of_the_environment() -> None:
    """The waiting is fifteen minutes, unless the environment says otherwise."""
    assert Patience.of({}) == Patience(900, 10)
    given = {"JFCELERY_DISK_FULL_TIMEOUT": "3", "JFCELERY_DISK_FULL_INTERVAL": "0.5"}
    assert Patience.of(given) == Patience(3, 0.5)


_MOUNT = 'mount -t tmpfs -o size=3m none "$0" && cp -a "$1/." "$0" && exec "$2" -c "$3" "$0" "$1"'
#: Runs the job on the small disk that it is given, then copies what is there to where it came from.
_RUN = """
import pathlib, shutil, sys
from jfcelery.execution.run import run_job
disk, origin = map(pathlib.Path, sys.argv[1:])
(disk / "ballast").write_bytes(b"0" * 2_000_000)
(origin / "go").touch()
import os, threading, time
def watch():
    while not (origin / "free").exists():
        if (disk / "jfc_status.1").exists():
            shutil.copy(disk / "jfc_status.1", origin)
        time.sleep(0.05)
    (disk / "ballast").unlink()
threading.Thread(target=watch, daemon=True).start()
code = run_job(disk)
for path in disk.iterdir():
    if path.name != "ballast":
        shutil.copy(path, origin)
sys.exit(code)
"""


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[Path, str], subprocess.Popen[bytes]]]:
    """A function that runs a job on a small disk, most of it taken until a file "free" is there."""
    unshare = ["unshare", "--mount", "--map-root-user"]
    probe = [*unshare, "mount", "-t", "tmpfs", "none", "/mnt"]
    if (
        not shutil.which("unshare")
        or subprocess.run(probe, check=False, capture_output=True).returncode
    ):
        from tests.conftest import missing

        missing("needs Linux's unshare with mounts of one's own, to have a disk that is full")
    disk = tmp_path / "disk"
    disk.mkdir()
    started: list[subprocess.Popen[bytes]] = []

    def run(folder: Path, timeout: str) -> subprocess.Popen[bytes]:
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "JFCELERY_DISK_FULL_TIMEOUT": timeout,
            "JFCELERY_DISK_FULL_INTERVAL": "0.05",
        }
        command = [*unshare, "sh", "-c", _MOUNT, str(disk), str(folder), sys.executable, _RUN]
        started.append(subprocess.Popen(command, env=environment))
        return started[-1]

    yield run
    for process in started:
        process.kill()
        process.wait()


def test_a_job_waits_for_room(
    small_disk: Callable[[Path, str], subprocess.Popen[bytes]], prepare: Prepare
) -> None:
    """A result without room is written as soon as there is some; the status tells of the wait."""
    folder = prepare(writes_much(2))
    process = small_disk(folder, "600")

    def waits() -> bool:
        path = folder / RunFolder.status(1)
        return path.exists() and Status.parse(path.read_text()).last == Stage.DISK_FULL

    wait_until(waits, "the job to wait for room")
    (folder / "free").touch()
    assert process.wait(120) == 0
    assert len(read_documents(folder).outputs[0]["output"]) == 2 * 1024**2
    assert Status.parse((folder / RunFolder.status(1)).read_text()).last == Stage.DONE


def test_a_job_gives_up(
    small_disk: Callable[[Path, str], subprocess.Popen[bytes]], prepare: Prepare
) -> None:
    """A result that has no room in the end is an error; the outcome, being small, is there."""
    folder = prepare(writes_much(2))
    assert small_disk(folder, "0.3").wait(120) == 0
    error = read_outcome(folder / RunFolder.OUTPUT).error
    assert error is not None
    assert error.name == "DiskFullError"
    assert "no room for 2097" in error.message
    assert not (folder / RunFolder.STORE_DATA).exists()


def test_no_room_for_anything(
    runner_code: Callable[[Path], int], prepare: Prepare, capfd: pytest.CaptureFixture[str]
) -> None:
    """If there is no room even for the outcome, the exit code and stderr say so."""
    folder = prepare(add(1))
    assert runner_code(folder) == NO_OUTCOME
    assert "No space left" in capfd.readouterr().err


@pytest.fixture
def runner_code(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], int]:
    """Run a job in this process on a disk that stays full."""
    from jfcelery.execution.run import run_job

    def run(folder: Path) -> int:
        monkeypatch.chdir(folder)
        full_for(10**6, errno.ENOSPC, monkeypatch)
        return run_job(folder, patience=Patience(0.01, 0.001))

    return run


def test_input_is_json(prepare: Prepare) -> None:
    """A person can read what a job was given."""
    folder = prepare(add(1, 2))
    content = json.loads((folder / RunFolder.INPUT).read_text())
    assert content["format"] == 1
    assert content["job"]["function_args"] == [1, 2]
