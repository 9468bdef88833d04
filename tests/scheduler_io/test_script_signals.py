"""The submission script when it is told to end: at any moment, in any part of it."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from tests.scheduler_io.scripts import MakeScript


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1, signal.SIGXCPU])
def test_a_signal_to_all_is_written_down(make_script: MakeScript, number: signal.Signals) -> None:
    """As schedulers send it when the time is over, or somebody cancels."""
    script = make_script("sleep 1000")
    process = script.start()
    script.wait_for("stage=exec")
    os.killpg(process.pid, number)
    assert process.wait(60) == 128 + number
    assert script.end["exit_code"] == str(128 + number)
    assert script.end["signal"] == str(int(number))
    assert script.end["stage"] == "exec"


def test_a_signal_to_the_script_alone_is_passed_on(make_script: MakeScript) -> None:
    """As ``scancel --batch`` does."""
    script = make_script("sleep 1000")
    process = script.start()
    script.wait_for("stage=exec")
    os.kill(process.pid, signal.SIGTERM)
    assert process.wait(60) == 143
    assert script.end["signal"] == "15"


_GRACEFUL = """\
import signal, sys, time, pathlib
def save(*_):
    time.sleep(1)
    pathlib.Path("saved").write_text("yes")
    sys.exit(9)
signal.signal(signal.SIGTERM, save)
pathlib.Path("ready").touch()
time.sleep(1000)
"""


def test_a_command_may_save_its_work_when_told_to_end(make_script: MakeScript) -> None:
    """The script waits for it, keeps its exit code, and runs post_run."""
    script = make_script("python3 job.py", post_run="cp saved kept")
    (script.folder / "job.py").write_text(_GRACEFUL)
    process = script.start()
    wait_until((script.folder / "ready").exists, "the job to be ready")
    os.killpg(process.pid, signal.SIGTERM)
    assert process.wait(60) == 9
    assert script.text("kept") == "yes"
    assert (script.end["exit_code"], script.end["signal"]) == ("9", "15")


def test_a_signal_in_pre_run_keeps_the_command_from_starting(make_script: MakeScript) -> None:
    """The job is over before it began."""
    script = make_script("echo run", pre_run="touch here; sleep 1000; true")
    process = script.start()
    wait_until((script.folder / "here").exists, "pre_run")
    os.killpg(process.pid, signal.SIGTERM)
    assert process.wait(60) == 143
    assert (script.end["signal"], script.end["stage"]) == ("15", "pre_run")
    assert script.text("queue.out") == ""


def test_a_signal_ends_a_command_of_several_parts_too(make_script: MakeScript) -> None:
    """Each part that is under way gets it."""
    script = make_script("sleep 1000; sleep 1000; echo run")
    process = script.start()
    script.wait_for("stage=exec")
    os.killpg(process.pid, signal.SIGTERM)
    process.wait(60)
    assert script.end["signal"] == "15"
    assert script.end["exit_code"] != ""


def test_a_script_that_leads_no_group_spares_its_caller(make_script: MakeScript) -> None:
    """Run by hand from another program, it must not signal that."""
    script = make_script("sleep 2")
    process = script.start(leader=False)
    script.wait_for("stage=exec")
    os.kill(process.pid, signal.SIGTERM)
    process.wait(60)
    assert script.end["signal"] == "15"


@pytest.mark.slow
def test_no_moment_is_wrong_for_a_signal(make_script: MakeScript) -> None:
    """Between two commands, while forking, at the very end: it ends with code and final file."""
    script = make_script("sleep 1000", pre_run="true", post_run="true")
    for attempt in range(40):
        for path in script.folder.glob("*jfc_*"):
            path.unlink()
        process = script.start(str(attempt))
        script.wait_for("stage=started" if attempt % 2 else "stage=exec")
        os.killpg(process.pid, signal.SIGTERM)
        assert process.wait(60) == 143
        assert script.end["exit_code"] == "143"
