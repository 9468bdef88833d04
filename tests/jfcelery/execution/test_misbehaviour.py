"""Jobs that do what no job should do."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from jfcelery.execution.outcome import read_outcome
from jfcelery.execution.reason import why_no_output
from jfcelery.execution.status import Stage, Status
from jfcelery.execution.stores import read_documents
from jfcelery.folders import RunFolder
from tests.support import faults

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.warm import WarmRunner

    Prepare = Callable[..., Path]


def status_of(folder: Path, attempt: int = 1) -> Status:
    """Return what the status file says."""
    return Status.parse((folder / RunFolder.status(attempt)).read_text())


def end(folder: Path, code: int) -> str:
    """Write the final file as the script does; return why there is no outcome."""
    shell = code if code >= 0 else 128 - code
    (folder / RunFolder.end(1)).write_text(f"exit_code={shell}\ntime=1\n")
    assert not (folder / RunFolder.OUTPUT).exists()
    return why_no_output(folder, attempt=1)


@pytest.mark.parametrize("code", [0, 5])
def test_ending_the_process(code: int, runner: WarmRunner, prepare: Prepare) -> None:
    """os._exit leaves no outcome; the reason says what was running and what it ended with."""
    folder = prepare(faults.exits_at_once(code))
    assert runner.run(folder) == code
    why = end(folder, code)
    assert "while the job's function was running" in why
    assert f"ended with exit code {code}" in why
    assert "os._exit" in why
    assert why.endswith("going")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_being_killed(number: signal.Signals, runner: WarmRunner, prepare: Prepare) -> None:
    """A killed job's status file tells how far it came, and the reason names the signal."""
    folder = prepare(faults.is_killed(number))
    code = runner.run(folder)
    assert code == -number
    assert status_of(folder).last == Stage.RUN
    why = end(folder, code)
    assert f"was killed by {number.name}" in why
    assert why.endswith("before the end")


def test_crashing(runner: WarmRunner, prepare: Prepare) -> None:
    """A crash in compiled code shows the line of Python that called it."""
    folder = prepare(faults.crashes())
    code = runner.run(folder)
    why = end(folder, code)
    assert "SIGSEGV" in why
    assert "faults.py" in why


def test_flooding_stdout(runner: WarmRunner, prepare: Prepare) -> None:
    """However much is printed, a report quotes a few lines."""
    folder = prepare(faults.floods_and_raises(20))
    assert runner.run(folder) == 0
    error = read_outcome(folder / RunFolder.OUTPUT).error
    assert error is not None
    assert error.message == "at last"
    assert len(error.stderr_tail) < 5000
    assert "0020479 " in error.stderr_tail
    assert error.stderr_tail.startswith("00")


def test_going_elsewhere(runner: WarmRunner, prepare: Prepare) -> None:
    """A job that changes its working directory leaves its results in the run folder."""
    folder = prepare(faults.goes_elsewhere("/"))
    assert runner.run(folder) == 0
    assert read_documents(folder).outputs[0]["output"] == "/"


def test_closing_streams(runner: WarmRunner, prepare: Prepare) -> None:
    """Closed streams do not spoil a job."""
    folder = prepare(faults.closes_streams())
    assert runner.run(folder) == 0
    assert read_documents(folder).outputs[0]["output"] == 1


def test_closing_descriptors(runner: WarmRunner, prepare: Prepare) -> None:
    """What is printed never ends up in the results, though their descriptor is that of stdout."""
    folder = prepare(faults.closes_descriptors())
    assert runner.run(folder) == 0
    assert read_documents(folder).outputs[0]["output"] == 1
    assert (folder / "mine.txt").read_text() == "mine"
    assert read_outcome(folder / RunFolder.OUTPUT).error is None


def test_forking(runner: WarmRunner, prepare: Prepare) -> None:
    """A child process that leaves the function does not write the outcome."""
    first, second = prepare(faults.forks()), prepare(faults.forks_and_returns())
    assert runner.run(first) == 0
    assert runner.run(second) == 0
    assert read_documents(first).outputs[0]["output"] == 9
    assert read_documents(second).outputs[0]["output"] == "parent"


@pytest.mark.parametrize("fail", [False, True])
def test_compressing_the_folder(fail: bool, runner: WarmRunner, prepare: Prepare) -> None:
    """A job that compresses all files of its folder takes neither status nor stderr away."""
    folder = prepare(faults.compresses(fail))
    assert runner.run(folder) == 0
    error = read_outcome(folder / RunFolder.OUTPUT).error
    assert status_of(folder).stages[0] == Stage.PYTHON
    if fail:
        assert error is not None
        assert error.stderr_tail == "after all"
    else:
        assert read_documents(folder).outputs[0]["output"] == 1


def test_files_of_the_same_names(runner: WarmRunner, prepare: Prepare) -> None:
    """What a job writes under the names of the results is replaced by the results."""
    folder = prepare(faults.leaves_results_of_its_own())
    runner.run(folder)
    assert read_documents(folder).outputs[0]["output"] == 7
