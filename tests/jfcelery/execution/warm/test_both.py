"""What a job sees and how it ends is the same whether it starts warm or cold."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Any

import pytest

from jfcelery.execution.outcome import read_outcome
from jfcelery.execution.warm.place import retire_all
from jfcelery.folders import RunFolder
from tests.support import faults, spoiling
from tests.support.jobs import add
from tests.support.launching import Launcher, has_ended, numbers_in, output_of
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Prepare = Callable[..., Path]


def test_a_job_is_run(launcher: Launcher, prepare: Prepare) -> None:
    """A job leaves its outcome, and its log in stdout."""
    folder = prepare(add(1, 2))
    assert launcher.run(folder) == 0
    assert output_of(folder) == 3
    assert "Finished job - add" in (folder / RunFolder.QUEUE_OUT).read_text()
    assert not (folder / RunFolder.QUEUE_ERR).read_text()
    assert len(launcher.servers()) == launcher.warm


def test_stderr_is_apart(launcher: Launcher, prepare: Prepare) -> None:
    """What a job writes to stderr is in queue.err, and in the report of its error."""
    folder = prepare(faults.raises())
    assert launcher.run(folder) == 0
    assert (folder / RunFolder.QUEUE_ERR).read_text().startswith("last words on stderr\n")
    error = read_outcome(folder / RunFolder.OUTPUT).error
    assert error is not None
    assert (error.name, error.stderr_tail) == ("ZeroDivisionError", "last words on stderr")


@pytest.mark.parametrize("code", [0, 5])
def test_exit_codes(code: int, launcher: Launcher, prepare: Prepare) -> None:
    """The exit code is the job's."""
    assert launcher.run(prepare(faults.exits_at_once(code))) == code


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_dying_by_a_signal(number: signal.Signals, launcher: Launcher, prepare: Prepare) -> None:
    """A job that is ended by a signal is seen to be ended by that signal."""
    assert launcher.run(prepare(faults.is_killed(number))) == -number


def test_crashing(launcher: Launcher, prepare: Prepare) -> None:
    """A crash says where, and is seen as one."""
    folder = prepare(faults.crashes())
    assert launcher.run(folder) == -signal.SIGSEGV
    assert "faults.py" in (folder / RunFolder.QUEUE_ERR).read_text()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_signals_to_the_group(number: signal.Signals, launcher: Launcher, prepare: Prepare) -> None:
    """A signal to the script's process group ends the job and all that it has started."""
    folder = prepare(spoiling.waits(600))
    process = launcher.start(folder)
    child, job = numbers_in(folder / "child")
    os.killpg(process.pid, number)
    assert process.wait() == -number
    wait_until(lambda: has_ended(child) and has_ended(job), "the job's processes end")


def test_a_signal_that_the_job_handles(launcher: Launcher, prepare: Prepare) -> None:
    """A job can take signals, and go on."""
    folder = prepare(spoiling.takes_signals())
    process = launcher.start(folder)
    wait_until((folder / "ready").exists, "the job is ready")
    os.killpg(process.pid, signal.SIGUSR1)
    assert process.wait() == 0
    assert output_of(folder) == "SIGUSR1"


def test_what_a_job_leaves_running(launcher: Launcher, prepare: Prepare) -> None:
    """A process that a job leaves behind runs on."""
    folder = prepare(spoiling.has_child(600))
    assert launcher.run(folder) == 0
    (child,) = numbers_in(folder / "child")
    assert not has_ended(child)
    os.kill(child, signal.SIGKILL)


def test_a_job_that_spoils_its_process(launcher: Launcher, prepare: Prepare) -> None:
    """Whatever a job does to its process, it ends well, and the next one finds nothing of it."""
    folder = prepare(spoiling.spoils())
    assert launcher.run(folder) == 0
    assert output_of(folder) == 1
    assert "an exit function that fails" in (folder / RunFolder.QUEUE_ERR).read_text()
    folder = prepare(spoiling.looks())
    assert launcher.run(folder) == 0
    assert "SPOILT" not in output_of(folder)["environment"]


def test_what_runs_at_exit(launcher: Launcher, prepare: Prepare) -> None:
    """Threads are waited for, and exit functions called."""
    folder = prepare(spoiling.says_goodbye())
    assert launcher.run(folder) == 0
    assert (folder / "thread").exists()
    assert (folder / "exit").exists()


def test_a_limit_of_memory(launcher: Launcher, prepare: Prepare) -> None:
    """A limit that the script sets holds for the job."""
    folder = prepare(spoiling.takes_memory(4000))
    assert launcher.run(folder, before="ulimit -v 3000000") == 0
    error = read_outcome(folder / RunFolder.OUTPUT).error
    assert error is not None
    assert error.name == "MemoryError"


def test_the_document_of_the_job(launcher: Launcher, prepare: Prepare) -> None:
    """A job can read its own document."""
    folder = prepare(spoiling.looks(), job_doc={"uuid": "u", "index": 1})
    assert launcher.run(folder) == 0
    assert output_of(folder)["record"] == "u"


def test_all_that_a_process_starts_with(prepare: Prepare, session_folder: Path) -> None:
    """Environment, limits, descriptors, modules and the like are those of a cold start."""
    before = "export ONLY=this; umask 027; trap '' HUP; ulimit -n 500; PATH=/usr/bin:$PATH"
    seen: dict[bool, Any] = {}
    for warm in (True, False):
        launcher = Launcher(session_folder / "alike", warm=warm, environment={"JFC_QUEUE_ID": "7"})
        folder = prepare(spoiling.looks())
        assert launcher.run(folder, before=before) == 0
        seen[warm] = output_of(folder)
        assert (launcher.log(), len(launcher.servers())) == ("", 1)
        assert seen[warm]["environment"]["ONLY"] == "this"
        shown = seen[warm].pop("shown").split("\0")
        assert [line for line in shown if line.startswith("JFC_QUEUE_ID")] == ["JFC_QUEUE_ID=7"]
        assert seen[warm].pop("cwd") == str(folder)
        assert seen[warm].pop("argv") == [str(folder)]
        assert len(set(seen[warm].pop("random"))) == 2
        for name in ("pid", "leads"):
            seen[warm].pop(name)
        files = [text.replace(str(folder), "") for text in seen[warm]["files"]]
        seen[warm]["files"] = [text for text in files if not text.startswith("pipe:")]
        seen[warm]["exec"] = sorted(seen[warm]["exec"].split("\0"))
    retire_all(session_folder / "alike")
    assert seen[True] == seen[False]
