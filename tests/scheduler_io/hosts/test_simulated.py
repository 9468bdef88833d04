"""The host for tests: real where nothing is scripted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from jfcelery.errors import ConnectionLostError, DiskFullError, HostTimeoutError
from jfcelery.scheduler_io.hosts.base import CommandResult
from jfcelery.scheduler_io.hosts.parcels import Publication
from jfcelery.scheduler_io.hosts.simulated import SimulatedHost

if TYPE_CHECKING:
    from pathlib import Path

    from jfcelery.folders import RunFolder


@pytest.fixture
def simulated() -> SimulatedHost:
    """A host without any fault."""
    return SimulatedHost()


def test_real_by_default(simulated: SimulatedHost, folder: RunFolder, tmp_path: Path) -> None:
    """Commands run and folders are there, and all is noted."""
    simulated.publish(Publication(folder, {"a": b"1"}, attempt=1, marker={}))
    assert simulated.run("echo hi").stdout == "hi\n"
    assert simulated.fetch(folder, ["a"], tmp_path / "in") == ["a"]
    assert simulated.read_text(folder / "a") == "1"
    assert simulated.remove(folder)
    operations = [operation for operation, _ in simulated.log]
    assert operations == ["publish", "run", "fetch", "read_text", "remove"]
    assert simulated.count("run", "^echo") == 1


def test_answers(simulated: SimulatedHost) -> None:
    """A scripted scheduler answers in place of the shell; the latest script counts."""
    simulated.answer("^sbatch", CommandResult(0, "Submitted batch job 1\n", ""))
    assert simulated.run("sbatch submit.sh").stdout == "Submitted batch job 1\n"
    simulated.answer("^sbatch", lambda command, stdin: CommandResult(len(stdin), command, ""))
    assert simulated.run("sbatch x", stdin=b"abc") == CommandResult(3, "sbatch x", "")
    assert simulated.run("echo sbatch").stdout == "sbatch\n"


def test_fault_before(simulated: SimulatedHost, folder: RunFolder) -> None:
    """A fault before the effect: nothing happened, and then all is well again."""
    simulated.fail("publish", DiskFullError("full"), times=2)
    for _ in range(2):
        with pytest.raises(DiskFullError):
            simulated.publish(Publication(folder, {"a": b"1"}, attempt=1, marker={}))
        assert simulated.read_text(folder / "a") is None
    simulated.publish(Publication(folder, {"a": b"1"}, attempt=1, marker={}))
    assert simulated.read_text(folder / "a") == "1"


def test_fault_after(simulated: SimulatedHost, folder: RunFolder) -> None:
    """A fault after the effect: the caller cannot tell, but it happened."""
    simulated.fail("publish", ConnectionLostError("cut"), when="after")
    with pytest.raises(ConnectionLostError):
        simulated.publish(Publication(folder, {"a": b"1"}, attempt=1, marker={}))
    assert simulated.read_text(folder / "a") == "1"


def test_fault_of_one_command(simulated: SimulatedHost) -> None:
    """A fault may be that of one command only."""
    simulated.fail("run", HostTimeoutError("slow"), matching="squeue")
    assert simulated.run("echo 1").ok
    with pytest.raises(HostTimeoutError):
        simulated.run("squeue -a")
