"""Why a job left no outcome, from the traces that it left."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from jfcelery.execution.reason import why_no_output
from jfcelery.execution.status import Stage, Status, StatusFile
from jfcelery.execution.streams import tail_of
from jfcelery.folders import RunFolder

if TYPE_CHECKING:
    from pathlib import Path


def leave(folder: Path, status: str = "", code: int | None = None, stderr: str = "") -> None:
    """Leave the traces of a job."""
    if status:
        (folder / RunFolder.status(1)).write_text(status)
    if code is not None:
        (folder / RunFolder.end(1)).write_text(f"exit_code={code}\ntime=1.5\n")
    (folder / RunFolder.QUEUE_ERR).write_text(stderr)


@pytest.mark.parametrize(
    "stage, words",
    [
        (Stage.PYTHON, "Python was starting"),
        (Stage.LOAD, "being loaded"),
        (Stage.IMPORT, "being imported"),
        (Stage.RUN, "function was running"),
        (Stage.WRITE, "being written"),
        (Stage.DISK_FULL, "waiting for room on a full disk"),
    ],
)
def test_stages(stage: Stage, words: str, tmp_path: Path) -> None:
    """The reason tells what was being done."""
    script = f"stage=started\nhost=n1\nstage=exec\nstage={stage}\nstage=post_run\nstage=ended\n"
    leave(tmp_path, script, 137)
    why = why_no_output(tmp_path, attempt=1)
    assert words in why
    assert "SIGKILL" in why
    assert "host n1" in why


@pytest.mark.parametrize(
    "code, words",
    [
        (127, "a command was not found"),
        (126, "could not be executed"),
        (143, "SIGTERM"),
        (1, "exit code 1"),
    ],
)
def test_before_python(code: int, words: str, tmp_path: Path) -> None:
    """A script that never came to Python is told with its last stage and its stderr."""
    script = "stage=started\nstage=modules\nfailed=modules:1\nstage=exec\nstage=ended\n"
    leave(tmp_path, script, code, "module: command not found\n")
    why = why_no_output(tmp_path, attempt=1)
    assert "Python never started; modules failed with exit code 1; in 'exec' the script" in why
    assert words in why
    assert why.endswith("module: command not found")


@pytest.mark.parametrize(
    "end, words",
    [
        ({"reason": "TIMEOUT", "words": "TIMEOUT at 01:00:00"}, "the scheduler says TIMEOUT at"),
        ({"reason": "OUT_OF_MEMORY", "exit_code": 0, "signal": 9}, "says OUT_OF_MEMORY"),
        ({"reason": "FAILED", "exit_code": 7, "signal": None, "words": ""}, "exit code 7"),
    ],
)
def test_words_of_the_scheduler(end: dict[str, Any], words: str, tmp_path: Path) -> None:
    """What the scheduler knows is told where the job left no final file."""
    leave(tmp_path, "stage=run\n")
    assert words in why_no_output(tmp_path, attempt=1, end=end)


def test_signals_to_the_queue_job(tmp_path: Path) -> None:
    """A signal that the script was sent is told as such: it is how schedulers end jobs."""
    leave(tmp_path, "stage=started\nstage=run\nsignal=15\nstage=ended\n")
    (tmp_path / RunFolder.end(1)).write_text("exit_code=143\nsignal=15\n")
    why = why_no_output(tmp_path, attempt=1, end={"words": "CANCELLED by 1000"})
    assert "ended by SIGTERM (15), sent to the queue job (the scheduler says CANCELLED" in why


def test_only_the_latest_start_counts(tmp_path: Path) -> None:
    """A script that the scheduler started again is told by what it did then."""
    leave(tmp_path, "stage=started\nstage=run\nfailed=exec:1\nstage=started\nstage=exec\n", 1)
    assert "Python never started; in 'exec' the script" in why_no_output(tmp_path, attempt=1)


def test_no_trace_at_all(tmp_path: Path) -> None:
    """Even an empty folder gets a sentence."""
    why = why_no_output(tmp_path, attempt=1)
    assert "left no trace" in why
    assert "without a word" in why


def test_nonsense_in_the_traces(tmp_path: Path) -> None:
    """Damaged files are no reason to fail."""
    (tmp_path / RunFolder.status(1)).write_bytes(b"\xff\xfe=\x00\nstage\n=x\n\nstage=run")
    (tmp_path / RunFolder.end(1)).write_text("exit_code=many\n")
    assert "function was running" in why_no_output(tmp_path, attempt=1)


def test_exit_code_for_no_outcome(tmp_path: Path) -> None:
    """The execution's own exit code is explained."""
    leave(tmp_path, "stage=write\n", 74)
    assert "its outcome could not be written" in why_no_output(tmp_path, attempt=1)


def test_status_file_is_appended_to(tmp_path: Path) -> None:
    """Stages come after what the script has written; values are of one line each."""
    path = tmp_path / "status"
    path.write_text("stage=script\nhost=n1\n")
    file = StatusFile(path)
    file.enter(Stage.PYTHON, python="3 \n x")
    file.enter(Stage.RUN)
    status = Status.parse(path.read_text())
    assert status.stages == ("script", "python", "run")
    assert (status.facts["host"], status.facts["python"]) == ("n1", "3 x")


def test_status_file_that_was_removed(tmp_path: Path) -> None:
    """A status file that the job took away is written anew with all its stages."""
    path = tmp_path / "status"
    file = StatusFile(path)
    file.enter(Stage.PYTHON)
    path.unlink()
    file.enter(Stage.RUN)
    assert Status.parse(path.read_text()).stages == ("python", "run")


def test_status_file_that_cannot_be_written(tmp_path: Path) -> None:
    """A folder that is gone does not end the job."""
    StatusFile(tmp_path / "gone" / "status").enter(Stage.RUN)


def test_tail(tmp_path: Path) -> None:
    """The tail of a file has whole lines, and takes broken characters."""
    path = tmp_path / "err"
    path.write_bytes(b"first\n" + b"second \xff line\n" * 100 + b"last\n")
    tail = tail_of(path, 50)
    assert tail.startswith("second")
    assert tail.endswith("\nlast")
    assert tail_of(path, 10**6).startswith("first")
    assert tail_of(tmp_path / "none") == ""
