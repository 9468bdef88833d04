"""What the runner's processes write down about themselves."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from jfcelery.tasks.runner.folder import RunnerFolder
from jfcelery.tasks.runner.records import SUPERVISOR, Phase, Record, Records, find_folder

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def other() -> Iterator[subprocess.Popen[bytes]]:
    """Another process, alive."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield process
        process.kill()


def test_kept(folder: RunnerFolder) -> None:
    """A record is read back as it was written, and only its owner may read it."""
    record = Record.of(os.getpid(), "hosts-1")
    Records(folder).write(record)
    assert Records(folder).get("hosts-1") == record
    assert (folder.records / "hosts-1.json").stat().st_mode & 0o777 == 0o600


def test_phase(folder: RunnerFolder) -> None:
    """A process says how far it is, and why it fails."""
    records = Records(folder)
    records.advance(Record.of(os.getpid(), "hosts-1"), Phase.FAILING, "no such project")
    kept = records.get("hosts-1")
    assert kept is not None
    assert (kept.phase, kept.words) == (Phase.FAILING, "no such project")


def test_dead(folder: RunnerFolder, other: subprocess.Popen[bytes]) -> None:
    """Processes that have ended are no longer among the living, and are forgotten on demand."""
    records = Records(folder)
    records.write(Record.of(other.pid, "hosts-1"))
    assert [record.pid for record in records.living()] == [other.pid]
    other.kill()
    other.wait()
    assert records.living() == []
    assert [record.name for record in records.forget_dead()] == ["hosts-1"]
    assert records.all() == []


def test_reused_pid(folder: RunnerFolder, other: subprocess.Popen[bytes]) -> None:
    """A later process that got the same id is not taken for the recorded one, nor signalled."""
    record = Record.of(other.pid, "hosts-1").model_copy(update={"started": "long ago"})
    assert not record.alive
    record.send(signal.SIGKILL)
    assert other.poll() is None


def test_other_machine(folder: RunnerFolder) -> None:
    """A record of another machine, in a folder that both share, means no process here."""
    record = Record.of(os.getpid(), SUPERVISOR).model_copy(update={"machine": "elsewhere"})
    Records(folder).write(record)
    assert Records(folder).supervisor() is None


def test_only_the_own_is_removed(folder: RunnerFolder, other: subprocess.Popen[bytes]) -> None:
    """A process that ends late leaves the record of its successor alone."""
    records = Records(folder)
    late, successor = Record.of(os.getpid(), "hosts-1"), Record.of(other.pid, "hosts-1")
    records.write(successor)
    records.remove(late)
    assert records.get("hosts-1") == successor


@pytest.mark.parametrize("text", ["", "{", "[]", '{"name": "x"}'])
def test_damaged(folder: RunnerFolder, text: str) -> None:
    """A damaged record counts as none."""
    (folder.records / "hosts-1.json").write_text(text)
    assert Records(folder).all() == []


def test_renamed_machine(folder: RunnerFolder) -> None:
    """A runner is found that was started when the machine had another name."""
    earlier = RunnerFolder(folder.path.with_name("earlier"), folder.logs.with_name("earlier"))
    earlier.make()
    assert find_folder(folder) == folder
    Records(earlier).write(Record.of(os.getpid(), SUPERVISOR))
    assert find_folder(folder) == earlier
